"""`genstruct masks`: a mask for every image, with a trained model."""

import argparse
import importlib
from typing import TYPE_CHECKING

from genstruct.cli import prediction
from genstruct.cli.arguments import fraction

if TYPE_CHECKING:
    from genstruct.segmentation.predict import MaskTask

METHODS = {
    "distil": "genstruct.segmentation.segmenter:Segmenter",
    "invert": "genstruct.segmentation.invert:Inverter",
}
"""Ways to find masks, by what loads and predicts (see `genstruct.segmentation.predict.Predictor`)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to `parser`."""
    parser.description = (
        "Write for each image an 8-bit soft mask of its own size (OUT/NAME.png) and a line of OUT/masks.jsonl: area, "
        "box, confidence, or why there is none. A second run does what is missing, and photos that were replaced. "
    ) + prediction.STATUS
    prediction.add_arguments(parser)
    parser.add_argument("--overlay", action="store_true", help="also write DIR/overlay: the object tinted, for looking")
    parser.add_argument("--cutout", action="store_true", help="also write DIR/cutout: the object alone, RGBA")
    parser.add_argument(
        "--refine",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="sharpen each mask with its photo's own colours (what the model's card says, else no)",
    )
    parser.add_argument(
        "--method",
        choices=tuple(METHODS),
        default="distil",
        help="distil: a network trained on generated pairs; invert: find the generator's code of each photo (distil)",
    )
    parser.add_argument("--threshold", type=fraction, default=0.5, help="of area and box; the mask stays soft (0.5)")


def run(args: argparse.Namespace) -> int:
    """Write masks. Status 0: all images have one; 1: some have not or were left out; 2: none has."""
    return prediction.predict(args, "masks", lambda: _load(args))


def _load(args: argparse.Namespace) -> "MaskTask":
    from genstruct.segmentation.predict import MaskOptions, MaskTask
    from genstruct.train.distributed import pick_device

    module, _, name = METHODS[args.method].partition(":")
    predictor = getattr(importlib.import_module(module), name).load(args.model, str(pick_device(args.device)))
    refine = predictor.card.get("refine", False) if args.refine is None else args.refine
    return MaskTask(predictor, MaskOptions(bool(refine), args.overlay, args.cutout, args.threshold))
