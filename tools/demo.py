"""A first look: photos, a training of a few minutes, masks, scores and a page. `make demo` runs it.

python tools/demo.py                              # drawn scenes with known masks
python tools/demo.py --data photos --out out/mine  # your own photos of one category
python tools/demo.py --minutes 15                 # a longer training; the machine is measured first
"""

import argparse
import functools
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from genstruct.cli.ending import CONTINUES, ending
from genstruct.errors import ConfigError
from genstruct.train.signals import Stopped

if TYPE_CHECKING:
    from genstruct.segmentation.showcase import DemoReport

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "configs" / "segmentation" / "demo.yaml"
WEIGHTS = ROOT / "assets" / "cars.safetensors"


@ending("demo", CONTINUES)
def main(argv: list[str] | None = None) -> int:
    """Run the demo. Status 0: done; 1: done, but the short training failed; 2: it could not be done."""
    args = arguments().parse_args(argv)
    start = time.perf_counter()
    report = demo(args, start)
    if not report.finished:
        raise Stopped
    show(report, time.perf_counter() - start)
    return 0 if (args.out / "run" / "segmenter.safetensors").exists() else 1


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="photos of one category: folder, .zip, .tar, ... (drawn scenes)")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for everything (out/demo)")
    parser.add_argument(
        "--minutes", type=minutes, default=4.0, help="the training is shortened or lengthened so that all fits (4)"
    )
    parser.add_argument("--config", type=Path, default=CONFIG, help="the training (configs/segmentation/demo.yaml)")
    parser.add_argument(
        "--weights",
        type=Path,
        nargs="*",
        default=[WEIGHTS],
        help="trained weights to compare (assets/cars.safetensors)",
    )
    parser.add_argument("--train", type=int, default=600, help="photos to learn from, at most (600)")
    parser.add_argument("--test", type=int, default=60, help="photos to make masks for, at most (60)")
    return parser


def minutes(text: str) -> float:
    """A time to work in."""
    value = float(text)
    if not 0 < value <= 24 * 60:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {24 * 60}, got {text}")
    return value


def demo(args: argparse.Namespace, began: float) -> "DemoReport":
    """The demo of a command line; its minutes count from `began`."""
    from genstruct.experiments import load_experiment
    from genstruct.run.demo import DemoConfig
    from genstruct.segmentation.experiment import SegmentationExperiment
    from genstruct.segmentation.showcase import run_demo
    from genstruct.train.progress import ProgressLine
    from genstruct.train.threads import cpu_threads

    experiment = load_experiment(args.config)
    if not isinstance(experiment, SegmentationExperiment):
        raise ConfigError(f"{args.config} is no experiment of segmentation, which makes masks; give another --config")
    config = DemoConfig(args.data, args.train, args.test, minutes=args.minutes)
    say = functools.partial(print, flush=True)
    # Labels and masks, too: on two cores that others use, two threads took 17 times the processor time of one for them.
    with cpu_threads(experiment.train.threads):
        return run_demo(experiment, args.out, config, args.weights, ProgressLine, say, began)


def show(report: "DemoReport", seconds: float) -> None:
    """Print scores, what went wrong, and where to look."""
    for title, masks in report.scores.items():
        iou = masks.scores["iou"]
        print(f"IoU {iou.value:.3f} ({iou.low:.3f} - {iou.high:.3f}) on {len(masks.images)} photos: {title}")
    for note in report.notes:
        print(f"note: {note}")
    print(f"{seconds / 60:.1f} minutes on {os.cpu_count()} processors; look at")
    print(f"  {report.page}\n  {report.sheet}")


if __name__ == "__main__":
    sys.exit(main())
