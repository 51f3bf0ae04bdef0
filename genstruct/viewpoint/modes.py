"""The likeliest views of a posterior, and how much of it each holds."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.geometry.camera import Camera
from genstruct.viewpoint.viewpoints import CANDIDATES, Viewpoints
from genstruct.viewpoint.views import ViewGrid

REACH = math.radians(25)
"""Views nearer than this to a mode count as the same answer."""
LEAST = 0.02
"""Probability below which a further mode is not worth naming."""


def candidates(
    q: Float[Tensor, "photos views"], grid: ViewGrid, count: int = CANDIDATES
) -> Float[Tensor, "photos candidates 3"]:
    """Azimuth, elevation (radians) and probability of up to `count` modes, the likeliest first; zeros where none is.

    A mode is the highest of the smoothed posterior that no earlier one has within `REACH`; its view is the mean of what
    is there, its probability the sum.
    """
    direction = _directions(grid).to(q)
    near = (direction @ direction.T) >= math.cos(REACH)
    found, left = [], q
    for _ in range(count):
        own = left * near[grid.smooth(left).argmax(1)]
        found.append(torch.stack([*_mean(own, grid), own.sum(1)], -1))
        left = left - own
    modes = torch.stack(found, 1)
    order = modes[..., 2].argsort(1, descending=True)
    modes = modes.gather(1, order[..., None].expand_as(modes))
    return modes * (modes[..., 2:] >= LEAST)


def viewpoints(
    q: Float[Tensor, "photos views"],
    grid: ViewGrid,
    shares: Float[Tensor, "photos shapes"],
    confidence: Float[Tensor, " photos"],
) -> Viewpoints:
    """Viewpoints from posteriors, how far each photo belongs to each shape, and confidences."""
    azimuth, elevation = grid.mean_view(q)
    return Viewpoints(azimuth, elevation, confidence, shares.argmax(1), candidates(q, grid))


def _directions(grid: ViewGrid) -> Float[Tensor, "views 3"]:
    """Unit vectors towards the cameras."""
    return torch.nn.functional.normalize(Camera.orbit(grid.azimuth, grid.elevation, 1.0, 1.0, (1, 1)).position, dim=1)


def _mean(own: Tensor, grid: ViewGrid) -> tuple[Tensor, Tensor]:
    """Circular mean of azimuth and mean of elevation, weighted."""
    azimuth, elevation = grid.azimuth.to(own), grid.elevation.to(own)
    around = torch.atan2(own @ azimuth.sin(), own @ azimuth.cos()) % math.tau
    return around, (own @ elevation) / own.sum(1).clamp(min=1e-9)
