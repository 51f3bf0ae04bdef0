"""Write weights for others to use, with their card: ASSETS/NAME.safetensors (float16) and ASSETS/NAME.md.

genstruct masks ../shared/data/cars/val --model runs/cars --out out/val
genstruct evaluate masks --pred out/val --truth ../shared/data/cars/val --json out/val.json
python tools/publish_weights.py runs/cars --name cars --scores val=out/val.json

genstruct viewpoints ../shared/data/cars/val --model runs/graph --masks assets/cars.safetensors --out out/views
genstruct evaluate viewpoints --pred out/views --truth ../shared/data/cars/val --json out/views.json
python tools/publish_weights.py runs/graph --name cars-viewpoint --scores val=out/views.json
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from genstruct.cli.ending import ending
from genstruct.errors import ConfigError

if TYPE_CHECKING:
    from genstruct.run.publish import Published


@ending("publish_weights")
def main(argv: list[str] | None = None) -> int:
    """Publish. Status 0, or 2 after an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the --out of genstruct train, or of genstruct graph")
    parser.add_argument("--name", required=True, help="of the files, without suffix")
    parser.add_argument("--assets", type=Path, default=Path("assets"), help="folder (assets)")
    parser.add_argument(
        "--scores", nargs="+", default=[], metavar="SET=FILE", help="results of genstruct evaluate --json"
    )
    parser.add_argument("--about", default="", help="a sentence on the data and their licence")
    parser.add_argument("--refine", action="store_true", help="genstruct masks refines with these weights by default")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    args = parser.parse_args(argv)
    scores = dict(map(pair, args.scores))
    done = published(args, scores)
    print(f"{done.weights} ({done.size / 2**20:.2f} MiB)\n{done.card_file}")
    return 0


def published(args: argparse.Namespace, scores: dict[str, Path]) -> "Published":
    """Weights of whatever the run has trained."""
    from genstruct.segmentation.publish import publish as publish_segmenter
    from genstruct.viewpoint.model import RUN_FILE
    from genstruct.viewpoint.publish import publish as publish_graph

    if not (args.run / RUN_FILE).is_file():
        return publish_segmenter(args.run, args.name, args.assets, scores, args.about, args.refine, args.overwrite)
    if args.refine:
        raise ConfigError("--refine is for weights that make masks; a view graph's masks are its segmenter's")
    return publish_graph(args.run, args.name, args.assets, scores, args.about, args.overwrite)


def pair(text: str) -> tuple[str, Path]:
    """`val=FILE`, taken apart."""
    name, equals, file = text.partition("=")
    if not equals or not name:
        raise ConfigError(f"--scores takes SET=FILE, for example val=out/val.json; got {text!r}")
    return name, Path(file)


if __name__ == "__main__":
    sys.exit(main())
