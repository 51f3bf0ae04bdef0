"""Hypotheses of the shape of objects that are turned: the category's own shape."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genstruct.geometry.mesh import Mesh
from genstruct.render.interpolate import interpolate
from genstruct.render.project import project
from genstruct.render.rasterize import rasterize
from genstruct.viewpoint.graph import Category
from genstruct.viewpoint.interventions import Fields
from genstruct.viewpoint.template import boxed_camera
from genstruct.viewpoint.views import ViewGrid


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

    def fields(self, turn: float, size: int) -> Fields:
        """See `Hypothesis`."""
        made = [mesh_fields(mesh, self.grid, turn, self.distance, size) for mesh in self.meshes]
        return Fields(torch.cat([each.source for each in made]), torch.cat([each.alpha for each in made]))


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
