"""`genstruct viewpoints`: the view that each photo shows, with a view graph."""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from genstruct.cli import prediction
from genstruct.cli.objects import NONE, SegmentedMasks, segmenter_beside, segmenter_file

if TYPE_CHECKING:
    from genstruct.viewpoint.predict import MaskGiver, ViewTask

NAME = "viewpoints"
WAYS = ("graph", "network")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to `parser`."""
    parser.description = (
        "Write for each image a line of OUT/viewpoints.jsonl: azimuth, elevation, the camera that draws the category's "
        "shape over the photo, confidence and further candidates, or why there is no view. A second run does what is "
        "missing, and photos that were replaced. "
    ) + prediction.STATUS
    prediction.add_arguments(parser)
    parser.add_argument(
        "--masks",
        metavar="MODEL_OR_PLACE",
        help="a segmenter (a run, .safetensors, or a name), masks named like the photos, or none, which costs nearly "
        "all (the segmenter that the model's card names)",
    )
    parser.add_argument(
        "--method",
        choices=WAYS,
        default="graph",
        help="graph: compare with the category's shapes and with known photos; network: a small network alone (graph)",
    )


def run(args: argparse.Namespace) -> int:
    """Write viewpoints. Status 0: all photos have a line of results; 1: some have not or were left out; 2: none has."""
    with ExitStack() as stack:
        return prediction.predict(args, NAME, lambda: _load(args, stack))


def _load(args: argparse.Namespace, stack: ExitStack) -> "ViewTask":
    from genstruct.run.weights import weights_file
    from genstruct.viewpoint.model import RUN_FILE, ViewGraph
    from genstruct.viewpoint.predict import ViewTask

    file = weights_file(args.model, RUN_FILE)
    model = ViewGraph.load(file, args.device)
    model.check_way(args.method)
    masks, origin = _masks(args, file, str(model.card.get("segmenter", "")), stack)
    return ViewTask(model, masks, origin, args.method)


def _masks(args: argparse.Namespace, model: Path, named: str, stack: ExitStack) -> "tuple[MaskGiver, str]":
    """What gives masks, and what it is called in the lines."""
    from genstruct.data.sources import open_masks
    from genstruct.segmentation.segmenter import Segmenter
    from genstruct.viewpoint.predict import FoundMasks

    given: str | None = args.masks
    if given is None:
        file = segmenter_beside(model, named)
    elif given == NONE:
        return FoundMasks(None), NONE
    elif (found := segmenter_file(given)) is not None:
        file = found
    else:
        return FoundMasks(stack.enter_context(open_masks(given, predicted=True))), given
    segmenter = Segmenter.load(file, args.device)
    return SegmentedMasks(segmenter), segmenter.fingerprint
