"""What the triangles of a mesh file wear, as charts of one texture: pictures, colours, and products of both (numpy)."""

from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
from jaxtyping import Float, Int
from PIL import Image

from genstruct.data.meshes.atlas import SLACK, Chart, color_chart, picture_charts
from genstruct.data.meshes.cells import Shade, cell_charts
from genstruct.data.meshes.colors import from_linear, to_bytes, to_linear
from genstruct.data.meshes.parts import BLACK, Color, Layer, Part, Pixels, Wear
from genstruct.geometry.mesh import GRAY

SAME = 1 / 512
"""Colours that differ by less are one in bytes."""
MOST_COPIED = 800_000_000
"""Bytes of pictures in further colours; beyond, copies are small, as they will be where so many share a texture."""


def charts_of(parts: list[Part], largest: int) -> list[Chart]:
    """What all triangles wear: a chart for each picture, however many parts share it, and one for plain colours.

    Args:
        parts: Their triangles are numbered in this order.
        largest: Of `picture_charts`; the same limit holds for what is drawn anew.
    """
    gathered, first = _Gathered(), 0
    for part in parts:
        numbers = np.arange(first, first + len(part.faces))
        first += len(numbers)
        for number, wear in enumerate(part.wears):
            some = numbers - numbers[:1] if part.wear is None else np.flatnonzero(part.wear == number)
            if len(some):
                gathered.add(part, wear, some, numbers[some])
            if part.wear is None:
                break
    return gathered.charts(largest)


@dataclass
class _Worn:
    """Triangles that wear one picture, or colours, gathered from several parts."""

    layer: Layer | None = None
    values: list[np.ndarray] = field(default_factory=list)
    numbers: list[np.ndarray] = field(default_factory=list)

    def add(self, values: np.ndarray, numbers: np.ndarray) -> None:
        self.values.append(values)
        self.numbers.append(numbers)


