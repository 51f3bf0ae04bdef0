"""Speed and gradients of the mesh renderer beside pytorch3d, DRTK and deodr; tables, a plot and JSON.

    python tools/benchmark_render.py --out out/bench-render
    python tools/benchmark_render.py --quick --json render.json   # under a minute on two cores

A batch of textured meshes is drawn from random views, with gradients to vertices and to every image's own texture:
spheres of 1280 and 5120 triangles and a bumpy sheet of 7938. Renderers take turns in one process on one thread, and
figures are medians of processor time, so that a busy machine treats all alike; on CUDA they are times between events.
Ours has smooth silhouettes; "pytorch3d" has one triangle a pixel and hard edges, "pytorch3d soft" its SoftPhongShader
with ten; "drtk" has hard edges with gradients, "deodr" smooth ones and never draws backs of triangles, for which there
is "ours, backs culled" beside it. Peers that are not installed are left out. Before they are timed, pictures and
gradients are held against ours. Then: how our time grows with triangles and with pixels, memory, and the error of image
gradients against central differences of a picture with 16 x 16 samples a pixel.
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


@ending("benchmark_render")
def main(argv: list[str] | None = None) -> int:
    """Measure, print, write. Status 0, or 2 after an error."""
    args = arguments().parse_args(argv)
    chart.check_charts()
    if args.quick:
        args.scenes, args.rounds, args.slow_rounds, args.views = ["s1280:64", "s5120:64"], 25, 1, 2
    write(measure(args), args.out, args.json)
    return 0


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scenes = ["s1280:64", "s1280:128", "s5120:64", "s5120:128", "grid:64", "grid:128"]
    parser.add_argument("--out", type=Path, default=Path("out/bench-render"), help="folder for plot and results")
    parser.add_argument("--json", type=Path, help="file for the results (OUT/benchmark.json)")
    parser.add_argument("--quick", action="store_true", help="two spheres, few rounds, gradients of one sphere")
    parser.add_argument("--scenes", nargs="+", default=scenes, metavar="NAME:PIXELS", help=f"({' '.join(scenes)})")
    parser.add_argument("--batch", type=int, default=16, help="images drawn at once (16)")
    parser.add_argument("--rounds", type=int, default=25, help="of ours (25)")
    parser.add_argument("--slow-rounds", type=int, default=3, help="of renderers over 50 times slower (3)")
    parser.add_argument("--backends", nargs="+", default=["auto"], help="ours: auto torch numba triton (auto)")
    parser.add_argument("--peers", nargs="*", default=["pytorch3d", "drtk", "deodr"], help="pytorch3d drtk deodr (all)")
    parser.add_argument("--soft", action="store_true", help="also pytorch3d's SoftPhongShader (minutes)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where (cpu)")
    parser.add_argument("--views", type=int, default=4, help="of the gradient check (4)")
    return parser


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything, as plain values."""
    import torch
    from benchmarks import gradients, peers, rendering

    torch.set_num_threads(1)
    if "auto" not in args.backends:
        args.backends.insert(0, "auto")
    results: dict[str, Any] = {"machine": machine(args.device), "seconds": {}, "times_ours": {}, "agreement": {}}
    names = peers.installed(args.peers)
    for scene in args.scenes:
        name, size = scene.split(":")
        task = rendering.make_task(name, int(size), args.batch, args.device)
        others = rendering.rivals(task, names, args.soft)
        results["agreement"][scene] = rendering.agreement(task, others)
        found = rendering.compare(task, others, args.rounds, args.slow_rounds, args.backends)
        results["seconds"][scene], results["times_ours"][scene] = found, rendering.ratios(found)
        print_speed(scene, found, results["agreement"][scene])
    results |= smallest_ratios(results["times_ours"])
    sizes = (64,) if args.quick else (64, 128)
    results["gradient_errors"] = gradients.sweep(
        {"sphere": gradients.sphere()}, sizes, args.views, {"edges": ("edges", 1)}
    )
    results["gradient_error"] = max(row["edges"] for row in results["gradient_errors"]["sphere"].values())
    if not args.quick and args.device == "cpu":
        results["growth"] = rendering.growth(
            (1_000, 3_000, 10_000, 30_000, 100_000), (32, 64, 128, 256, 512), args.batch, 3
        )
        results["bytes_per_pixel"] = rendering.bytes_per_pixel()
    print_summary(results)
    return results


