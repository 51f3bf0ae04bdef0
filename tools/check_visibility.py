"""Whether every pixel shows the triangle that pytorch3d finds there: a table for spheres, a grid and mesh files.

    python tools/check_visibility.py
    python tools/check_visibility.py meshes/ car.obj --sizes 64 128 --backends numba torch --json visibility.json

Needs `pip install easypytorch3d`. Columns are shares of all pixels: with the same triangle; where one of the two sees a
triangle and the other none; and with another triangle at the same depth (to 1e-4 of it), which is all that can be said
where a file has two surfaces in one place. The last is part of what the first lacks.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genstruct.cli.ending import ending
from genstruct.errors import DataError

if TYPE_CHECKING:
    from genstruct.render.backends import Backend


@ending("check_visibility")
def main(argv: list[str] | None = None) -> int:
    """Measure, print, write. Status 0, or 2 after an error."""
    args = arguments().parse_args(argv)
    results = measure(args)
    if args.json:
        from genstruct.files import write_json

        write_json(args.json, results)
    return 0


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("meshes", nargs="*", type=Path, help="mesh files, or folders of them, to check, too")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128], help="of pictures, pixels (64 128)")
    parser.add_argument("--views", type=int, default=8, help="around each object (8)")
    parser.add_argument("--backends", nargs="+", default=["auto"], help="ours: auto torch numba triton (auto)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where (cpu)")
    parser.add_argument("--json", type=Path, help="file for the results")
    return parser


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Shares by scene, size and backend."""
    from genstruct.data.meshes.read import read_mesh
    from genstruct.geometry.surfaces import icosphere, sheet

    scenes = {"sphere": lambda: icosphere(3), "grid": lambda: sheet(40, 40)}
    scenes |= {path.stem: lambda path=path: read_mesh(path, largest_texture=64) for path in files(args.meshes)}
    print(f"{'scene':28}{'triangles':>10}{'pixels':>8}  {'backend':8}{'equal':>10}{'one only':>10}{'as near':>10}")
    results: dict[str, Any] = {}
    for name, make in scenes.items():
        mesh = make().to(args.device)
        for size in args.sizes:
            for backend, row in compare(mesh, size, args.views, args.backends).items():
                results.setdefault(name, {}).setdefault(size, {})[backend] = row
                cells = "".join(f"{value:10.6f}" for value in row.values())
                print(f"{name:28}{len(mesh.faces):10}{size:8}  {backend:8}{cells}", flush=True)
    rows = [row["equal"] for sizes in results.values() for found in sizes.values() for row in found.values()]
    print(f"lowest share of equal pixels: {min(rows):.6f}; mean: {sum(rows) / len(rows):.6f}")
    return results


def files(paths: list[Path]) -> list[Path]:
    """The paths, and what lies in those that are folders."""
    from genstruct.data.meshes.read import SUFFIXES

    found = []
    for path in paths:
        inside = sorted(one for one in path.glob("*") if one.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise DataError(f"no mesh files ({', '.join(SUFFIXES)}) in {path}")
        found += inside
    return found


def compare(mesh: Any, size: int, views: int, backends: "list[Backend]") -> dict[str, dict[str, float]]:
    """Shares of pixels for each of our backends."""
    from benchmarks import gradients

    from genstruct.render.project import project
    from genstruct.render.rasterize import rasterize

    v = project(mesh.vertices, gradients.cameras(size, views).to(mesh.vertices.device))
    theirs = rasterize(v, mesh.faces, (size, size), backend="pytorch3d")
    rows = {}
    for backend in backends:
        ours = rasterize(v, mesh.faces, (size, size), backend=backend)
        other = ours.index != theirs.index
        uncovered = other & ((ours.index < 0) | (theirs.index < 0))
        close = (ours.inverse_depth - theirs.inverse_depth).abs() <= 1e-4 * ours.inverse_depth
        shares = ~other, uncovered, other & ~uncovered & close
        rows[backend] = dict(
            zip(("equal", "one_only", "as_near"), (share.double().mean().item() for share in shares), strict=True)
        )
    return rows


if __name__ == "__main__":
    sys.exit(main())
