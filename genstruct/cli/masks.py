"""`genstruct masks`: a mask for every image, with a trained model."""

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from genstruct.cli.arguments import fraction, positive
from genstruct.cli.printable import printable
from genstruct.cli.progress import progress_bar
from genstruct.errors import OutputError

if TYPE_CHECKING:
    from genstruct.segmentation.mask_folder import MaskRecord
    from genstruct.segmentation.predict import MaskReport, Predictor

METHODS = {
    "distil": "genstruct.segmentation.segmenter:Segmenter",
    "invert": "genstruct.segmentation.invert:Inverter",
}
"""Ways to find masks, by what loads and predicts (see `genstruct.segmentation.predict.Predictor`)."""
SHOWN_NOTES = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to `parser`."""
    parser.description = (
        "Write for each image an 8-bit soft mask of its own size (OUT/NAME.png) and a line of OUT/masks.jsonl: area, "
        "box, confidence, or why there is none. A second run does what is missing. "
        "Status 0: all have a mask; 1: some have not, or files or lines of metadata were left out; 2: none has."
    )
    parser.add_argument(
        "images",
        help="folder, image, .zip, .tar or shards ('s-{000..031}.tar'), LSUN folder, torchvision:NAME,key=value",
    )
    parser.add_argument("--model", type=Path, required=True, metavar="RUN_OR_FILE", help="a run, or .safetensors")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder: new, empty or to be continued")
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
        help="distil: a network trained on made pairs; invert: find the generator's code of each photo (distil)",
    )
    parser.add_argument("--threshold", type=fraction, default=0.5, help="of area and box; the mask stays soft (0.5)")
    parser.add_argument("--batch", type=positive, default=16, help="images the network sees at once (16)")
    parser.add_argument("--workers", type=positive, help="decoding threads (number of processors, at most 4)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to run (auto)")
    parser.add_argument("--max-megapixels", type=positive, default=200, help="refuse larger pictures (200)")
    parser.add_argument("--overwrite", action="store_true", help="make masks again, and replace those of other models")


def run(args: argparse.Namespace) -> int:
    """Write masks. Status 0: all images have one; 1: some have not or were left out; 2: none has."""
    from genstruct.data.sources import open_source
    from genstruct.segmentation.predict import MaskOptions, extract_masks

    _check_apart(args.images, args.out)
    predictor, refine = _load(args)
    options = MaskOptions(
        args.batch, refine, args.overlay, args.cutout, args.threshold, args.overwrite, workers=args.workers
    )
    with open_source(args.images, max_pixels=args.max_megapixels * 1_000_000) as source:
        _print_remarks("left out", source.problems)
        _print_remarks("note", source.notes)
        with _progress() as on_record:
            report = extract_masks(predictor, source, args.out, options, on_record)
    print(printable(_told(report, args.out, len(source.problems))))
    return _status(report, len(source.problems))


def _print_remarks(kind: str, lines: Sequence[str]) -> None:
    """Up to `SHOWN_NOTES` lines on the error stream, and how many more there are."""
    for line in lines[:SHOWN_NOTES]:
        print(f"{kind}: {printable(line)}", file=sys.stderr)
    if len(lines) > SHOWN_NOTES:
        print(f"{kind}: {len(lines) - SHOWN_NOTES} more (genstruct data --json lists all)", file=sys.stderr)


def _check_apart(images: str, out: Path) -> None:
    if Path(images).is_dir() and out.resolve().is_relative_to(Path(images).resolve()):
        raise OutputError(f"{out} lies inside {images}, so its masks would be taken for images; give a folder outside")


def _load(args: argparse.Namespace) -> "tuple[Predictor, bool]":
    """The model, and whether to refine its masks."""
    from genstruct.train.distributed import pick_device

    module, _, name = METHODS[args.method].partition(":")
    predictor = getattr(importlib.import_module(module), name).load(args.model, str(pick_device(args.device)))
    refine = predictor.card.get("refine", False) if args.refine is None else args.refine
    return predictor, bool(refine)


@contextmanager
def _progress() -> "Iterator[Callable[[MaskRecord, int, int], None]]":
    """A progress bar on the error stream, and a line for each image that has no mask."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with progress_bar("masks", console) as count:

        def show(record: "MaskRecord", done: int, total: int) -> None:
            if record.error is not None:
                console.print(printable(f"{record.file_name}: {record.error}"), markup=False)
            count(done, total)

        yield show


def _told(report: "MaskReport", out: Path, problems: int) -> str:
    parts = [f"{report.made} masks written to {out}"]
    if report.there:
        parts.append(f"{report.there} were there")
    if report.failed:
        parts.append(f"{report.failed} images have none (see {out / 'masks.jsonl'})")
    if problems:
        parts.append(f"{problems} problems of the set itself (see above)")
    return "; ".join(parts)


def _status(report: "MaskReport", problems: int) -> int:
    if not report.made + report.there:
        return 2
    return int(bool(report.failed or problems))
