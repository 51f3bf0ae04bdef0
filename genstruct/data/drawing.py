"""Drawing synthetic objects and backgrounds: outlines as signed fields, textures as smooth functions, in batches.

Coordinates run from -1 to 1 across the picture, x to the right and y down. A shape's field is negative inside, about -1
at its thickest place, and its own coordinates are turned, scaled and shifted against the picture's.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

Field = Callable[[Tensor, Tensor], Tensor]
"""(u, v), both [n, h, w], to the field [n, h, w]."""


class Streams:
    """Random values for some scenes, each from a stream of its own addressed by (seed, number, use)."""

    def __init__(self, seed: int, numbers: range, use: str) -> None:
        address = {"object": 1, "background": 2}[use]
        self._streams = [np.random.default_rng([seed & (2**64 - 1), number, address]) for number in numbers]

    def uniform(self, low: int | float, high: int | float, *shape: int) -> Float[Tensor, "n ..."]:
        """Uniform values [n, *shape]."""
        return torch.stack([torch.from_numpy(np.asarray(s.uniform(low, high, shape))) for s in self._streams]).float()

    def normal(self, *shape: int) -> Float[Tensor, "n ..."]:
        """Standard normal values [n, *shape]."""
        return torch.stack([torch.from_numpy(s.standard_normal(shape)) for s in self._streams]).float()

    def palette(self) -> tuple[Tensor, Tensor, Tensor]:
        """Three colours [n, 3, 1, 1] of neighbouring hues, seldom vivid, seldom very dark or bright."""
        hue = self.uniform(0, 1, 1)
        first, second, third = (self._color(hue + self.uniform(-0.12, 0.12, 1)) for _ in range(3))
        return first, second, third

    def _color(self, hue: Float[Tensor, "n 1"]) -> Float[Tensor, "n 3 1 1"]:
        saturation, value = self.uniform(0.05, 0.9, 1) ** 1.5, self.uniform(0.2, 0.95, 1)
        turns = (hue + torch.tensor([0.0, 2 / 3, 1 / 3])) % 1  # HSV to RGB: three tents over the circle of hues
        pure = (3 * (2 * turns - 1).abs() - 1).clamp(0, 1)
        return (value * (1 - saturation * (1 - pure)))[..., None, None]


def draw_object(
    draws: Streams, size: int, category: str, area: tuple[float, float]
) -> tuple[Bool[Tensor, "n 1 size size"], Float[Tensor, "n 3 size size"]]:
    """Where the object is, and its colours everywhere.

    Args:
        draws: Streams of the objects.
        size: Width and height, pixels.
        category: Key of `SHAPES`.
        area: Least and largest share of the picture.
    """
    field = SHAPES[category](draws)
    u, v = _place(draws, field, area, *_grid(size))
    height = field(u, v)
    return (height < 0)[:, None], _object_texture(draws, u, v, height)


def draw_background(draws: Streams, size: int, bands: int) -> Float[Tensor, "n 3 size size"]:
    """Noise of several scales in three colours, lit unevenly, crossed by at most `bands` bands of other materials."""
    x, y = _grid(size)
    picture = _material(draws, size)
    for _ in range(bands):
        across = _along(draws.uniform(0, 2 * math.pi), x, y) - _column(draws.uniform(-1, 1))
        is_band = _column(draws.uniform(0, 1)) < 0.5
        width = _column(draws.uniform(0.05, 0.5))
        shown = _column(draws.uniform(0, 1)) < 0.6
        covered = shown & torch.where(is_band, across.abs() < width, across > 0.3)
        picture = torch.where(covered[:, None], _material(draws, size), picture)
    light = _along(draws.uniform(0, 2 * math.pi), x, y) * _column(draws.uniform(0, 0.25))
    return picture * (1 + light)[:, None]


def _ellipses(draws: Streams) -> Field:
    flat = _column(draws.uniform(0.5, 0.9))
    return lambda u, v: (u.square() + (v / flat).square()).sqrt() - 1


def _polygons(draws: Streams) -> Field:
    """Three to six corners, rounded: the 12-norm of the distances to the sides."""
    corners = torch.floor(draws.uniform(3, 7))[:, None]
    angles = 2 * math.pi * torch.arange(6) / corners  # [n, 6]; sides beyond the last corner do not count
    counts = (torch.arange(6) < corners).float()[..., None, None]
    x, y = torch.cos(angles)[..., None, None], torch.sin(angles)[..., None, None]
    stretch = _column(draws.uniform(0.7, 1))

    def field(u: Tensor, v: Tensor) -> Tensor:
        distances = (u[:, None] * x + (v / stretch)[:, None] * y).clamp(min=0) * counts
        return distances.pow(12).sum(1).pow(1 / 12) - 1

    return field


def _stars(draws: Streams) -> Field:
    """Four to six arms of wavering length."""
    arms, depth = _column(torch.floor(draws.uniform(4, 7))), _column(draws.uniform(0.15, 0.35))
    wave, phase = _column(draws.uniform(0, 0.15)), _column(draws.uniform(0, 2 * math.pi))

    def field(u: Tensor, v: Tensor) -> Tensor:
        angle = torch.atan2(v, u)
        outline = 1 + depth * torch.cos(arms * angle) + wave * torch.cos(2 * angle + phase)
        return (u.square() + v.square()).sqrt() / outline - 1

    return field


def _fish(draws: Streams) -> Field:
    """A body, a forked tail and two fins."""
    thick, tail = _column(draws.uniform(0.4, 0.6)), _column(draws.uniform(0.4, 0.65))
    fork, fin = _column(draws.uniform(0.05, 0.3)), _column(draws.uniform(0.15, 0.4))

    def field(u: Tensor, v: Tensor) -> Tensor:
        body = (u.square() + (v / (thick * (1 + 0.25 * u))).square()).sqrt() - 1
        end = -1.55 + fork * (1 - v.abs() / tail)
        fluke = torch.maximum(torch.maximum(v.abs() / tail + (u + 0.65) / 0.8, end - u), (u + 0.6)) * 0.8
        fins = (((u + 0.1) / 0.45).square() + (v / (thick + fin)).square()).sqrt() - 1 + (u - 0.1).clamp(min=0) * 2
        return torch.minimum(body, torch.minimum(fluke, fins * 0.5))

    return field


SHAPES: dict[str, Callable[[Streams], Field]] = {
    "fish": _fish,
    "ellipses": _ellipses,
    "polygons": _polygons,
    "stars": _stars,
}


def _place(
    draws: Streams, field: Field, area: tuple[float, float], x: Tensor, y: Tensor
) -> tuple[Float[Tensor, "n size size"], Float[Tensor, "n size size"]]:
    """Object coordinates of each pixel: turned, mirrored, of the area that was drawn, wholly inside the picture."""
    angle = draws.uniform(-0.5, 0.5)
    side = torch.sign(draws.uniform(-1, 1))
    cos, sin = _column(torch.cos(angle)), _column(torch.sin(angle))

    def turned(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return _column(side) * (cos * x + sin * y), cos * y - sin * x

    reach = 2.5  # no shape's own coordinates exceed this
    coarse_x, coarse_y = _grid(96)
    inside = field(*turned(reach * coarse_x[None], reach * coarse_y[None])) < 0
    scale = (4 * draws.uniform(*area) / (inside.float().mean((1, 2)) * (2 * reach) ** 2)).sqrt()
    (left, right), (top, bottom) = _extent(inside.any(1), reach), _extent(inside.any(2), reach)
    scale = torch.minimum(scale, 1.76 / torch.maximum(right - left, bottom - top))
    room_x, room_y = 0.9 - scale * (right - left) / 2, 0.9 - scale * (bottom - top) / 2
    # Photographers centre roughly: the offset is triangular, at most 0.3 of half the picture.
    offset_x = (draws.uniform(-0.5, 0.5) + draws.uniform(-0.5, 0.5)) * room_x.clamp(0, 0.3)
    offset_y = (draws.uniform(-0.5, 0.5) + draws.uniform(-0.5, 0.5)) * room_y.clamp(0, 0.3)
    return turned(
        (x - _column(offset_x)) / _column(scale) + _column((left + right) / 2),
        (y - _column(offset_y)) / _column(scale) + _column((top + bottom) / 2),
    )


def _extent(occupied: Bool[Tensor, "n size"], reach: float) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """First and last place that is occupied, in object units."""
    size = occupied.shape[1]
    first = occupied.float().argmax(1)
    last = size - occupied.flip(1).float().argmax(1)
    return (2 * first / size - 1) * reach, (2 * last / size - 1) * reach


def _object_texture(draws: Streams, u: Tensor, v: Tensor, height: Tensor) -> Float[Tensor, "n 3 size size"]:
    """Stripes and a belly of other colours, shaded: darker towards the outline and away from the light."""
    back, stripe, belly = draws.palette()
    waves = torch.sin(
        _along(draws.uniform(-0.6, 0.6), u, v) * _column(draws.uniform(4, 14)) + _column(draws.uniform(0, 6))
    )
    striped = torch.sigmoid(6 * (waves - _column(draws.uniform(-0.5, 0.9))))[:, None]
    bellied = torch.sigmoid(8 * (v - _column(draws.uniform(-0.1, 0.4))))[:, None]
    color = back + striped * (stripe - back)
    color = color + bellied * (belly - color)
    light = _along(draws.uniform(0, 2 * math.pi), u, v) * 0.2
    return color * (0.7 + 0.5 * (-height).clamp(0, 1).sqrt() + light)[:, None]


def _material(draws: Streams, size: int) -> Float[Tensor, "n 3 size size"]:
    """Three colours mixed by two fields of noise."""
    ground, grain, stain = draws.palette()
    color = ground + torch.sigmoid(2 * _noise(draws, size)) * (grain - ground)
    return color + torch.sigmoid(4 * _noise(draws, size) - 3) * (stain - color)


def _noise(draws: Streams, size: int) -> Float[Tensor, "n 1 size size"]:
    """Noise of unit variance with waves from the whole picture down to 1/48 of it; how rough differs by scene."""
    roughness = draws.uniform(0.2, 1.1)[:, None, None, None]
    total, power = draws.normal(1, 3, 3), torch.ones(())
    for waves in (6, 12, 24, 48):  # each step doubles what there is: five times cheaper than every scale to full size
        weight = (waves / 3) ** -roughness
        total = F.interpolate(total, scale_factor=2, mode="bicubic") + weight * draws.normal(1, waves, waves)
        power = power + weight.square()
    return F.interpolate(total / power.sqrt(), (size, size), mode="bicubic")


def _grid(size: int) -> tuple[Float[Tensor, "size size"], Float[Tensor, "size size"]]:
    centers = (torch.arange(size) + 0.5) * (2 / size) - 1
    return centers.expand(size, size), centers[:, None].expand(size, size)


def _along(angle: Float[Tensor, " n"], x: Tensor, y: Tensor) -> Float[Tensor, "n size size"]:
    return _column(torch.cos(angle)) * x + _column(torch.sin(angle)) * y


def _column(values: Float[Tensor, " n"]) -> Float[Tensor, "n 1 1"]:
    return values[:, None, None]