class _Gathered:
    """Triangles sorted by how they become part of the texture."""

    def __init__(self) -> None:
        self._plain = _Worn()
        self._pictures: dict[tuple[object, ...], _Worn] = {}
        self._cells: list[tuple[Shade, np.ndarray]] = []
        self._tinted: dict[tuple[object, ...], tuple[Wear, Layer]] = {}
        self._names: dict[int, tuple[Pixels, bytes]] = {}
        self._copied = 0

    def add(self, part: Part, wear: Wear, some: Int[np.ndarray, " _"], numbers: Int[np.ndarray, " _"]) -> None:
        """Some triangles of a part that wear the same."""
        uv = None if part.uv is None else part.uv[some]
        glow_uv = uv if part.glow_uv is None else part.glow_uv[some]
        colors = None if part.colors is None else part.colors[some]
        base = None if wear.picture is None or uv is None else wear.picture
        glow = None if wear.glow_picture is None or glow_uv is None or wear.glow == BLACK else wear.glow_picture
        placed = np.ones(len(some), bool)
        for layer, places in ((base, uv), (glow, glow_uv)):
            if layer is not None and places is not None:
                placed &= np.isfinite(places).all((1, 2))
        if base is None and glow is None:
            placed[:] = False
        if not placed.all():
            self._add_plain(wear, None if colors is None else colors[~placed], numbers[~placed])
        if placed.any():
            uv, glow_uv, colors = (None if value is None else value[placed] for value in (uv, glow_uv, colors))
            pictured = Wear(wear.color, base, wear.glow, glow, wear.linear)
            self._add_pictured(Shade(pictured, uv, glow_uv, colors), numbers[placed])

    def _add_plain(self, wear: Wear, colors: np.ndarray | None, numbers: np.ndarray) -> None:
        base = _mixed(wear.color, colors, len(numbers))
        if wear.linear:
            base = from_linear(base)
        glow = wear.glow if wear.glow_picture is None else BLACK
        self._plain.add(to_bytes(_with_glow(base, np.array(glow), wear.linear)), numbers)

    def _add_pictured(self, shade: Shade, numbers: np.ndarray) -> None:
        """As a chart of the picture, if one picture shows it; otherwise in cells."""
        tint, places = _one_color(shade.colors), shade.glow_uv if shade.wear.picture is None else shade.uv
        if tint is None or places is None or not _is_one_picture(shade):
            self._cells.append((shade, numbers))
            return
        layer = self._layer(shade.wear, tint)
        simple = np.ones(len(numbers), bool)
        if "clamp" in layer.wrap:
            simple &= ((places >= -SLACK) & (places <= 1 + SLACK)).all((1, 2))
        if simple.any():
            key = (self._name(layer.pixels), layer.wrap)
            self._pictures.setdefault(key, _Worn(layer)).add(places[simple], numbers[simple])
        if not simple.all():
            self._cells.append((Shade(Wear(picture=layer), places[~simple], None, None), numbers[~simple]))

    def _layer(self, wear: Wear, tint: Color) -> Layer:
        """One picture of all that does not change between triangles."""
        key = (id(wear.picture), id(wear.glow_picture), wear.color, wear.glow, wear.linear, tint)
        if key not in self._tinted:
            layer = _merged(wear, tint)
            self._copied += layer.pixels.size if wear.picture is None or layer.pixels is not wear.picture.pixels else 0
            if self._copied > MOST_COPIED:
                height, width = (max(side // 8, 1) for side in layer.pixels.shape[:2])
                layer = Layer(_sized(layer.pixels, width, height), layer.wrap)
            self._tinted[key] = wear, layer  # the wear is kept, so that its pictures' numbers stay theirs
        return self._tinted[key][1]

    def _name(self, pixels: Pixels) -> bytes:
        """The same for the same pixels."""
        if id(pixels) not in self._names:
            name = blake2b(repr(pixels.shape).encode() + pixels.tobytes()).digest()
            self._names[id(pixels)] = pixels, name
        return self._names[id(pixels)][1]

    def charts(self, largest: int) -> list[Chart]:
        charts = []
        for worn in self._pictures.values():
            assert worn.layer is not None
            pixels, uv = _unmirrored(worn.layer, np.concatenate(worn.values))
            charts += picture_charts(pixels, uv, np.concatenate(worn.numbers), largest)
        charts += cell_charts(self._cells, largest)
        if self._plain.numbers:
            charts.append(color_chart(np.concatenate(self._plain.values), np.concatenate(self._plain.numbers)))
        return charts


def _mixed(color: Color | None, colors: np.ndarray | None, faces: int) -> Float[np.ndarray, "faces 3 3"]:
    """The colour of a material times those of corners; grey where neither is given."""
    base = np.ones(3) if color is None else np.array(color)
    if colors is None:
        return np.broadcast_to(np.full(3, GRAY / 255) if color is None else base, (faces, 3, 3))
    alone = np.full(3, GRAY / 255) if color is None else base
    return np.where(np.isfinite(colors).all(-1, keepdims=True), colors * base, alone)


def _with_glow(base: np.ndarray, glow: np.ndarray, linear_glow: bool) -> np.ndarray:
    """sRGB plus light that a surface gives off."""
    if not glow.any():
        return base
    return from_linear(to_linear(base) + (glow if linear_glow else to_linear(glow)))


def _is_one_picture(shade: Shade) -> bool:
    """Whether there is one picture, or two that lie in the same way."""
    base, glow = shade.wear.picture, shade.wear.glow_picture
    if base is None or glow is None:
        return True
    uv, glow_uv = shade.uv, shade.glow_uv
    same = uv is glow_uv or (uv is not None and glow_uv is not None and np.array_equal(uv, glow_uv))
    return same and base.wrap == glow.wrap


def _one_color(colors: np.ndarray | None) -> Color | None:
    """The one colour of all corners; white for none at all; None where they differ."""
    if colors is None:
        return 1.0, 1.0, 1.0
    known = np.where(np.isfinite(colors).all(-1, keepdims=True), colors, 1.0).reshape(-1, 3)
    if (np.ptp(known, axis=0) >= SAME).any():
        return None
    red, green, blue = known.mean(0).tolist()
    return red, green, blue


def _merged(wear: Wear, tint: Color) -> Layer:
    """Picture times colours plus glow, in the larger of both sizes."""
    layers = [layer for layer in (wear.picture, wear.glow_picture) if layer is not None]
    factor = np.array(wear.factor) * tint
    if len(layers) == 1 and wear.picture is not None and not any(wear.glow):
        return Layer(_tinted(wear.picture.pixels, factor, wear.linear), layers[0].wrap)
    height, width = (max(layer.pixels.shape[side] for layer in layers) for side in (0, 1))
    white = np.full((1, 1, 3), 255, np.uint8)
    base = _sized(white if wear.picture is None else wear.picture.pixels, width, height)
    shine = _sized(white if wear.glow_picture is None else wear.glow_picture.pixels, width, height)
    light = to_linear(_tinted(base, factor, wear.linear) / 255)
    scale = np.array(wear.glow) if wear.linear else to_linear(np.array(wear.glow))
    return Layer(to_bytes(from_linear(light + to_linear(shine / 255) * scale)), layers[0].wrap)


def _tinted(pixels: Pixels, factor: np.ndarray, linear: bool) -> Pixels:
    """Pixels times a colour, by a table."""
    if (factor == 1).all():
        return pixels
    values = np.arange(256)[:, None] / 255
    scaled = from_linear(to_linear(values) * factor) if linear else values * factor
    table = to_bytes(scaled)  # [byte, channel]
    return np.stack([table[pixels[..., channel], channel] for channel in range(3)], -1)


def _sized(pixels: Pixels, width: int, height: int) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def _unmirrored(layer: Layer, uv: np.ndarray) -> tuple[Pixels, np.ndarray]:
    """A picture that is mirrored beyond its border as one that repeats: itself and its mirror image side by side."""
    pixels, scale = layer.pixels, np.ones(2)
    for side in range(2):
        beyond = (uv[..., side] < -SLACK).any() or (uv[..., side] > 1 + SLACK).any()
        if layer.wrap[side] == "mirror" and beyond:
            pixels, scale[side] = np.concatenate([pixels, np.flip(pixels, 1 - side)], 1 - side), 0.5
    return pixels, uv * scale
