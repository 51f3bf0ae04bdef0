"""Find the viewpoints of a labelled set without its labels, from several starts, and score each step.

    DATA=../shared/data/cars/train
    genstruct masks --model cars $DATA --refine --out out/masks
    python tools/study_viewpoint.py $DATA --masks out/masks --seeds 0,1,2 --out out/views.json

Rows of the table: one shape; the same with twice as many azimuths; several shapes; the images
that are surest. "precision" is the share of the verified edges, the ten most similar an image, whose claimed turn is
true within 30 degrees. Cameras of the metadata are read for scoring only. This is the core of the viewpoint capability;
its commands are still to come.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from genstruct.cli.ending import ending

if TYPE_CHECKING:
    from genstruct.metrics.viewpoint import ViewScores

PER_IMAGE = 10
SURE = 0.75


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("data", type=Path, help="folder with images and metadata.jsonl")
    made.add_argument("--masks", type=Path, required=True, help="folder of masks named like the images")
    made.add_argument("--seeds", default="0", help="starts, with commas between (0)")
    made.add_argument("--limit", type=int, help="only the first so many images")
    made.add_argument("--shapes", type=int, default=5, help="shapes of the category (5)")
    made.add_argument("--out", type=Path, help="also write the rows as JSON")
    return made


@ending("study_viewpoint")
def main(argv: list[str] | None = None) -> int:
    """Print a table."""
    args = parser().parse_args(argv)
    from benchmarks.viewpoints import study

    from genstruct.files import write_json

    rows = []
    for seed in map(int, args.seeds.split(",")):
        began = time.monotonic()
        for name, scores, more in study(args.data, args.masks, seed, args.shapes, args.limit):
            seconds = time.monotonic() - began
            rows.append({"seed": seed, "row": name, **figures(scores), **more, "seconds": round(seconds, 1)})
            print(
                "  ".join(
                    f"{key} {value:.3g}" if isinstance(value, float) else f"{value}" for key, value in rows[-1].items()
                )
            )
    if args.out:
        write_json(args.out, rows)
    return 0


def figures(scores: "ViewScores") -> dict[str, float]:
    """Median error in degrees, shares within 15 and 30 degrees, and flips."""
    return {"median": scores.median, "<15": scores.within(15), "<30": scores.within(30), "flips": scores.flips}


if __name__ == "__main__":
    sys.exit(main())
