"""Hypotheses of the shape of objects that are turned: the category's own shape, planes, and convex stand-ins.

A single plane cannot tell in which direction a photo was taken from: after weak perspective and in a box of its own,
turning it only stretches the picture. Direction comes from bulging towards the viewer, and best from the shape itself.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genstruct.geometry.mesh import Mesh
from genstruct.geometry.rotation import about_x
from genstruct.geometry.surfaces import sheet
from genstruct.render.interpolate import interpolate
from genstruct.render.project import project
from genstruct.render.rasterize import rasterize
from genstruct.viewpoint.crops import ObjectCrops, mask_box
from genstruct.viewpoint.graph import Category
from genstruct.viewpoint.interventions import Fields, Hypothesis
from genstruct.viewpoint.template import boxed_camera
from genstruct.viewpoint.views import ViewGrid

WEAK = 500.0
"""Distance of the cameras that see stand-ins, object lengths: weak perspective. Nearer, the keystone of a plane tells
which way it turned."""
ASPECTS = tuple(2 ** (step / 4) for step in range(-8, 9))
"""Heights over widths of boxes for which stand-ins are made."""
CELLS = 12

Depth = Callable[[Tensor, Tensor, float], Tensor]
"""How far a surface stands towards the viewer, by x to the right, y up, and half the width of its box."""


@dataclass(frozen=True)
class ShapeHypothesis:
    """Each object has one of several known shapes, seen from a view of a grid.

    Args:
        meshes: The shapes.
        grid: The views.
        distance: Of the cameras, object lengths.
        state: Of each image: its shape's number times the number of views, plus its view.
    """

    meshes: Sequence[Mesh]
    grid: ViewGrid
    distance: float
    state: Int[Tensor, " images"]

    @property
    def states(self) -> int:
        """See `Hypothesis`."""
        return len(self.meshes) * len(self.grid)

    def fields(self, turn: float, size: int) -> Fields:
        """See `Hypothesis`."""
        return _joined([mesh_fields(mesh, self.grid, turn, self.distance, size) for mesh in self.meshes])


@dataclass(frozen=True)
class ChosenHypothesis:
    """Of several hypotheses, one for each image or for each cell of an image.

    Args:
        alternatives: To choose from.
        choice: Number of the alternative: of each image, or of each row and column of cells of its turned crop.
    """

    alternatives: Sequence[Hypothesis]
    choice: Int[Tensor, "images *cells"]

    @property
    def states(self) -> int:
        """See `Hypothesis`."""
        return sum(each.states for each in self.alternatives)

    @property
    def state(self) -> Int[Tensor, "images *cells"]:
        """See `Hypothesis`; the fields of the alternatives lie one behind the other."""
        before = torch.tensor([0, *(each.states for each in self.alternatives)]).cumsum(0)
        own = torch.stack([each.state + start for each, start in zip(self.alternatives, before, strict=False)], 1)
        return own.gather(1, self.choice.flatten(1) if self.choice.ndim > 1 else self.choice[:, None]).view_as(
            self.choice
        )

    def fields(self, turn: float, size: int) -> Fields:
        """See `Hypothesis`."""
        return _joined([each.fields(turn, size) for each in self.alternatives])


@torch.no_grad()
def shape_hypothesis(
    category: Category,
    azimuth: Float[Tensor, " images"],
    elevation: Float[Tensor, " images"],
    shape: Int[Tensor, " images"],
) -> ShapeHypothesis:
    """The shapes of the category.

    Args:
        category: Shapes and grid.
        azimuth: Views of the images, radians.
        elevation: Radians.
        shape: Which of the shapes each image has.
    """
    view = category.grid.nearest(azimuth, elevation)
    meshes = [template.mesh() for template in category.templates]
    return ShapeHypothesis(meshes, category.grid, category.distance, shape * len(category.grid) + view)


def plane(yaw: float, pitch: float) -> Depth:
    """A plane whose normal points `yaw` radians to the right of the viewer and `pitch` radians above."""
    right, up = math.tan(yaw) / math.cos(pitch), math.tan(pitch)
    return lambda x, y, half: -right * x - up * y


def roof(x: Tensor, y: Tensor, half: float) -> Tensor:
    """Two upright planes with a ridge between them, at 35 degrees to the picture."""
    return -math.tan(math.radians(35)) * x.abs()


def cylinder(x: Tensor, y: Tensor, half: float) -> Tensor:
    """Upright."""
    return (half**2 - x**2).clamp(min=0).sqrt()


def ellipsoid(x: Tensor, y: Tensor, half: float) -> Tensor:
    """That fills the box, as deep as it is wide; beyond its outline flat."""
    return (half**2 - x**2 - (y * _stretch(y, half)) ** 2).clamp(min=0).sqrt()


def planes(pitches: Sequence[float] = (-30, 0, 30), yaws: Sequence[float] = (-60, -30, 0, 30, 60)) -> list[Depth]:
    """Planes by their normals, degrees."""
    return [plane(math.radians(yaw), math.radians(pitch)) for yaw in yaws for pitch in pitches]


PROXIES: dict[str, tuple[Depth, float]] = {
    "roof": (roof, 0.0),
    "cylinder": (cylinder, 0.0),
    "ellipsoid": (ellipsoid, 0.0),
    "leaning ellipsoid": (ellipsoid, math.radians(25)),
}
"""Convex stand-ins, and how far their upright axis leans towards the viewer, who sees them from above; radians."""


@torch.no_grad()
def proxy_hypothesis(crops: ObjectCrops, depth: Depth, lean: float = 0.0, distance: float = WEAK) -> ShapeHypothesis:
    """One surface for all objects, scaled to the box of each.

    Args:
        crops: Of the images.
        depth: The surface.
        lean: By which the axis of the turn leans towards the viewer, radians.
        distance: Of the cameras, object lengths.
    """
    left, top, right, bottom = mask_box(crops.masks).unbind(1)
    aspect = ((bottom - top) / (right - left).clamp(min=1e-3)).clamp(min=1e-3).log()
    nearest = (aspect[:, None] - torch.tensor(ASPECTS).log()).abs().argmin(1)
    used, state = nearest.unique(return_inverse=True)
    meshes = [surface_mesh(depth, ASPECTS[number], lean) for number in used.tolist()]
    return ShapeHypothesis(meshes, ViewGrid(1, lean, lean, 1), distance, state)


def surface_mesh(depth: Depth, aspect: float, lean: float = 0.0) -> Mesh:
    """A surface over a box of which the longer side is 1, upright in the world, as it faces a camera `lean` above.

    Args:
        depth: Of the surface.
        aspect: Height over width.
        lean: Elevation of the camera, radians.
    """
    width, height = min(1.0, 1 / aspect), min(1.0, aspect)
    flat = sheet(CELLS, CELLS, height, width)
    x, y, _ = flat.vertices[0].unbind(-1)
    seen = torch.stack([x, y, depth(x, y, width / 2)], -1)
    return Mesh(seen[None] @ about_x(torch.tensor(-lean)).mT, flat.faces, flat.uv)


@torch.no_grad()
def mesh_fields(mesh: Mesh, grid: ViewGrid, turn: float, distance: float, size: int) -> Fields:
    """Fields of a turn, by a mesh as it is seen in crops."""
    before = boxed_camera(mesh, grid.azimuth, grid.elevation, distance, size)
    after = boxed_camera(mesh, grid.azimuth + turn, grid.elevation, distance, size)
    corners = project(mesh.vertices, after)
    fragments = rasterize(corners, mesh.faces, (size, size))
    points = interpolate(corners, mesh.vertices, mesh.faces, fragments).flatten(2).mT  # of the surface, world
    source = project(points.contiguous(), before)[..., :2].unflatten(1, (size, size))
    return Fields(source * (2 / size) - 1, fragments.mask.to(source.dtype))


def _joined(parts: Sequence[Fields]) -> Fields:
    return Fields(torch.cat([part.source for part in parts]), torch.cat([part.alpha for part in parts]))


def _stretch(y: Tensor, half: float) -> Tensor:
    """Makes half the height as long as half the width."""
    return half / y.abs().max()
