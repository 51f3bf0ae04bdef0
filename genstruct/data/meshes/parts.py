"""What the readers of all formats hand on: triangles, and what they wear."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from genstruct.data.meshes.reading import Reading
from genstruct.geometry.polygons import triangulate

Pixels = UInt8[np.ndarray, "_ _ 3"]
Wrap = Literal["repeat", "mirror", "clamp"]
Color = tuple[float, float, float]
BLACK: Color = (0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Layer:
    """A picture, sRGB, and how it goes on beyond its border, across and down."""

    pixels: Pixels
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")


@dataclass(frozen=True, eq=False)
class Wear:
    """A material: picture, or colour, times colours of corners, plus what glows.

    Args:
        color: In [0, 1]; None is none of its own: grey, where nothing else gives a colour.
        picture: Looked up at `Part.uv`. Where `linear`, `color` tints it.
        glow: Times `glow_picture`, looked up at `Part.glow_uv`.
        linear: Colours are linear light and products are taken in it (glTF); otherwise both are sRGB.
    """

    color: Color | None = None
    picture: Layer | None = None
    glow: Color = BLACK
    glow_picture: Layer | None = None
    linear: bool = False

    @property
    def factor(self) -> Color:
        """What colours of corners and the picture, if there is one, are multiplied with."""
        return self.color if self.color is not None and (self.linear or self.picture is None) else (1.0, 1.0, 1.0)


PLAIN = Wear()


@dataclass(frozen=True)
class Part:
    """Triangles of one or several materials.

    Args:
        points: Where the file has them, all axes and units as they are there.
        faces: Rows of `points`, counter-clockwise from outside.
        uv, glow_uv: Of every corner, u right and v down; NaN where the file has none. `glow_uv` None is `uv`.
        colors: Of every corner, in [0, 1]; NaN where the file has none.
        wears: The materials.
        wear: Which of them each triangle wears; None is the first.
    """

    points: Float[np.ndarray, "points 3"]
    faces: Int[np.ndarray, "faces 3"]
    uv: Float[np.ndarray, "faces 3 2"] | None = None
    glow_uv: Float[np.ndarray, "faces 3 2"] | None = None
    colors: Float[np.ndarray, "faces 3 3"] | None = None
    wears: list[Wear] = field(default_factory=lambda: [PLAIN])
    wear: Int[np.ndarray, " faces"] | None = None


@dataclass(frozen=True)
class Polygons:
    """Polygons one after the other, each a row of corners.

    Args:
        counts: Corners of each.
        corners: Rows of the points.
        uv, colors: Of each corner, as in `Part`.
        wear: Of each polygon.
    """

    counts: Int[np.ndarray, " polygons"]
    corners: Int[np.ndarray, " corners"]
    uv: Float[np.ndarray, "corners 2"] | None = None
    colors: Float[np.ndarray, "corners 3"] | None = None
    wear: Int[np.ndarray, " polygons"] | None = None


def part_of(reading: Reading, points: Float[np.ndarray, "points 3"], given: Polygons, wears: list[Wear]) -> Part:
    """The polygons cut into triangles.

    Raises:
        DataError: More triangles than are read, or corners that are no finite places.
    """
    reading.check_faces(int(np.maximum(given.counts - 2, 0).sum()))
    if short := int((given.counts < 3).sum()):
        reading.note(f"{short} faces have fewer than 3 corners; left out")
    places = points[given.corners]
    reading.check_finite(places)
    rows, polygon = triangulate(places, given.counts)
    return Part(
        points,
        given.corners[rows],
        None if given.uv is None else given.uv[rows],
        None,
        None if given.colors is None else given.colors[rows],
        wears,
        None if given.wear is None else given.wear[polygon],
    )


def shares(colors: np.ndarray) -> Float[np.ndarray, "..."]:
    """Colours in [0, 1] from bytes, 16-bit numbers, or shares of one, whichever their type and largest value say.

    Whole numbers beyond 1 are bytes, beyond 255 16-bit; NaN stays (no colour).
    """
    if colors.dtype.kind == "u" and colors.dtype.itemsize <= 2:
        return colors / float(np.iinfo(colors.dtype).max)
    values = np.asarray(colors, np.float64)
    seen = values[np.isfinite(values)]
    largest = float(seen.max()) if len(seen) else 1.0
    if largest <= 1 or (largest <= 2 and (seen != np.rint(seen)).any()):
        top = 1.0
    else:
        top = 255.0 if largest <= 255 else 65535.0
    return (values / top).clip(0, 1)
