"""What the surfaces of a mesh file wear: pictures, colours of vertices, faces and materials, as sRGB bytes (numpy)."""

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from genstruct.geometry.atlas import Chart, color_chart, picture_charts

GRAY = 180
"""sRGB of surfaces without any colour, of 255."""
# What trimesh puts where a file names a material that is nowhere: a colour, or a picture of 4 pixels (count, colour).
NO_COLOR, NO_PICTURE = [102, 102, 102, 255], [(4, (100, 100, 100, 255))]


def charts_of(parts: list[Any], largest: int, gltf: bool) -> list[Chart]:
    """What all triangles wear: a chart for each picture, however many parts share it, and one for plain colours.

    Args:
        parts: Surfaces as trimesh reads them; their triangles are numbered in this order.
        largest: Of `picture_charts`.
        gltf: Colours of vertices are linear, as that format has it.
    """
    pictures: dict[bytes, _Worn] = {}
    plain, first, materials = _Worn(), 0, _Materials()
    for part in parts:
        numbers = np.arange(first, first + len(part.faces))
        first += len(numbers)
        image, colors = materials.of(part, gltf)
        if image is None:
            plain.add(colors, numbers)
            continue
        corners = np.asarray(part.visual.uv, np.float64)[:, :2][part.faces] * (1, -1) + (
            0,
            1,
        )  # trimesh counts v upwards
        pictures.setdefault(image.name, _Worn(image.pixels)).add(corners, numbers)
    charts = [
        chart
        for worn in pictures.values()
        for chart in picture_charts(worn.pixels, worn.corners(), worn.faces(), largest)
    ]
    return charts + ([color_chart(plain.corners(), plain.faces())] if plain.numbers else [])


@dataclass
class _Worn:
    """Triangles that wear one picture, or colours, gathered from several parts."""

    pixels: np.ndarray = field(default_factory=lambda: np.zeros((1, 1, 3), np.uint8))
    values: list[np.ndarray] = field(default_factory=list)
    numbers: list[np.ndarray] = field(default_factory=list)

    def add(self, values: np.ndarray, numbers: np.ndarray) -> None:
        self.values.append(values)
        self.numbers.append(numbers)

    def corners(self) -> np.ndarray:
        return np.concatenate(self.values)

    def faces(self) -> np.ndarray:
        return np.concatenate(self.numbers)


class _Picture(NamedTuple):
    """Pixels, and a name that is the same for the same pixels."""

    name: bytes
    pixels: np.ndarray


class _Materials:
    """Decodes the picture of each material once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, _Picture | None, np.ndarray]] = {}

    def of(self, part: Any, gltf: bool) -> tuple[_Picture | None, np.ndarray]:
        """A picture with usable coordinates, or else the colours [face, corner, channel] of a part."""
        visual, faces = part.visual, part.faces
        if visual.kind == "vertex":
            shares = _shares(visual.vertex_colors)[faces]
            return None, _to_srgb(shares) if gltf else (shares * 255).round().astype(np.uint8)  # glTF's are linear
        if visual.kind == "face":
            return None, np.repeat(np.asarray(visual.face_colors, np.uint8)[:, None, :3], 3, 1)
        if visual.kind != "texture":
            return None, np.full((len(faces), 3, 3), GRAY, np.uint8)
        picture, color = self._read(visual.material)
        if picture is not None and visual.uv is not None and len(visual.uv) == len(part.vertices):
            return picture, np.zeros((0, 3, 3), np.uint8)
        beside = visual.vertex_attributes.get("color")
        light = _to_linear(color / 255) * (1 if beside is None else _shares(beside)[faces])
        return None, np.broadcast_to(_to_srgb(light), (len(faces), 3, 3))

    def _read(self, material: Any) -> tuple[_Picture | None, np.ndarray]:
        if id(material) not in self._known:
            pixels, color = _material(material)
            name = None if pixels is None else blake2b(repr(pixels.shape).encode() + pixels.tobytes()).digest()
            picture = None if pixels is None or name is None else _Picture(name, pixels)
            self._known[id(material)] = material, picture, color  # kept alive, so that its number stays its own
        return self._known[id(material)][1:]


def _shares(colors: Any) -> np.ndarray:
    """Red, green and blue of vertices in [0, 1], from bytes, 16-bit numbers or shares of one."""
    colors = np.asarray(colors)[:, :3]
    most = np.iinfo(colors.dtype).max if colors.dtype.kind in "iu" else 1
    shares: np.ndarray = np.nan_to_num(colors / most).clip(0, 1)
    return shares


def _material(material: Any) -> tuple[np.ndarray | None, np.ndarray]:
    """Picture and plain colour of a material, sRGB bytes; glTF's factors are linear and tint the picture."""
    if not hasattr(material, "baseColorFactor"):
        diffuse = np.asarray(getattr(material, "diffuse", NO_COLOR), np.uint8)
        plain = np.full(3, GRAY, np.uint8) if diffuse.tolist() == NO_COLOR else diffuse[:3]
        return _pixels(getattr(material, "image", None)), plain
    image, factor = _pixels(material.baseColorTexture), material.baseColorFactor
    factor = np.ones(3) if factor is None else np.asarray(factor, np.float64)[:3] / 255
    if image is not None and (factor < 1).any():
        table = _to_srgb(_to_linear(np.arange(256) / 255)[:, None] * factor)  # [byte, channel]
        image = np.stack([table[image[..., channel], channel] for channel in range(3)], -1)
    return image, _to_srgb(factor)


def _pixels(image: Any) -> np.ndarray | None:
    """Bytes [height, width, 3], or None without a picture or for a damaged one: only decoding shows that."""
    if image is None:
        return None
    try:
        return None if image.getcolors(1) == NO_PICTURE else np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError):  # what pillow raises for damaged data
        return None


def _to_linear(srgb: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, from [0, 1] to [0, 1]."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _to_srgb(linear: np.ndarray) -> np.ndarray:
    """The inverse, to bytes."""
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)
    return (srgb * 255).round().clip(0, 255).astype(np.uint8)
