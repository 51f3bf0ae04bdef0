"""The header of a PLY file: what its body holds."""

import re
from dataclasses import dataclass

import numpy as np

from genstruct.data.meshes.reading import Reading
from genstruct.data.meshes.text import decoded

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4",
    "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8", "int64": "i8", "uint64": "u8",
}  # fmt: skip
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_LONGEST = 1_000_000
"""Bytes of a header, at most."""


@dataclass(frozen=True)
class Property:
    """A number, or with `length` a list of them.

    Args:
        name: In lower case.
        kind: Of the number, in the order of bytes of the file.
        length: Of the number in front of the list that says how many follow.
    """

    name: str
    kind: np.dtype
    length: np.dtype | None = None


@dataclass(frozen=True)
class Element:
    """So many rows of the same properties."""

    name: str
    count: int
    properties: list[Property]


@dataclass(frozen=True)
class Header:
    """What the body holds.

    Args:
        is_text: Or binary.
        elements: In the order of the body.
        pictures: That comments name.
        size: Bytes up to the body.
    """

    is_text: bool
    elements: list[Element]
    pictures: list[str]
    size: int


def read_header(data: bytes, reading: Reading) -> Header:
    """Everything up to the line "end_header".

    Raises:
        DataError: None, or a line of it that is not understood.
    """
    start = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    begin = re.match(rb"\s*ply[ \t]*(\r\n|\r|\n)", data[start : start + 100])
    if begin is None:
        raise reading.broken("it does not begin with the line 'ply'")
    ending = begin[1]
    found = re.search(rb"(?:\r|\n)[ \t]*end_header[ \t]*", data[: start + _LONGEST])
    if found is None:
        raise reading.broken("its header has no end")
    endings = (b"\r", b"\n") if ending == b"\r" else (b"\r\n", b"\n", b"\r")  # a body may begin with any byte
    size = found.end() + next((len(one) for one in endings if data.startswith(one, found.end())), 0)
    parser = _Parser(reading)
    for line in re.split(rb"\r\n|\r|\n", data[start + begin.end() : found.start()]):
        parser.line(decoded(line).strip())
    return parser.header(size)


class _Parser:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._order: str | None = None
        self._elements: list[Element] = []
        self._pictures: list[str] = []

    def line(self, line: str) -> None:
        word, _, rest = line.replace("\t", " ").partition(" ")
        words, word = rest.split(), word.lower()
        try:
            if word == "format":
                self._order = _ORDERS[words[0].lower()]
            elif word == "comment":
                if found := re.match(r"\s*texturefile\b[:=]?\s*(.+)", rest, re.IGNORECASE):
                    self._pictures.append(found[1].strip())
            elif word == "element":
                self._elements.append(Element(" ".join(words[:-1]).lower(), _count(words[-1]), []))
            elif word == "property":
                self._elements[-1].properties.append(self._property(words))
            elif word not in ("", "obj_info"):
                self._reading.note(f"the line {line[:60]!r} of its header is not understood; left out")
        except (KeyError, IndexError, ValueError):
            raise self._reading.broken(f"the line {line[:60]!r} of its header is not understood") from None

    def _property(self, words: list[str]) -> Property:
        if self._order is None:
            raise self._reading.broken("its header has no line 'format' before the properties")
        if words[0].lower() == "list":
            length, kind = _kind(words[1], self._order), _kind(words[2], self._order)
            return Property(words[3].lower(), kind, length)
        return Property(words[1].lower(), _kind(words[0], self._order))

    def header(self, size: int) -> Header:
        if self._order is None:
            raise self._reading.broken("its header has no line 'format'")
        return Header(not self._order, self._elements, self._pictures, size)


def _count(word: str) -> int:
    if not re.fullmatch(r"\d{1,18}", word):
        raise ValueError(word)
    return int(word)


def _kind(word: str, order: str) -> np.dtype:
    return np.dtype((order or "<") + _TYPES[word.lower()])
