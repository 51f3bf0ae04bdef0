"""Materials of glTF 2.0: which picture gives the colour, which coordinates it uses, and how these are moved."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from genstruct.data.meshes.gltf_file import Document
from genstruct.data.meshes.parts import BLACK, Color, Layer, Wear, Wrap
from genstruct.errors import DataError

_WRAPS: dict[int, Wrap] = {10497: "repeat", 33648: "mirror", 33071: "clamp"}
_OTHER_SOURCES = ("EXT_texture_webp", "EXT_texture_avif", "KHR_texture_basisu", "MSFT_texture_dds")
WHITE: Color = (1.0, 1.0, 1.0)
BARE = Wear(color=WHITE, linear=True)
"""Where a primitive has colours of corners and no material."""


@dataclass(frozen=True)
class Placed:
    """How a picture lies: the set of texture coordinates, and a matrix that moves them [2, 3]."""

    set: int = 0
    matrix: tuple[tuple[float, float, float], tuple[float, float, float]] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))

    def moved(self, uv: Float[np.ndarray, "_ 2"]) -> Float[np.ndarray, "_ 2"]:
        matrix = np.array(self.matrix)
        return uv @ matrix[:, :2].T + matrix[:, 2]


@dataclass(frozen=True)
class Material:
    """A material, and how its pictures lie."""

    wear: Wear
    base: Placed = Placed()
    glow: Placed = Placed()


class Materials:
    """The materials of a file, each made once."""

    def __init__(self, document: Document) -> None:
        self._document, self._reading = document, document.reading
        self._reading.expect(len(document.get("images", [])))
        self._made: dict[int, Material] = {}
        self._images: dict[int, UInt8[np.ndarray, "height width 3"] | None] = {}

    def __getitem__(self, number: int) -> Material:
        if number not in self._made:
            self._made[number] = self._make(self._document.item("materials", number))
        return self._made[number]

    def _make(self, entry: Mapping[str, Any]) -> Material:
        extensions = entry.get("extensions", {})
        rough, gloss = entry.get("pbrMetallicRoughness", {}), extensions.get("KHR_materials_pbrSpecularGlossiness")
        factor, texture = rough.get("baseColorFactor"), rough.get("baseColorTexture")
        if gloss is not None:
            factor, texture = gloss.get("diffuseFactor"), gloss.get("diffuseTexture")
        if entry.get("alphaMode", "OPAQUE") != "OPAQUE":
            self._reading.note("transparency is not kept")
        picture, base = self._layer(texture)
        glow_picture, glow_place = self._layer(entry.get("emissiveTexture"))
        strength = extensions.get("KHR_materials_emissive_strength", {}).get("emissiveStrength", 1.0)
        glow = self._color(entry.get("emissiveFactor"), BLACK, strength)
        if glow_picture is None and entry.get("emissiveTexture") is not None:
            glow = BLACK  # the light of a picture that is lost
        return Material(Wear(self._color(factor, WHITE), picture, glow, glow_picture, linear=True), base, glow_place)

    def _color(self, given: Any, default: Color, strength: float = 1.0) -> Color:
        values = [float(value) * strength for value in (default if given is None else given[:3])]
        if len(values) != 3 or not np.isfinite(values).all():
            self._reading.lost(f"a colour of its materials is none ({given}); drawn without it")
            return default
        red, green, blue = (min(max(value, 0.0), 1.0) for value in values)
        return red, green, blue

    def _layer(self, info: Mapping[str, Any] | None) -> tuple[Layer | None, Placed]:
        """What a textureInfo names."""
        if info is None:
            return None, Placed()
        texture = self._document.item("textures", info["index"])
        pixels = self._pixels(texture)
        if pixels is None:
            return None, Placed()
        sampler = self._document.item("samplers", texture["sampler"]) if "sampler" in texture else {}
        across: Wrap = _WRAPS.get(sampler.get("wrapS", 10497), "repeat")
        down: Wrap = _WRAPS.get(sampler.get("wrapT", 10497), "repeat")
        return Layer(pixels, (across, down)), _placed(info)

    def _pixels(self, texture: Mapping[str, Any]) -> UInt8[np.ndarray, "height width 3"] | None:
        """The first of a texture's pictures that can be read; the others are told."""
        extensions = texture.get("extensions", {})
        sources = [extensions[name].get("source") for name in _OTHER_SOURCES if name in extensions]
        sources = [source for source in [*sources, texture.get("source")] if source is not None]
        if not sources:
            self._reading.lost("a texture has no picture; drawn without it")
        told = len(self._reading.problems)
        for source in sources:
            if source not in self._images:
                self._images[source] = self._image(source)
            if self._images[source] is not None:
                if source != sources[0]:  # it has all its pictures, only in another writing
                    del self._reading.problems[told:]
                    self._reading.note(f"images[{sources[0]}] cannot be read; images[{source}] stands for it")
                return self._images[source]
        return None

    def _image(self, number: int) -> UInt8[np.ndarray, "height width 3"] | None:
        entry = self._document.item("images", number)
        uri, name = entry.get("uri"), f"images[{number}]"
        kind = str(entry.get("mimeType", ""))
        if entry.get("name"):
            name = f"{name} {entry['name']}"
        if uri is not None and not uri.startswith("data:"):
            return self._reading.picture_beside(uri, "the file")
        if uri is None and "bufferView" not in entry:
            self._reading.lost(f"the picture {name!r} has no contents; drawn without it")
            return None
        try:
            data = self._document.inline(uri) if uri is not None else bytes(self._document.view(entry["bufferView"])[0])
        except DataError as error:  # the shape is there
            self._reading.lost(
                f"the picture {name!r} is lost: {str(error).partition(' (')[2].partition(')')[0] or error}"
            )
            return None
        if kind == "image/ktx2" or data[:8] == b"\xabKTX 20\xbb":
            self._reading.lost(
                f"the picture {name!r} is KTX2 (KHR_texture_basisu), which is not read; drawn without it"
            )
            return None
        return self._reading.picture(data, name)


def _placed(info: Mapping[str, Any]) -> Placed:
    """Offset, rotation (counter-clockwise as one sees the picture) and scale of KHR_texture_transform."""
    moved = info.get("extensions", {}).get("KHR_texture_transform", {})
    number = moved.get("texCoord", info.get("texCoord", 0))
    across, down = map(float, moved.get("scale", (1, 1)))
    right, lower = map(float, moved.get("offset", (0, 0)))
    angle = float(moved.get("rotation", 0))
    cos, sin = (math.cos(angle), math.sin(angle)) if angle else (1.0, 0.0)
    return Placed(number, ((cos * across, sin * down, right), (-sin * across, cos * down, lower)))
