"""`genstruct evaluate`: masks and viewpoints against truth, samples against photos, the offset version of a set."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from genstruct.cli import evaluate_viewpoints
from genstruct.cli.arguments import fraction, number, place, positive
from genstruct.cli.scoring import add_json, console_beside, give_json, show_failures, show_notes, status

if TYPE_CHECKING:
    from rich.console import Console

    from genstruct.metrics.evaluation import MaskReport, SampleReport

LABELS = {
    "iou": "IoU, mean over images",
    "median_iou": "IoU, median over images",
    "dataset_iou": "IoU, all pixels pooled",
    "mean_iou": "mIoU, mean over images",
    "dataset_mean_iou": "mIoU, all pixels pooled",
    "dice": "Dice",
    "accuracy": "pixel accuracy",
    "precision": "precision",
    "recall": "recall",
    "max_f_beta": "max F-beta, maximum after averaging",
    "max_f_beta_each": "max F-beta, each image's own threshold",
    "boundary_f": "boundary F",
    "oracle_flip_iou": "IoU if an oracle may flip each mask",
    "oracle_flip_share": "share of masks better flipped",
}
SEGMENTER = "segmenter:"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the sub-commands and their options to `parser`."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    _add_masks(commands.add_parser("masks", help="score predicted masks against true ones"))
    evaluate_viewpoints.add_arguments(commands.add_parser("viewpoints", help="score viewpoints against true cameras"))
    _add_samples(commands.add_parser("samples", help="distance of generated images from real ones (KID)"))
    _add_offset(commands.add_parser("offset-set", help="crop a labelled set so that its objects lie off-centre"))


def run(args: argparse.Namespace) -> int:
    """Run the sub-command. Status 0: all items done; 1: some failed; 2: none could be done."""
    work = {"masks": _masks, "viewpoints": evaluate_viewpoints.run, "samples": _samples, "offset-set": _offset_set}
    return work[args.what](args)


def _add_masks(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Match predictions to truth by relative path (suffix ignored), else by a stem that occurs once, and score them "
        "at the truth's resolution. A true mask is object above 127; no mask (photo, class numbers) is scored."
    )
    parser.add_argument(
        "--pred",
        required=True,
        metavar="PLACE",
        help="grey masks named like the images: a folder, .zip, .tar or shards",
    )
    parser.add_argument(
        "--truth", required=True, metavar="PLACE", help="masks, or a set with a metadata.jsonl (or that file): likewise"
    )
    parser.add_argument("--threshold", type=fraction, default=0.5, help="a prediction above it is object (0.5)")
    parser.add_argument("--resize", action="store_true", help="resize predictions of another size, not refuse them")
    parser.add_argument("--bootstrap", type=_count, default=1000, help="resamples for the intervals, 0 for none (1000)")
    parser.add_argument("--seed", type=_count, default=0, help="of the bootstrap")
    parser.add_argument(
        "--group-by",
        default="instance",
        metavar="COLUMN",
        help="metadata column whose equal values are resampled together; ignored unless every item has it (instance)",
    )
    parser.add_argument("--limit", type=positive, default=None, help="score only the first so many")
    add_json(parser)


def _add_samples(parser: argparse.ArgumentParser) -> None:
    parser.description = "Kernel inception distance with a named feature network; nothing is downloaded."
    parser.add_argument("--samples", required=True, metavar="PLACE", help="generated images: a folder, .zip, .tar, ...")
    parser.add_argument("--real", required=True, metavar="PLACE", help="real images: likewise")
    parser.add_argument(
        "--features",
        default="random-conv",
        help="random-conv (fixed random filters), segmenter:RUN_OR_FILE (a segmenter's encoder, which knows what such "
        "objects look like), or file:PATH (torchvision inception_v3 or resnet weights)",
    )
    parser.add_argument(
        "--size", type=positive, default=None, help="bring all to this many pixels first (what the features want)"
    )
    parser.add_argument("--limit", type=positive, default=None, help="use only the first so many of each folder")
    add_json(parser)


def _add_offset(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write a version of a labelled set in which objects lie off-centre: random crops of 75 to 87.5 percent of the "
        "side, placed uniformly among those that keep at least 90 percent of the object."
    )
    parser.add_argument(
        "--truth", required=True, metavar="PLACE", help="set with a metadata.jsonl: a folder, .zip, .tar"
    )
    parser.add_argument("--out", type=place, required=True, help="folder to write; must be empty or new")
    parser.add_argument("--seed", type=_count, default=0, help="the same seed gives the same crops")
    parser.add_argument(
        "--farthest",
        type=_share,
        default=1.0,
        help="draw only among this share of the valid places, the most off-centre ones; 0.25 is a harder test (1)",
    )
    parser.add_argument("--limit", type=positive, default=None, help="crop only the first so many")


def _masks(args: argparse.Namespace) -> int:
    from genstruct.metrics.evaluation import MaskProtocol, score_mask_folder

    protocol = MaskProtocol(
        threshold=args.threshold,
        resize=args.resize,
        bootstrap=args.bootstrap,
        group_by=args.group_by,
        seed=args.seed,
    )
    report = score_mask_folder(args.pred, args.truth, protocol, args.limit)
    console = console_beside(args.json)
    show_failures(report.failures, len(report.images))
    show_notes(report.notes)
    if report.images:
        console.print(mask_table(report))
    if report.unused:
        console.print(f"{report.unused} predictions have no truth and were left out", style="dim")
    give_json(args.json, report.to_json())
    return status(len(report.images), len(report.failures))


def _samples(args: argparse.Namespace) -> int:
    from genstruct.metrics.evaluation import score_sample_folder

    features = args.features
    if features.startswith(SEGMENTER):
        from genstruct.segmentation.features import segmenter_features

        features = segmenter_features(Path(features.removeprefix(SEGMENTER)))
    report = score_sample_folder(args.samples, args.real, features, args.limit, size=args.size)
    show_failures(report.failures, report.samples + report.real)
    show_notes(report.notes)
    _show_samples(console_beside(args.json), report)
    give_json(args.json, report.to_json())
    return status(report.samples, len(report.failures))


def _offset_set(args: argparse.Namespace) -> int:
    from genstruct.export.offset import write_offset_set

    report = write_offset_set(args.truth, args.out, args.seed, args.limit, args.farthest)
    show_failures(report.failures, report.written)
    print(
        f"{report.written} crops in {args.out}; the object's centre lies {report.distance:.3f} of the side from the "
        f"picture's centre on average, before {report.distance_before:.3f}"
    )
    return status(report.written, len(report.failures))


def mask_table(report: "MaskReport"):
    """The scores of `report` as a table for the terminal."""
    from rich.table import Table

    protocol = report.protocol
    units = "images" if report.groups is None else f"{report.groups} {protocol.group_by} groups"
    table = Table(
        title=f"{len(report.images)} masks at the truth's resolution, threshold {protocol.threshold:g}",
        caption=f"{protocol.confidence:.0%} intervals from {protocol.bootstrap} resamples of {units}"
        if protocol.bootstrap
        else None,
    )
    table.add_column("score")
    table.add_column("value", justify="right")
    table.add_column("interval", justify="right")
    for name, label in LABELS.items():
        score = report.scores[name]
        bounds = "" if score.low is None else f"{score.low:.4f} - {score.high:.4f}"
        table.add_row(label, f"{score.value:.4f}", bounds, end_section=name in ("dataset_mean_iou", "boundary_f"))
    return table


def _show_samples(console: "Console", report: "SampleReport") -> None:
    kid = report.kid
    console.print(
        f"KID {kid.value:.5f} ± {kid.standard_error:.5f} (standard error) with features {report.features} at "
        f"{report.size} px: {report.samples} samples, {report.real} real images, "
        f"{kid.subsets} subsets of {kid.subset_size}",
        highlight=False,
    )


def _share(text: str) -> float:
    value = number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, got {text}")
    return value


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, got {text!r}")
    return int(text)
