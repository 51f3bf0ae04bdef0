"""`genstruct samples`: pictures that the generator of a run makes, with their layers and masks on request."""

import argparse
from pathlib import Path

from genstruct.cli.arguments import positive
from genstruct.cli.progress import progress_bar


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to `parser`."""
    parser.description = (
        "Write pictures by the generator of a run of segmentation: OUT/images/000000.png and so on, of its own size. "
        "Compare them with photos by genstruct evaluate samples --samples OUT/images --real PHOTOS --size SIZE."
    )
    parser.add_argument("--model", type=Path, required=True, metavar="RUN", help="a run, or a checkpoint (.pt) in it")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="folder: new or empty")
    parser.add_argument("--count", type=positive, default=1000, help="pictures (1000)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same pictures (0)")
    parser.add_argument(
        "--layers", action="store_true", help="also OUT/masks, OUT/backgrounds, OUT/foregrounds and OUT/metadata.jsonl"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to run (auto)")


def run(args: argparse.Namespace) -> int:
    """Write samples. Status 0: all are there."""
    from genstruct.segmentation.samples import load_generator, write_samples

    generator = load_generator(args.model, args.device)
    with progress_bar("samples") as on_progress:
        write_samples(generator, args.out, args.count, args.seed, args.layers, on_progress)
    size, images = generator.size, generator.images
    print(f"{args.count} pictures of {size} x {size} pixels in {args.out / 'images'}, after {images:,} training images")
    return 0
