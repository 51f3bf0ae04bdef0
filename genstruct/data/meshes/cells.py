"""Triangles drawn anew, each in a cell of its own: for what no picture alone can show (numpy).

Colours of corners times a picture, two pictures that lie in different ways, pictures that do not go on beyond their
border by repeating. Corners lie on the middles of pixels, and the cell goes on behind the long side, so that the
bilinear lookup never leaves it.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from genstruct.data.meshes.atlas import Chart
from genstruct.data.meshes.colors import from_linear, to_bytes, to_linear
from genstruct.data.meshes.parts import Layer, Pixels, Wear, Wrap

MOST_PIXELS = 1_000_000
"""Worked on at once."""
FINE = 15.0
"""Pixels along a triangle across which colours of corners change, where there is room: their products are no planes."""
FARTHEST = 16_384.0
"""Pixels that count along a triangle: those that reach farther would make all others coarse, or never fit."""
SIDES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


@dataclass(frozen=True)
class Shade:
    """Triangles that wear one material, and what changes across them: as in `Part`, with places that are all finite."""

    wear: Wear
    uv: Float[np.ndarray, "faces 3 2"] | None
    glow_uv: Float[np.ndarray, "faces 3 2"] | None
    colors: Float[np.ndarray, "faces 3 3"] | None

    def reach(self) -> Float[np.ndarray, " faces"]:
        """Pixels of its pictures along the longest side of each triangle."""
        longest = 1.0 if self.colors is None else FINE
        for layer, uv in ((self.wear.picture, self.uv), (self.wear.glow_picture, self.glow_uv)):
            if layer is not None and uv is not None:
                size = np.array(layer.pixels.shape[1::-1])
                longest = np.maximum(longest, (np.ptp(uv, axis=1) * size).max(1))
        return np.broadcast_to(np.minimum(longest, FARTHEST), len(self))

    def __len__(self) -> int:
        given = next(value for value in (self.uv, self.glow_uv, self.colors) if value is not None)
        return len(given)

    def at(
        self, faces: Int[np.ndarray, " some"], weights: Float[np.ndarray, "places 3"]
    ) -> Float[np.ndarray, "some places 3"]:
        """sRGB in [0, 1] of some triangles where corners have these weights."""
        wear = self.wear
        color = np.array(wear.factor)
        base = np.broadcast_to(color, (len(faces), len(weights), 3))
        if self.colors is not None:
            corners = np.where(np.isfinite(self.colors[faces]), self.colors[faces], 1.0)
            base = base * np.einsum("pc,fck->fpk", weights, corners).clip(0, 1)
        if wear.picture is not None and self.uv is not None:
            seen = look_up(wear.picture, np.einsum("pc,fck->fpk", weights, self.uv[faces]))
            base = base * (to_linear(seen) if wear.linear else seen)
        if wear.glow_picture is None and not any(wear.glow):
            return from_linear(base) if wear.linear else base
        light = base if wear.linear else to_linear(base)
        glow = np.array(wear.glow) if wear.linear else to_linear(np.array(wear.glow))
        if wear.glow_picture is not None and self.glow_uv is not None:
            seen = look_up(wear.glow_picture, np.einsum("pc,fck->fpk", weights, self.glow_uv[faces]))
            glow = glow * to_linear(seen)
        return from_linear(light + glow)


def cell_charts(shades: list[tuple[Shade, Int[np.ndarray, " _"]]], largest: int) -> list[Chart]:
    """Charts of triangles with their numbers, in about `largest` x `largest` pixels together."""
    if not shades:
        return []
    reaches = [shade.reach() for shade, _ in shades]
    factor = _factor(np.concatenate(reaches), largest)
    charts = []
    for (shade, numbers), reach in zip(shades, reaches, strict=True):
        sides = _sides(reach * factor)
        charts += [_chart(shade, numbers, np.flatnonzero(sides == side), int(side)) for side in np.unique(sides)]
    return charts


def _sides(reach: Float[np.ndarray, " faces"]) -> Int[np.ndarray, " faces"]:
    """Pixels of the cells' sides."""
    return np.array(SIDES)[np.searchsorted(SIDES, np.ceil(reach) + 1).clip(max=len(SIDES) - 1)]


def _factor(reach: Float[np.ndarray, " faces"], largest: int) -> float:
    """How much smaller than the pictures the cells are drawn, to fit."""
    factor = 1.0
    while factor > 1e-4 and (_sides(reach * factor).astype(np.int64) ** 2).sum() > largest**2:
        factor *= 0.8
    return factor


def _chart(shade: Shade, numbers: np.ndarray, faces: Int[np.ndarray, " _"], side: int) -> Chart:
    """Cells of one size beside each other."""
    across = math.ceil(math.sqrt(len(faces)))
    down = math.ceil(len(faces) / across)
    y, x = (axis.reshape(-1) / (side - 1) for axis in np.mgrid[:side, :side])
    weights = np.stack([1 - x - y, x, y], 1)
    cells = np.zeros((down * across, side * side, 3), np.uint8)
    step = max(MOST_PIXELS // (side * side), 1)
    for start in range(0, len(faces), step):
        some = faces[start : start + step]
        cells[start : start + len(some)] = to_bytes(shade.at(some, weights))
    pixels = cells.reshape(down, across, side, side, 3).transpose(0, 2, 1, 3, 4).reshape(down * side, across * side, 3)
    corner = np.array([[0.5, 0.5], [side - 0.5, 0.5], [0.5, side - 0.5]])
    cell = np.arange(len(faces))
    place = np.stack([cell % across, cell // across], -1)[:, None] * side + corner
    return Chart(pixels, place / (across * side, down * side), numbers[faces], resizable=False)


def look_up(layer: Layer, uv: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, "... 3"]:
    """The picture at texture coordinates, bilinear, in [0, 1], going on beyond its border as it says."""
    pixels: Pixels = layer.pixels
    height, width = pixels.shape[:2]
    place = uv * (width, height) - 0.5
    low = np.floor(place)
    part = (place - low)[..., None]
    left, right = (_wrapped(low[..., 0] + step, width, layer.wrap[0]) for step in (0, 1))
    top, bottom = (_wrapped(low[..., 1] + step, height, layer.wrap[1]) for step in (0, 1))
    upper = pixels[top, left] * (1 - part[..., 0, :]) + pixels[top, right] * part[..., 0, :]
    lower = pixels[bottom, left] * (1 - part[..., 0, :]) + pixels[bottom, right] * part[..., 0, :]
    return (upper * (1 - part[..., 1, :]) + lower * part[..., 1, :]) / 255


def _wrapped(place: Float[np.ndarray, "..."], size: int, wrap: Wrap) -> Int[np.ndarray, "..."]:
    """Numbers of pixels, those beyond the border too."""
    if wrap == "clamp":
        return place.clip(0, size - 1).astype(np.int64)
    if wrap == "repeat":
        return np.mod(place, size).astype(np.int64)
    folded = np.mod(place, 2 * size)
    return np.minimum(folded, 2 * size - 1 - folded).astype(np.int64)
