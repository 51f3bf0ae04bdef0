"""Interventions: a crop as it would look if the object were turned a little, by a hypothesis of its shape.

A hypothesis gives, for a view and a turn, where each pixel of the turned crop comes from. Fields belong to views of the
grid, not to images, so that a turn of all images is one lookup and one `grid_sample`.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from genstruct.geometry.mesh import Mesh
from genstruct.render.interpolate import interpolate
from genstruct.render.project import project
from genstruct.render.rasterize import rasterize
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.template import boxed_camera
from genstruct.viewpoint.views import ViewGrid

BATCH = 256


@dataclass(frozen=True)
class Fields:
    """Warps of one turn, a field for each view.

    Args:
        turn: By which azimuths grow, radians.
        source: Where each pixel of the turned crop comes from in the crop, in [-1, 1] as `grid_sample` has it.
        alpha: Where the turned object is.
    """

    turn: float
    source: Float[Tensor, "views size size 2"]
    alpha: Float[Tensor, "views 1 size size"]


@torch.no_grad()
def mesh_fields(mesh: Mesh, grid: ViewGrid, bins: int, distance: float, size: int) -> Fields:
    """Fields of a turn by `bins` azimuths of the grid, by a mesh as it is seen in crops."""
    before = boxed_camera(mesh, grid.azimuth, grid.elevation, distance, size)
    turn = bins * math.tau / grid.azimuths
    after = boxed_camera(mesh, grid.azimuth + turn, grid.elevation, distance, size)
    corners = project(mesh.vertices, after)
    fragments = rasterize(corners, mesh.faces, (size, size))
    points = interpolate(corners, mesh.vertices, mesh.faces, fragments).flatten(2).mT  # of the surface, world
    source = project(points.contiguous(), before)[..., :2].unflatten(1, (size, size))
    return Fields(turn, source * (2 / size) - 1, fragments.mask.to(source.dtype))


@torch.no_grad()
def turned(crops: ObjectCrops, fields: Fields, view: Int[Tensor, " batch"]) -> ObjectCrops:
    """Crops as they would look after the turn, each by the field of its view."""
    parts = [
        _warp(crops.images[rows], crops.masks[rows], fields, view[rows])
        for rows in torch.arange(len(crops)).split(BATCH)
    ]
    images, masks = (torch.cat(part) for part in zip(*parts, strict=True))
    return ObjectCrops(images, masks, crops.squares)


def _warp(images: Tensor, masks: Tensor, fields: Fields, view: Tensor) -> tuple[Tensor, Tensor]:
    source = fields.source[view]
    both = torch.cat([images, masks], 1)
    warped = F.grid_sample(both, source, padding_mode="border", align_corners=False)
    return warped[:, :3], warped[:, 3:] * fields.alpha[view]
