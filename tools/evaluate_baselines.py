"""Reference rows for the masks of a labelled set, written as folders of masks and scored by the same code as ours.

    DATA=../shared/data/cars
    python tools/evaluate_baselines.py --train $DATA/train --val $DATA/val --offset --out out/rows

Rows: `ellipse` (a fixed centred ellipse), `mean` (the mean true mask of train: uses truth), `grabcut` (GrabCut from a
rectangle 5 percent inside the frame), `grabcut-box` (from the true box grown by a tenth: uses truth), `unet` (a small
U-Net trained on the true masks of train at 64 px: a supervised ceiling). Nothing here is unsupervised learning.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from genstruct.cli.ending import ending
from genstruct.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from rich.table import Table

    from genstruct.metrics.evaluation import MaskReport

ROWS = ("ellipse", "mean", "grabcut", "grabcut-box", "unet")
USES_TRUTH = {"mean": "masks of train", "grabcut-box": "boxes of val", "unet": "masks of train"}


def evaluate(args: argparse.Namespace) -> "dict[str, dict[str, MaskReport]]":
    """Reports by row and set (`val`, `offset`); the folder of their masks appears whole or not at all."""
    from genstruct.files import is_occupied, whole_folder  # here, so that --help need not wait for torch

    if is_occupied(args.out):
        raise OutputError(f"{args.out} already holds files; choose a new folder, or remove it first")
    with whole_folder(args.out) as out:
        return rows(args, out)


def rows(args: argparse.Namespace, out: Path) -> "dict[str, dict[str, MaskReport]]":
    """Write masks of every row and score them."""
    from benchmarks.baselines import predictors, usable

    from genstruct.export.offset import write_offset_set
    from genstruct.metrics.evaluation import score_mask_folder

    sets = {"val": args.val}
    if args.offset:
        sets["offset"] = out / "offset-set"
        write_offset_set(args.val, sets["offset"], args.seed, args.limit, args.farthest)
    reports: dict[str, dict[str, MaskReport]] = {}
    for row, predict in predictors(args.rows, args.train, args.minutes, args.seed):
        reports[row] = {}
        for name, place in sets.items():
            folder, start = out / row / name, time.perf_counter()
            items = usable(place)[: args.limit]
            for item in items:
                item.write(predict(item), folder)
            seconds = (time.perf_counter() - start) / max(len(items), 1)
            reports[row][name] = score_mask_folder(folder, place, limit=args.limit)
            print(f"{row} on {name}: {1000 * seconds:.0f} ms an image", file=sys.stderr)
    return reports


def table(reports: "dict[str, dict[str, MaskReport]]", minutes: float) -> "Table":
    """One line a row and set."""
    from rich.table import Table

    shown = ("median_iou", "dataset_iou", "mean_iou", "max_f_beta", "boundary_f")
    result = Table("row", "uses truth", "set", "n", "IoU (95 %)", "median", "pooled", "mIoU", "max F", "boundary F")
    for row, sets in reports.items():
        for name, report in sets.items():
            iou = report.scores["iou"]
            first = f"{iou.value:.3f} ({iou.low:.3f}-{iou.high:.3f})"
            rest = [f"{report.scores[score].value:.3f}" for score in shown]
            title = f"unet, {minutes:g} min" if row == "unet" else row
            result.add_row(title, USES_TRUTH.get(row, "no"), name, str(len(report.images)), first, *rest)
    return result


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="labelled set for the rows that use truth")
    parser.add_argument("--val", type=Path, required=True, help="labelled set that is scored")
    parser.add_argument("--out", type=Path, required=True, help="new folder for masks, and the offset set")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"comma-separated, of {', '.join(ROWS)}")
    parser.add_argument("--offset", action="store_true", help="also score a version with objects off-centre")
    parser.add_argument("--farthest", type=float, default=1.0, help="see `genstruct evaluate offset-set` (1)")
    parser.add_argument("--limit", type=int, default=None, help="score only the first so many images")
    parser.add_argument("--minutes", type=float, default=8.0, help="wall clock for training the U-Net (8)")
    parser.add_argument("--seed", type=int, default=0, help="of the crops and of the U-Net")
    parser.add_argument("--json", type=Path, default=None, help="file for the scores")
    args = parser.parse_args()
    args.rows = args.rows.split(",")
    unknown = [row for row in args.rows if row not in ROWS]
    if unknown:
        raise ConfigError(f"no row is called {unknown[0]!r}; rows are {', '.join(ROWS)}")
    return args


def show(reports: "dict[str, dict[str, MaskReport]]", args: argparse.Namespace) -> None:
    """The table on the screen, and all scores in the file that was asked for."""
    from rich.console import Console

    from genstruct.files import write_json

    Console(width=max(Console().width, 120)).print(table(reports, args.minutes))
    if args.json is not None:
        plain = {row: {name: report.to_json() for name, report in sets.items()} for row, sets in reports.items()}
        write_json(args.json, plain)


@ending("evaluate_baselines")
def main() -> int:
    """Compute, print, write."""
    args = arguments()
    show(evaluate(args), args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
