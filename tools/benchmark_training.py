"""Speed of training and of mask prediction, against the same step written naively and a peer's; tables, plot, JSON.

    python tools/benchmark_training.py --out out/bench
    python tools/benchmark_training.py --quick --out out/bench-quick   # a minute: that it works, not how fast

Training: a full adversarial step (data, both networks, penalties, average of weights) at 32, 64 and 128 px. "naive" is
the same networks, losses and augmentation in plain eager float32 PyTorch: alternating updates, the generator's forward
pass run twice, NCHW, with R1 and R2 every 8 steps (as ours) and every step. "mimicry SNGAN" and "mimicry WGAN-GP" are
steps of torch-mimicry, one update of each network in float32, with widths whose step costs as many multiply-adds as
ours within 5 %; left out if it is not installed, and at other resolutions. Ours is in bf16 where the processor has it;
--precision float32 is like with like. Multiply-adds of each step are counted, forward and backward, over 8 steps.
Rounds alternate in one process and figures are medians, so that a busy machine treats all alike; images and
multiply-adds per processor second hardly depend on what else runs.
"""

import argparse
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genstruct.cli.ending import ending
from genstruct.export import chart

PARTS = {"data": "data", "joint": "both networks", "penalty": "penalties", "average": "average of weights"}


@ending("benchmark_training")
def main(argv: list[str] | None = None) -> int:
    """Measure, print, write. Status 0, or 2 after an error."""
    args = arguments().parse_args(argv)
    chart.check_charts()
    if args.quick:
        args.sizes, args.batch, args.rounds = [16], 4, 1
        args.batches, args.repeats, args.side = [2], 1, 32
    write(measure(args), args.out, args.json)
    return 0


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("out/bench"), help="folder for the plot and results (out/bench)"
    )
    parser.add_argument("--json", type=Path, help="file for the results (OUT/benchmark.json)")
    parser.add_argument("--quick", action="store_true", help="one tiny round of everything")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128], help="resolutions, pixels (32 64 128)")
    parser.add_argument("--batch", type=int, default=32, help="images of a training step (32)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of 8 steps of each (3)")
    parser.add_argument("--peers", nargs="*", default=["torch_mimicry"], help="packages (torch_mimicry)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64], help="photos predicted at once (1 64)")
    parser.add_argument("--repeats", type=int, default=5, help="predictions of each batch (5)")
    parser.add_argument("--side", type=int, default=128, help="side of the photos to predict, pixels (128)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where (cpu)")
    parser.add_argument("--precision", choices=("auto", "bf16", "float32"), default="auto", help="of our step (auto)")
    parser.add_argument("--weights", type=Path, help="segmenter to predict with (the default one, untrained)")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch (as they are)")
    return parser


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything, as plain values."""
    import torch
    from benchmarks import peers, training_peers
    from benchmarks.masks import measure_masks
    from benchmarks.training import measure_training

    names = peers.installed(args.peers, training_peers.SOURCES)
    if args.threads:
        torch.set_num_threads(args.threads)
    results: dict[str, Any] = {"machine": machine(args.device), "training": {}, "masks": {}}
    for size in args.sizes:
        found = measure_training(size, args.batch, args.rounds, args.device, args.precision, names)
        results["training"][size] = found
        print_training(size, found, speed_key(args.device))
    weights = args.weights or untrained(args.out)
    for batch in args.batches:
        results["masks"][batch] = measure_masks(
            weights, args.side, batch, args.repeats, torch.get_num_threads(), args.device
        )
    print_masks(results["masks"], args.side)
    return {**results, "settings": {k: v for k, v in vars(args).items() if isinstance(v, int | str | list)}}


def machine(device: str) -> dict[str, object]:
    """Where it was measured."""
    import torch

    return {
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "torch": torch.__version__,
        "load_average": os.getloadavg()[0],
    }


def untrained(out: Path) -> Path:
    """A weights file of the default segmenter: speed does not depend on what it has learned."""
    from genstruct.files import write_bytes
    from genstruct.nn.unet import UNet
    from genstruct.segmentation.segmenter import Segmenter

    write_bytes(out / "untrained.safetensors", Segmenter(UNet(), 64).encode())
    return out / "untrained.safetensors"


def speed_key(device: str) -> str:
    """What to compare: on a busy CPU only processor time tells; a GPU has none."""
    return "images_per_second" if device == "cuda" else "images_per_processor_second"


def print_training(size: int, result: Mapping[str, Any], key: str) -> None:
    """A table for one resolution."""
    speed_heads = ("images/s", "a processor\nsecond", "times\nnaive")
    work_heads = ("G multiply-adds\nan image", "a processor\nsecond, G")
    table = _table(f"training at {size} px", "", *speed_heads, *work_heads, "share")
    slowest = result["naive, penalties every step"][key] or 1.0
    for name, row in result.items():
        share = "  ".join(f"{PARTS.get(part, part)} {value:.1%}" for part, value in row["share"].items())
        speeds = [f"{row[name]:.1f}" for name in ("images_per_second", "images_per_processor_second")]
        work = f"{row['giga_multiply_adds_per_image']:.4f}", f"{row['giga_multiply_adds_per_processor_second']:.1f}"
        table.add_row(name, *speeds, f"{row[key] / slowest:.2f}", *work, share)
    _print(table)


def print_masks(results: Mapping[int, Mapping[str, float]], side: int) -> None:
    """A table of mask prediction."""
    heads = ("masks/s", "refined masks/s", "first mask after", "memory", "refined", "imports alone")
    table = _table(f"masks of photos of {side} x {side} px", "at once", *heads)
    for batch, row in results.items():
        memory = [f"{row[name]:.0f} MiB" for name in ("peak_memory", "peak_memory_refined", "memory_after_import")]
        speeds = [f"{row[name]:.1f}" for name in ("masks_per_second", "refined_masks_per_second")]
        table.add_row(str(batch), *speeds, f"{row['seconds_to_first_mask']:.1f} s", *memory)
    _print(table)


def write(results: Mapping[str, Any], out: Path, json_file: Path | None) -> None:
    """The plot and the JSON file."""
    from genstruct.files import write_json

    place = json_file or out / "benchmark.json"
    write_json(place, results)
    chart.write_charts(out / "training.png", *charts(results["training"], speed_key(results["settings"]["device"])))
    print(f"{place}\n{out / 'training.png'}")


def charts(training: Mapping[int, Mapping[str, Any]], key: str) -> tuple[chart.BarChart, chart.ShareChart]:
    """Bars of speed, and bars of shares."""
    groups = [f"{size} px" for size in training]
    names = list(dict.fromkeys(name for rows in training.values() for name in rows))
    speeds = {n: [rows.get(n, {}).get(key, 0.0) for rows in training.values()] for n in names}
    parts = {PARTS[p]: [training[size]["ours"]["share"].get(p, 0.0) for size in training] for p in PARTS}
    speed = chart.BarChart(f"Training: {key.replace('_', ' ')} (more is better)", groups, speeds)
    return speed, chart.ShareChart("Our step: share of time", groups, parts)


def _table(title: str, first: str, *heads: str):
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for head in heads:
        table.add_column(head, justify="left" if head.startswith("share") else "right")
    return table


def _print(table: object) -> None:
    from rich.console import Console

    Console(width=max(Console().width, 150)).print(table)


if __name__ == "__main__":
    sys.exit(main())
