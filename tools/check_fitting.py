"""Whether pose and shape of real meshes come back from their silhouettes and colours: a table for mesh files.

    python tools/check_fitting.py meshes/car.obj meshes/plane.obj --out out/fitting
    python tools/check_fitting.py meshes/*.obj --size 64 --json fitting.json

Meshes are moved and scaled to the unit ball; lengths are object units, a tenth of its radius is 0.1. Meshes of one
colour are painted. Cameras stand all around, by turns above and below.

Pose: the cameras are known but for one rotation and one translation. Starts are turned about random axes by 15 to 30
degrees and shifted by 0.1 in random directions; errors that are left, and the share of starts within a degree.

Shape: the cameras are known. "bent": the mesh after a smooth random displacement of 0.08 (root mean square), with its
own colours. "ellipsoid": as long, wide and high as the mesh, of 1280 triangles; from colours its texture is found too.
Overlap (intersection over union of silhouettes) and chamfer distance are those of views that were not fitted; two
samples of the same surface have the chamfer distance in the row "the mesh itself".
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from genstruct.cli.ending import ending

KINDS = ("silhouettes", "colors")


@ending("check_fitting")
def main(argv: list[str] | None = None) -> int:
    """Measure, print, write. Status 0, or 2 after an error."""
    args = arguments().parse_args(argv)
    results = {path.stem: measure(path, args) for path in args.meshes}
    if args.json:
        from genstruct.files import write_json

        write_json(args.json, results)
    return 0


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("meshes", nargs="+", type=Path, help="mesh files")
    parser.add_argument("--size", type=int, default=64, help="of pictures, pixels (64)")
    parser.add_argument("--pose-views", type=int, default=4, help="pictures that show a pose (4)")
    parser.add_argument("--pose-steps", type=int, default=100, help="(100)")
    parser.add_argument("--starts", type=int, default=8, help="wrong poses (8)")
    parser.add_argument("--shape-views", type=int, default=20, help="pictures that show a shape (20)")
    parser.add_argument("--shape-steps", type=int, default=150, help="(150)")
    parser.add_argument("--seed", type=int, default=0, help="of poses and displacements (0)")
    parser.add_argument("--out", type=Path, help="folder for a picture of each mesh's fits")
    parser.add_argument("--json", type=Path, help="file for the results")
    return parser


def measure(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Everything about one file, as plain values."""
    import torch
    from benchmarks import fitting

    torch.set_num_threads(1)
    mesh = fitting.from_file(path)
    print(f"{path.stem}: {len(mesh.faces)} triangles, {args.size} px")
    pose_task = fitting.Task(mesh, args.size, args.pose_views, args.pose_steps, args.seed)
    shape_task = fitting.Task(mesh, args.size, args.shape_views, args.shape_steps, args.seed)
    poses, moved = fit_poses(pose_task, args.starts)
    shapes, meshes = fit_shapes(shape_task)
    if args.out:
        draw({**meshes, **moved}, args.out / f"{path.stem}.png")
    return {"triangles": len(mesh.faces), "pose": poses, "shape": shapes}


def fit_poses(task: Any, starts: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Errors before and after, and the first start as meshes."""
    from dataclasses import replace

    from benchmarks import fitting

    start = fitting.wrong_poses(starts, (15.0, 30.0), 0.1, task.seed)
    found = {"start": start}
    errors = {"start": fitting.pose_errors(start)}
    for kind in KINDS:
        begin = time.process_time()
        found[kind] = fitting.fit_pose(task, kind, start)
        errors[kind] = {**fitting.pose_errors(found[kind]), "seconds": time.process_time() - begin}
    heads = "".join(f"{head:>12}" for head in ("degrees", "most", "shift", "most", "< 1 degree"))
    print(f"  {f'pose, {task.views} views, {task.steps} steps':28}{heads}")
    for name, row in errors.items():
        cells = "".join(f"{value:12.4f}" for key, value in row.items() if key != "seconds")
        print(f"    {name:26}{cells}", flush=True)
    meshes = {
        f"pose, {name}": replace(task.mesh, vertices=poses.move(task.mesh.vertices)[:1])
        for name, poses in found.items()
    }
    return errors, meshes


def fit_shapes(task: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Errors before and after for both beginnings, and the meshes."""
    from benchmarks import fitting

    starts = {"bent": fitting.bent(task.mesh, 0.08, task.seed), "ellipsoid": fitting.ellipsoid(task.mesh)}
    fits = {"bent": fitting.fit_bent, "ellipsoid": fitting.fit_ellipsoid}
    meshes, seconds = {"the mesh itself": task.mesh}, {}
    for name, start in starts.items():
        meshes[name] = start
        for kind in KINDS:
            begin = time.process_time()
            meshes[f"{name}, {kind}"] = fits[name](task, kind, start)
            seconds[f"{name}, {kind}"] = time.process_time() - begin
    errors = {name: fitting.shape_errors(mesh, task) for name, mesh in meshes.items()}
    heads = "".join(f"{head:>12}" for head in ("overlap", "chamfer", "vertices"))
    print(f"  {f'shape, {task.views} views, {task.steps} steps':28}{heads}")
    for name, row in errors.items():
        print(f"    {name:26}" + "".join(f"{value:12.4f}" for value in row.values()), flush=True)
    return {name: {**row, "seconds": seconds.get(name, 0.0)} for name, row in errors.items()}, meshes


def draw(meshes: dict[str, Any], path: Path) -> None:
    """A row of views for every mesh, in its colours and in grey under a light."""
    from benchmarks import fitting

    from genstruct.export.images import picture_grid, write_png

    rows = [[*fitting.views_of(mesh, 128, 3)] for mesh in meshes.values()]
    write_png(path, picture_grid(rows, labels=list(meshes)))
    print(f"  {path}")


if __name__ == "__main__":
    sys.exit(main())
