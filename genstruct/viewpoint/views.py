"""A grid of viewpoints on the sphere: azimuth by azimuth, all elevations of one beside each other."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

OUTSIDE = 10.0
"""Energy of a view that no photo may have: hundreds of temperatures."""


@dataclass(frozen=True)
class ViewGrid:
    """Viewpoints that are told apart.

    View number `a * elevations + e` has azimuth `a * step` and elevation number e.

    Args:
        azimuths: On the whole circle, even, so that front, back and the mirror image of each are among them.
        lowest, highest: Elevations, radians.
        elevations: How many, both ends included.
        widest: How far azimuths may be from 0, radians; pi = anywhere.
    """

    azimuths: int = 36
    lowest: float = 0.0
    highest: float = math.radians(32)
    elevations: int = 5
    widest: float = math.pi

    def __len__(self) -> int:
        return self.azimuths * self.elevations

    @cached_property
    def azimuth(self) -> Float[Tensor, " views"]:
        """Of each view, radians in [0, 2 pi)."""
        return (torch.arange(self.azimuths) * (math.tau / self.azimuths)).repeat_interleave(self.elevations)

    @cached_property
    def elevation(self) -> Float[Tensor, " views"]:
        """Of each view, radians."""
        return torch.linspace(self.lowest, self.highest, self.elevations).repeat(self.azimuths)

    @cached_property
    def mirror(self) -> Int[Tensor, " views"]:
        """The view that shows the mirror image of each: azimuth negated."""
        azimuth = -torch.arange(self.azimuths) % self.azimuths
        return (azimuth[:, None] * self.elevations + torch.arange(self.elevations)).flatten()

    @cached_property
    def half(self) -> Int[Tensor, " drawn"]:
        """Views from azimuth 0 to pi: the others are mirror images of these where the object is symmetric."""
        return torch.arange((self.azimuths // 2 + 1) * self.elevations)

    def nearest(self, azimuth: Float[Tensor, " images"], elevation: Float[Tensor, " images"]) -> Int[Tensor, " images"]:
        """The view of the grid beside each given one, radians."""
        around = (azimuth * (self.azimuths / math.tau)).round().long() % self.azimuths
        share = (elevation - self.lowest) / (self.highest - self.lowest)
        up = (share * (self.elevations - 1)).round().long().clamp(0, self.elevations - 1)
        return around * self.elevations + up

    def limited(self, energy: Float[Tensor, "images views"]) -> Float[Tensor, "images views"]:
        """Energies by which views beyond `widest` are out of the question."""
        if self.widest >= math.pi:
            return energy
        away = torch.minimum(self.azimuth, math.tau - self.azimuth) > self.widest + 1e-6
        return energy + OUTSIDE * away.to(energy)

    def smooth(
        self, q: Float[Tensor, "images views"], sigma: float = math.radians(12)
    ) -> Float[Tensor, "images views"]:
        """Probabilities spread to nearby views: a Gaussian of `sigma` round the circle and of one step in elevation."""
        table = q.unflatten(1, (self.azimuths, self.elevations))
        spread = torch.einsum("nae,ab,ef->nbf", table, self._around(sigma).to(q), self._up().to(q))
        return spread.flatten(1)

    def _around(self, sigma: float) -> Tensor:
        apart = torch.arange(self.azimuths)[:, None] - torch.arange(self.azimuths)
        apart = (apart + self.azimuths // 2) % self.azimuths - self.azimuths // 2
        kernel = (-0.5 * (apart * (math.tau / self.azimuths) / sigma) ** 2).exp()
        return kernel / kernel.sum(1, keepdim=True)

    def _up(self) -> Tensor:
        apart = torch.arange(self.elevations)[:, None] - torch.arange(self.elevations)
        kernel = (-0.5 * apart.float() ** 2).exp()
        return kernel / kernel.sum(1, keepdim=True)

    def mean_view(
        self, q: Float[Tensor, "images views"], reach: float = math.radians(40)
    ) -> tuple[Float[Tensor, " images"], Float[Tensor, " images"]]:
        """Azimuth and elevation (radians) of each posterior: the circular mean within `reach` of its mode."""
        mode = self.smooth(q).argmax(1)
        azimuth, elevation = self.azimuth.to(q), self.elevation.to(q)
        apart = azimuth - azimuth[mode][:, None]
        apart = torch.atan2(apart.sin(), apart.cos())
        near = q * (apart.abs() <= reach)
        total = near.sum(1).clamp(min=1e-12)
        return (azimuth[mode] + (near * apart).sum(1) / total) % math.tau, (near * elevation).sum(1) / total


@dataclass(frozen=True)
class Orbit:
    """Where the cameras of a category's photos are taken to stand.

    Args:
        grid: The views that are told apart.
        distance: Object lengths.
        whole_circle: Whether all azimuths are about equally frequent.
    """

    grid: ViewGrid
    distance: float = 2.6
    whole_circle: bool = True

    def finer(self, factor: int) -> "Orbit":
        """The same with `factor` times as many azimuths."""
        return replace(self, grid=replace(self.grid, azimuths=self.grid.azimuths * factor))
