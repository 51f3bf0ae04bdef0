"""Draw synthetic scenes with known masks: images, masks and metadata.jsonl (`genstruct.data.synthetic.write_scenes`).

python tools/make_scenes.py out/scenes/train --count 3000 --size 64 --seed 0
"""

import argparse
import sys
from pathlib import Path

from genstruct.cli.ending import ending


@ending("make_scenes")
def main(argv: list[str] | None = None) -> int:
    """Draw and write. Status 0, or 2 after an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="new or empty folder")
    parser.add_argument("--count", type=int, default=1000, help="scenes (1000)")
    parser.add_argument("--size", type=int, default=64, help="width and height, pixels (64)")
    parser.add_argument("--seed", type=int, default=0, help="of the set (0)")
    parser.add_argument(
        "--category", default="fish", help="the object's shapes: fish, ellipses, polygons or stars (fish)"
    )
    parser.add_argument("--bands", type=int, default=3, help="most bands of other materials in a background (3)")
    args = parser.parse_args(argv)
    from genstruct.data.synthetic import write_scenes  # here, so that --help need not wait for torch

    write_scenes(args.out, args.count, args.size, args.seed, args.category, args.bands)
    print(f"{args.count} scenes in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
