"""How right the renderer's image gradients are: a table for spheres, occluding objects and mesh files.

    python tools/check_gradients.py
    python tools/check_gradients.py meshes/*.obj --sizes 64 128 --json errors.json

Pictures are weighted by smooth random fields and differentiated by scale and position of the object. The reference are
central differences of pictures with 16 x 16 samples a pixel. Figures are lengths of the difference over lengths of the
reference, over all views and fields together. Columns: silhouette edges with one, four (2 x 2) and sixteen samples a
pixel; margins (Szabo et al. 2019); hard silhouettes, which have no gradient there. Then d(area) / d(scale) of spheres
over that of the exact disc.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from genstruct.cli.ending import ending

METHODS = {
    "edges": ("edges", 1),
    "2 x 2 samples": ("edges", 2),
    "4 x 4 samples": ("edges", 4),
    "margin": ("margin", 1),
    "none": ("none", 1),
}


@ending("check_gradients")
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
    parser.add_argument("meshes", nargs="*", type=Path, help="mesh files to check, too")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128], help="of pictures, pixels (64 128)")
    parser.add_argument("--views", type=int, default=4, help="around each object (4)")
    parser.add_argument("--methods", type=_methods, default=METHODS, help=f"columns, of {','.join(METHODS)} (all)")
    parser.add_argument("--only-files", action="store_true", help="leave the spheres out")
    parser.add_argument("--json", type=Path, help="file for the results")
    return parser


def _methods(text: str) -> dict[str, tuple[str, int]]:
    """Methods by name, of names with commas between: a list of words would swallow the files after it."""
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in METHODS]:
        raise argparse.ArgumentTypeError(f"unknown method {unknown[0]!r}; choose of {','.join(METHODS)}")
    return {name: METHODS[name] for name in names}


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything, as plain values."""
    import torch
    from benchmarks import gradients

    torch.set_num_threads(1)
    scenes = {path.stem: gradients.from_file(path) for path in args.meshes}
    if not args.only_files:
        spheres = {"sphere": gradients.sphere(), "two spheres": gradients.two_spheres()}
        scenes = {**spheres, "two that touch": gradients.two_spheres(0.5), **scenes}
    print(f"{'scene':24}{'triangles':>10}{'pixels':>8}" + "".join(f"{name:>16}" for name in args.methods))
    errors: dict[str, Any] = {}
    for name, scene in scenes.items():
        errors |= gradients.sweep({name: scene}, args.sizes, args.views, args.methods)
        for size, row in errors[name].items():
            cells = "".join(f"{value:16.4f}" for value in row.values())
            print(f"{name:24}{len(scene.mesh.faces):10}{size:8}{cells}", flush=True)
    slopes = {}
    if not args.only_files:
        for size in (32, 64, 128, 256):
            slopes[size] = gradients.area_slope(3, size, args.views)
            print(f"area of a sphere of 1280 triangles at {size} px: {slopes[size]:.4f} of the disc's slope")
    return {"relative_errors": errors, "area_slopes": slopes}


if __name__ == "__main__":
    sys.exit(main())
