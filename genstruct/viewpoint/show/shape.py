"""The category's shapes as files to look at: a mesh with readable colours, a film of a turn, a sheet of views."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.export.images import Pixels, picture_grid, to_uint8, write_png
from genstruct.export.meshes import write_mesh
from genstruct.export.turn import Turn, views, write_turn
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import octahedral_point
from genstruct.viewpoint.template import Template

BODY, OTHER = (0.42, 0.58, 0.78), (0.12, 0.14, 0.18)
"""sRGB of what has the object's main colour, whichever that is, and of what has another (windows, wheels)."""
LEAST, MOST = 0.05, 0.95
"""Quantiles of a map that become 0 and 1."""
UNDERSIDE = -0.5
"""Height on the unit sphere below which the shape is not seen."""
FINER = 8
"""Multiple of the texels at which colours are mixed: softened first, their borders come out smooth."""
FRAMES, FILM, FPS = 36, (192, 256), 10
"""Of the film; (height, width), pixels."""
STRIP = 12
OnFrame = Callable[[int, int], None]


@torch.no_grad()
def painted(template: Template) -> Mesh:
    """The shape with colours that show its three maps, which know no colour.

    The more a place differs from the object's main colour, the darker it is painted; lightness lightens, contrast
    draws lines.
    """
    mesh = template.mesh()
    assert mesh.texture is not None
    size = mesh.texture.shape[-1] * FINER
    maps = torch.nn.functional.interpolate(mesh.texture, (size, size), mode="bicubic", align_corners=False)
    lightness, other, contrast = _stretched(maps[0])
    soft = other * other * (3 - 2 * other)
    body = torch.tensor(BODY)[:, None, None] * (0.7 + 0.45 * lightness)
    colors = torch.lerp(body, torch.tensor(OTHER)[:, None, None] * (0.8 + 0.9 * lightness), soft)
    return replace(mesh, texture=(colors * (1 - 0.25 * contrast)).clamp(0, 1)[None])


def write_shape(path: Path, template: Template) -> None:
    """Write it as .glb."""
    write_mesh(path, painted(template))


def write_film(path: Path, template: Template, elevation: float, on_frame: OnFrame) -> None:
    """Write a turn round a shape as an animated picture that every browser shows.

    Args:
        path: The .gif file.
        template: The shape.
        elevation: From which it is looked at, radians.
        on_frame: Told of frames done and of all.
    """
    turn = Turn(FRAMES, elevation, size=FILM)
    write_turn(painted(template), path, turn, FPS, overwrite=True, on_frame=on_frame)


def write_strip(path: Path, templates: tuple[Template, ...], elevation: float) -> None:
    """Write a sheet of views every 30 degrees, a row for each shape, the commonest first."""
    captions = [f"{number * 360 // STRIP}°" for number in range(STRIP)]
    labels = [f"shape {number}" for number in range(len(templates))] if len(templates) > 1 else ()
    rows = [_views(template, elevation, STRIP, 128) for template in templates]
    write_png(path, picture_grid(rows, captions, labels))


def _views(template: Template, elevation: float, count: int, size: int) -> list[Pixels]:
    turn = Turn(count, elevation, size=(size, size))
    return [to_uint8(picture) for picture in views(painted(template), turn)]


def _stretched(maps: Float[Tensor, "maps height width"]) -> Float[Tensor, "maps height width"]:
    """Each between two of its quantiles, so that a few texels do not flatten the rest; the underside, which no photo
    shows, does not count."""
    seen = octahedral_point(_centers(maps.shape[-1]))[..., 1] > UNDERSIDE
    low, high = torch.quantile(maps[:, seen], torch.tensor([LEAST, MOST]), dim=1)[..., None, None]
    return ((maps - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)


def _centers(size: int) -> Float[Tensor, "size size 2"]:
    """Texture coordinates of the texels."""
    steps = (torch.arange(size) + 0.5) / size
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)
