"""`genstruct views`: pictures of a mesh file from all around, as a film, an animated picture, a sheet or a folder."""

import argparse
import math
import re
import sys
from pathlib import Path

from genstruct.cli.arguments import number, place, positive
from genstruct.cli.printable import printable
from genstruct.cli.progress import progress_bar

TEXELS = 8
"""Of the texture for each pixel of the picture's longer side: with 2 x 2 samples a pixel, more would only flicker."""
TEXTURE_SIDES = (256, 4096)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to `parser`."""
    parser.description = (
        "Draw a mesh as a camera sees it that goes around it, counter-clockwise seen from above, and that starts in "
        "front of it (+z; with --up z: -y). The object is moved and scaled to fit the picture. Surfaces without a "
        "texture or colours are grey."
    )
    parser.add_argument("mesh", type=place, help="a .glb, .gltf, .obj, .ply, .stl or .off file")
    parser.add_argument(
        "--out",
        type=place,
        default=Path("turn.gif"),
        metavar="FILE_OR_DIR",
        help=".mp4, .gif, .png (a sheet of all views), or a folder for one .png a view (turn.gif)",
    )
    parser.add_argument("--frames", type=positive, default=36, help="number of views (36)")
    parser.add_argument("--elevation", type=number, default=15.0, help="of the camera, degrees, -90 to 90 (15)")
    parser.add_argument("--azimuth", type=number, default=0.0, help="of the first view, degrees (0, the front)")
    parser.add_argument("--size", type=_size, default=(256, 256), help="pixels: 256, or 320x180 (256)")
    parser.add_argument("--fps", type=number, default=12.0, help="frames a second of .mp4 and .gif (12)")
    parser.add_argument(
        "--background", type=_color, default=(1.0, 1.0, 1.0), help="white, #1a2b3c, ..., or none: alpha (white)"
    )
    parser.add_argument(
        "--light",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="light from above the camera; without it, colours as they are in the file (with)",
    )
    parser.add_argument("--fov", type=number, default=30.0, help="field of view of the shorter side, degrees (30)")
    parser.add_argument("--samples", type=positive, default=2, help="draw so many times larger, then average (2)")
    parser.add_argument("--up", choices=("y", "z"), default="y", help="axis that points up in the file (y)")
    parser.add_argument("--max-triangles", type=positive, default=2_000_000, help="refuse larger meshes (2000000)")
    parser.add_argument("--max-megabytes", type=positive, default=512, help="refuse larger files (512)")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")


def run(args: argparse.Namespace) -> int:
    """Draw and write. Status 0: done; 1: drawn without something that the file names; what is told on standard error.

    A signal leaves nothing behind.
    """
    from genstruct.data.meshes.read import read_mesh_file
    from genstruct.export.turn import Turn, write_turn
    from genstruct.export.video import check_place

    turn = Turn(
        frames=args.frames,
        elevation=math.radians(args.elevation),
        azimuth=math.radians(args.azimuth),
        size=args.size,
        field_of_view=math.radians(args.fov),
        background=args.background,
        light=args.light,
        samples=args.samples,
    )
    check_place(args.out, turn.frames, turn.size, args.fps, args.overwrite, args.background is None)
    least, most = TEXTURE_SIDES
    texture = min(max(TEXELS * max(turn.size), least), most)
    file = read_mesh_file(args.mesh, args.up, True, texture, args.max_triangles, args.max_megabytes * 1_000_000)
    for remark in [*file.problems, *file.notes]:
        print(f"note: {printable(remark)}", file=sys.stderr)
    with progress_bar("views") as on_frame:
        write_turn(file.mesh, args.out, turn, args.fps, args.overwrite, on_frame)
    views = f"{turn.frames} views" if turn.frames > 1 else "1 view"
    print(printable(f"{views} of {args.mesh} ({len(file.mesh.faces)} triangles) written to {args.out}"))
    return 1 if file.problems else 0


def _size(text: str) -> tuple[int, int]:
    """(height, width) of "256" or "WIDTHxHEIGHT"."""
    found = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if found is None or 0 in (sides := [int(side) for side in found.groups() if side is not None]):
        raise argparse.ArgumentTypeError(
            f"must be pixels of at least 1, as 256 or 320x180 (width x height), got {text!r}"
        )
    return sides[-1], sides[0]


def _color(text: str) -> tuple[float, float, float] | None:
    """sRGB in [0, 1], or None for a transparent background."""
    if text in ("none", "transparent"):
        return None
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a colour such as white or #1a2b3c, or none, got {text!r}") from None
    return red / 255, green / 255, blue / 255
