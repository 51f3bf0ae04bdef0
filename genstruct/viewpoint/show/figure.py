"""The figure of Szabo, Vedaldi and Favaro (2015): originals on the diagonal, turned views off it.

Row i shows photo i turned to the views of the other photos by the category's shape. What the photo hides is taken from
its mirror image where the shape's other half shows it; what neither shows stays grey.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from genstruct.export.images import picture_grid, write_png
from genstruct.geometry.camera import Camera
from genstruct.geometry.measures import vertex_normals
from genstruct.geometry.mesh import Mesh
from genstruct.render.fragments import Fragments
from genstruct.render.interpolate import interpolate
from genstruct.render.project import project
from genstruct.render.rasterize import rasterize
from genstruct.viewpoint.graph import Graph
from genstruct.viewpoint.show.pictures import Pictures
from genstruct.viewpoint.template import boxed_camera
from genstruct.viewpoint.viewpoints import Viewpoints

PHOTOS, WINDOW = 7, math.radians(120)
"""How many are shown, and the range of azimuths that they are spread over."""
SIDE, FINER = 144, 2
"""Pixels of a picture; turned ones are drawn at a multiple of them and averaged."""
NEAR = 0.03
"""Depth by which a point may lie behind the nearest surface and still be seen, object lengths."""
GRAZING = 0.15
"""Cosine below which a surface is seen too flat to take its colours, if the other half shows it better."""
UNSEEN, PAPER = 0.82, 1.0
REACH = math.radians(12)
"""How far an azimuth may be from the place that a photo is chosen for."""


def write_figure(path: Path, graph: Graph, pictures: Pictures) -> None:
    """Write the figure."""
    rows = chosen(graph.views)
    cells = [[_cell(graph, pictures, start, end) for end in rows] for start in rows]
    captions = [f"{round(math.degrees(graph.views.azimuth[row])) % 360}°" for row in rows]
    write_png(path, picture_grid(cells, captions, captions, SIDE))


def chosen(views: Viewpoints, count: int = PHOTOS, window: float = WINDOW) -> list[int]:
    """Photos evenly over the window of azimuths that holds most, the surest near each place; one view no more than
    once."""
    free = views.determined
    starts, step = torch.arange(36) * (math.tau / 36), window / (count - 1)
    inside = ((views.azimuth - starts[:, None]) % math.tau <= window) & free
    start = float(starts[inside.sum(1).argmax()])
    found: list[int] = []
    for place in range(count):
        off = _apart(views.azimuth, start + place * step)
        score = views.confidence + views.candidates[:, 0, 2] - off / REACH
        score[(off > REACH) | ~free] = -torch.inf
        if torch.isfinite(score.max()):
            found.append(int(score.argmax()))
            free = free & (_apart(views.azimuth, float(views.azimuth[found[-1]])) > step / 2)
    return found


def _apart(azimuth: Float[Tensor, " photos"], other: float) -> Float[Tensor, " photos"]:
    return torch.atan2((azimuth - other).sin(), (azimuth - other).cos()).abs()


def _cell(graph: Graph, pictures: Pictures, start: int, end: int) -> Float[Tensor, "3 side side"]:
    if start == end:
        return pictures(start, SIDE)[:3]
    return F.avg_pool2d(turned_picture(graph, pictures, start, end), FINER)


@torch.no_grad()
def turned_picture(
    graph: Graph, pictures: Pictures, start: int, end: int, size: int = SIDE * FINER
) -> Float[Tensor, "3 size size"]:
    """A photo as it would look from the view of another one, by its own shape."""
    views, category = graph.views, graph.category
    mesh = category.templates[int(views.shape[start])].mesh()
    before, after = (
        boxed_camera(mesh, views.azimuth[row, None], views.elevation[row, None], category.distance, size)
        for row in (start, end)
    )
    return repainted(mesh, pictures(start, size), before, after)


@dataclass(frozen=True)
class _Points:
    """Points of the surface that pixels show, with their normals, world."""

    points: Float[Tensor, "1 pixels 3"]
    normals: Float[Tensor, "1 pixels 3"]

    def mirrored(self) -> "_Points":
        flip = self.points.new_tensor([-1, 1, 1])
        return _Points(self.points * flip, self.normals * flip)


@torch.no_grad()
def repainted(
    mesh: Mesh, picture: Float[Tensor, "4 size size"], before: Camera, after: Camera
) -> Float[Tensor, "3 size size"]:
    """A mesh that is its own mirror image, seen by one camera, in the colours of a cut-out that another one has taken.

    Args:
        mesh: A batch of one.
        picture: sRGB and mask, as `before` sees the object.
        before, after: Batches of one, for pictures of this size.
    """
    size = picture.shape[-1]
    corners, fragments = _seen(mesh, after, size)
    normals = interpolate(corners, vertex_normals(mesh.vertices, mesh.faces), mesh.faces, fragments)
    points = interpolate(corners, mesh.vertices, mesh.faces, fragments)
    own = _Points(points.flatten(2).mT.contiguous(), normals.flatten(2).mT.contiguous())
    depth = _seen(mesh, before, size)[1].depth
    (color, shown, facing), (other, also, beside) = (_taken(at, picture, before, depth) for at in (own, own.mirrored()))
    ours = shown & ((facing >= GRAZING) | ~also | (facing >= beside))
    taken = torch.where(ours, color, torch.where(also, other, UNSEEN)).unflatten(1, (size, size))
    return torch.where(fragments.mask[0], taken, PAPER)


def _seen(mesh: Mesh, camera: Camera, size: int) -> tuple[Tensor, Fragments]:
    corners = project(mesh.vertices, camera)
    return corners, rasterize(corners, mesh.faces, (size, size))


def _taken(
    at: _Points, picture: Float[Tensor, "4 size size"], camera: Camera, depth: Float[Tensor, "1 1 size size"]
) -> tuple[Float[Tensor, "3 pixels"], Bool[Tensor, " pixels"], Float[Tensor, " pixels"]]:
    """Colours of points in a picture, whether it shows them, and the cosine at which it looks at them."""
    x, y, z = project(at.points, camera)[0].unbind(-1)
    place = torch.stack([x, y], -1)[None, None] * (2 / picture.shape[-1]) - 1
    around = F.max_pool2d(depth.nan_to_num(posinf=0), 3, 1, 1)  # the nearest surface, where it is not a pixel too near
    nearest = F.grid_sample(around, place, "nearest", "border", False)[0, 0, 0]
    found = F.grid_sample(picture[None], place, padding_mode="border", align_corners=False)[0, :, 0]
    towards = F.normalize(camera.position[:, None] - at.points, dim=-1)
    facing = (towards * F.normalize(at.normals, dim=-1)).sum(-1)[0]
    return found[:3], (z <= nearest + NEAR) & (found[3] > 0.5) & (facing > 0), facing