def smallest_ratios(times_ours: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, float | None]:
    """The least that peers take, times ours: pytorch3d on spheres (None if it was not there), others everywhere."""
    found: dict[str, float | None] = {"forward_vs_pytorch3d": None, "forward_backward_vs_pytorch3d": None}
    for peer in ("pytorch3d", "pytorch3d soft", "drtk", "deodr"):
        scenes = [scene for scene in times_ours if scene[0] == "s" or peer != "pytorch3d"]
        rows = [times_ours[scene][peer] for scene in scenes if peer in times_ours[scene]]
        for kind in ("forward", "forward_backward"):
            if rows:
                found[f"{kind}_vs_{peer.replace(' ', '_')}"] = min(row[kind] for row in rows)
    return found


def machine(device: str) -> dict[str, object]:
    """Where it was measured."""
    import torch

    return {
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "torch": torch.__version__,
        "load_average": os.getloadavg()[0],
    }


def print_speed(scene: str, found: Mapping[str, Mapping[str, float]], alike: Mapping[str, Mapping[str, float]]) -> None:
    """A table for one scene, and how alike pictures are."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{scene.replace(':', ', ')} px", title_justify="left")
    for head in ("", "forward, ms", "with backward, ms", "times ours", "times ours"):
        table.add_column(head, justify="right" if head else "left")
    mine = found["ours"]
    for name, row in found.items():
        cells = [f"{row[kind] * 1000:.2f}" for kind in row] + [f"{row[kind] / mine[kind]:.1f}" for kind in row]
        table.add_row(name, *cells)
    Console().print(table)
    for name, row in alike.items():
        cosines = f"{row['vertices']:.3f} (vertices) {row['textures']:.3f} (textures)"
        print(f"{name}: pixels differ by {row['difference']:.4f} ({row['inside']:.4f} inside), coverage x ", end="")
        print(f"{row['coverage']:.3f}, gradients' cosines {cosines}")


def print_summary(results: Mapping[str, Any]) -> None:
    """What the benchmark is asked for, in a few lines."""
    if results["forward_backward_vs_pytorch3d"] is None:
        print("no times of pytorch3d on spheres")
    else:
        print(f"pytorch3d takes at least {results['forward_vs_pytorch3d']:.0f} times as long forward on spheres,")
        print(f"and {results['forward_backward_vs_pytorch3d']:.0f} times forward and backward")
    print(f"relative error of image gradients of a textured sphere: {results['gradient_error']:.4f}")
    for peer in ("drtk", "deodr"):
        if f"forward_vs_{peer}" in results:
            both = results[f"forward_backward_vs_{peer}"]
            print(f"{peer} takes {results[f'forward_vs_{peer}']:.2f} times as long forward, {both:.2f} with backward")
    for kind, row in results.get("growth", {}).items():
        if kind == "together":
            print(f"most triangles at most pixels take {row['times_sum']:.2f} times the sum of both costs")
        else:
            print(f"time grows with {kind} to the power of {row['exponent']:.2f}")
    if results.get("bytes_per_pixel"):
        print(f"peak extra memory without textures: {results['bytes_per_pixel']:.0f} bytes a pixel and image")


def write(results: Mapping[str, Any], out: Path, json_file: Path | None) -> None:
    """The plot and the JSON file."""
    from genstruct.files import write_json

    place = json_file or out / "benchmark.json"
    write_json(place, results)
    scenes = list(results["seconds"])
    names = sorted({name for row in results["times_ours"].values() for name in row})
    shared = {
        n: [results["times_ours"][scene].get(n, {}).get("forward_backward", 0.0) for scene in scenes] for n in names
    }
    if shared:
        bars = chart.BarChart("Forward and backward, times our time", scenes, shared)
        chart.write_charts(out / "times_ours.png", bars)
        print(out / "times_ours.png")
    print(place)


if __name__ == "__main__":
    sys.exit(main())
