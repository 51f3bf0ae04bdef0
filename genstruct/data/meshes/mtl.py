"""Wavefront .mtl: colours and pictures of materials, and how .obj files name the files that hold them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from genstruct.data.meshes.colors import srgb_of_xyz
from genstruct.data.meshes.parts import BLACK, PLAIN, Color, Layer, Wear
from genstruct.data.meshes.reading import Reading
from genstruct.data.meshes.text import decoded, plain_text

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_OPTIONS = {
    "blendu": 1, "blendv": 1, "boost": 1, "bm": 1, "cc": 1, "clamp": 1, "colorspace": 1, "imfchan": 1, "type": 1,
    "texres": 2, "mm": 2, "o": 3, "s": 3, "t": 3,
}  # fmt: skip
"""Options before the name of a picture, and the most values of each; those with several may have fewer."""
_COMMENT = re.compile(r"\s+#.*$")


@dataclass
class _Map:
    """A picture that a material names.

    Args:
        name: As written, options taken off.
        scale, offset: Of texture coordinates: u * scale + offset, v upwards.
        clamp: The border goes on outside.
    """

    name: str
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    clamp: bool = False


@dataclass
class _Material:
    """What a material says, as far as it is drawn."""

    library: str
    diffuse: Color | None = None
    glow: Color = BLACK
    maps: dict[str, _Map] = field(default_factory=dict)
    opacity: float = 1.0


class Library:
    """The materials of an .obj: those of all files it names; where two have the same name, the first counts."""

    def __init__(self, lines: list[str], reading: Reading) -> None:
        self._reading = reading
        self._materials: dict[str, _Material] = {}
        self._named = bool(lines)
        self._missing = False
        for line in lines:
            for name in _files(line, reading.has_beside):
                self._read(name)
        reading.expect(sum(len(material.maps) for material in self._materials.values()))
        self._worn: dict[str, Worn] = {}

    def _read(self, name: str) -> None:
        contents = self._reading.beside(name)
        if contents is None:
            self._missing = True
            self._reading.lost(f"the material file {name!r} is not there; drawn without it")
            return
        for key, material in _parsed(contents, name, self._reading).items():
            self._materials.setdefault(key, material)

    def has(self, name: str) -> bool:
        """Whether there is a material called `name`."""
        return self._key(name) is not None

    def wear(self, name: str) -> "Worn":
        """The material called `name`, plain where there is none."""
        key = self._key(name)
        if key is None:
            if not self._missing:  # else it is told already
                where = "any material file" if self._named else "a material file, which the file does not name"
                self._reading.lost(f"the material {name!r} is not in {where}; drawn without it")
            return Worn()
        if key not in self._worn:
            self._worn[key] = self._made(key)
        return self._worn[key]

    def only(self) -> "Worn":
        """What faces wear in a file that chooses no material: the one there is."""
        if len(self._materials) == 1:
            (name,) = self._materials
            self._reading.note(f"no line chooses a material; drawn with the only one, {name!r}")
            return self.wear(name)
        if self._materials:
            self._reading.lost(f"no line chooses one of its {len(self._materials)} materials; drawn without them")
        return Worn()

    def _key(self, name: str) -> str | None:
        """As written, without quotes or a comment behind it, and whatever the case."""
        bare = _COMMENT.sub("", name).strip()
        for key in (name, bare, bare.strip("\"'")):
            if key in self._materials:
                return key
        alike = [key for key in self._materials if _folded(key) == _folded(bare)]
        alike += [key for key in self._materials if _folded(_COMMENT.sub("", key)) == _folded(bare)]
        return alike[0] if alike else None

    def _made(self, name: str) -> "Worn":
        material = self._materials[name]
        if material.opacity <= 0:
            self._reading.note(f"the material {name!r} is wholly transparent (d 0); drawn opaque")
        which = next((key for key in ("map_kd", "map_ka") if key in material.maps), None)
        picture, used = self._layer(material, which)
        if picture is not None and which == "map_ka":
            self._reading.note(f"the material {name!r} has no map_Kd; drawn with its map_Ka")
        glow, glow_used = self._layer(material, "map_ke" if "map_ke" in material.maps else None)
        light = material.glow if glow is None or material.glow != BLACK else (1.0, 1.0, 1.0)
        if (
            glow is not None
            and picture is not None
            and (used.scale, used.offset) != (glow_used.scale, glow_used.offset)
        ):
            self._reading.note(f"map_Ke of the material {name!r} lies otherwise than map_Kd; left out")
            glow, light = None, BLACK
        moved = used if picture is not None else glow_used
        return Worn(Wear(material.diffuse, picture, light, glow), moved.scale, moved.offset)

    def _layer(self, material: _Material, which: str | None) -> tuple[Layer | None, _Map]:
        if which is None:
            return None, _Map("")
        named = material.maps[which]
        pixels = self._reading.picture_beside(_existing(named.name, self._reading.has_beside), material.library)
        if pixels is None:
            return None, named
        return Layer(pixels, ("clamp", "clamp") if named.clamp else ("repeat", "repeat")), named


@dataclass(frozen=True)
class Worn:
    """A material, and how its picture is moved: u * scale + offset, v upwards."""

    wear: Wear = PLAIN
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)

    @property
    def is_moved(self) -> bool:
        return (self.scale, self.offset) != ((1.0, 1.0), (0.0, 0.0))

    def moved(self, uv: np.ndarray) -> np.ndarray:
        """Texture coordinates [..., 2], v downwards, in the picture."""
        upwards = uv * (1, -1) + (0, 1)
        return (upwards * self.scale + self.offset) * (1, -1) + (0, 1)


def _folded(name: str) -> str:
    return " ".join(name.strip("\"'").casefold().split())


def _files(line: str, there: Callable[[str], bool]) -> list[str]:
    """The names in a line that may hold one with blanks or several: the reading of which all files are there."""
    bare = _COMMENT.sub("", line).strip()
    quoted = [first or second for first, second in re.findall(r'"([^"]+)"|(\S+)', bare)]
    endings = [name.strip() for name in re.findall(r".+?\.mtl(?=\s|$)|\S.*$", bare, re.IGNORECASE)]
    readings = [names for names in ([line], [bare], quoted, endings, bare.split()) if any(names)]
    whole = next((names for names in readings if all(map(there, names))), None)
    return whole or next((names for names in readings if any(map(there, names))), endings)


def _existing(name: str, there: Callable[[str], bool]) -> str:
    """The name without a comment behind it, unless a file is called so."""
    return name if there(name) else _COMMENT.sub("", name).strip()


def _parsed(contents: bytes, library: str, reading: Reading) -> dict[str, _Material]:
    """Materials by name, as one file has them; of two with one name the first counts."""
    found: dict[str, _Material] = {}
    material = _Material(library)
    for line in plain_text(contents).split(b"\n"):
        word, _, rest = decoded(line.replace(b"\t", b" ").strip()).partition(" ")
        word, rest = word.lower(), rest.strip()
        if word == "newmtl":
            material = _Material(library)
            found.setdefault(rest, material)
        elif word == "kd":
            material.diffuse = _color(rest, library, reading)
        elif word == "ke":
            material.glow = _color(rest, library, reading) or BLACK
        elif word in ("map_kd", "map_ka", "map_ke"):
            material.maps[word] = _map(rest)
        elif word == "d":
            values = re.findall(_NUMBER, _COMMENT.sub("", rest))
            material.opacity = float(values[-1]) if values else 1.0
    return found


def _color(rest: str, library: str, reading: Reading) -> Color | None:
    """Kd r [g b], Kd xyz x [y z]; spectra are not read."""
    words = _COMMENT.sub("", rest).split()
    kind = words.pop(0).lower() if words and words[0].lower() in ("xyz", "spectral") else "rgb"
    if kind == "spectral":
        reading.lost(f"the colour in {library!r} is a spectrum ({rest[:60]!r}), which is not read; drawn without it")
        return None
    try:
        values = [float(word) for word in words[:3]]
    except ValueError:
        values = []
    if not values or not np.isfinite(values).all():
        reading.lost(f"a colour in {library!r} is none ({rest[:60]!r}); drawn without it")
        return None
    red, green, blue = values if len(values) == 3 else [values[0]] * 3
    if kind == "xyz":
        return srgb_of_xyz(red, green, blue)
    top = 255.0 if max(red, green, blue) > 10 and all(value == int(value) for value in (red, green, blue)) else 1.0
    if top > 1:
        reading.note(f"colours in {library!r} go beyond 1; taken for bytes")
    red, green, blue = (min(max(value / top, 0.0), 1.0) for value in (red, green, blue))
    return red, green, blue


def _map(rest: str) -> _Map:
    """The name of a picture behind its options."""
    found = _Map("")
    while option := re.match(r"-([A-Za-z]+)\s+", rest):
        name = option[1].lower()
        if name not in _OPTIONS:
            break
        rest = rest[option.end() :]
        if _OPTIONS[name] == 1:
            value, _, rest = rest.partition(" ")
            found.clamp |= name == "clamp" and value.lower() == "on"
        else:
            values = re.match(rf"(?:{_NUMBER}\s+){{1,{_OPTIONS[name]}}}", rest)
            numbers = [float(number) for number in values[0].split()] if values else []
            rest = rest[values.end() :] if values else rest
            if name == "s" and numbers:
                found.scale = (numbers[0], [*numbers, 1.0][1])
            elif name == "o" and numbers:
                found.offset = (numbers[0], [*numbers, 0.0][1])
        rest = rest.lstrip()
    found.name = rest.strip()
    return found
