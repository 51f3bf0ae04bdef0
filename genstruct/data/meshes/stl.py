"""STL, text and binary. Binary files may begin with the word of text files, and text with anything."""

import re

import numpy as np
from jaxtyping import Float, UInt16

from genstruct.data.meshes.parts import PLAIN, Part, Polygons, part_of
from genstruct.data.meshes.reading import Reading
from genstruct.data.meshes.text import BadTokenError, numbers, plain_text

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER = 84
_UNKNOWN = (0, 0xFFFFFFFF)
"""Numbers of triangles that stand in files whose writer did not come back to the header."""
_NAME = re.compile(rb"\b(?:end)?solid\b[^\n]*?(?=\bfacet\b|\b(?:end)?solid\b|$)", re.IGNORECASE | re.MULTILINE)
"""Of a solid, up to the line's end: it may hold any words, "vertex" among them."""


def read_stl(data: bytes, reading: Reading) -> list[Part]:
    """The triangles of all solids in the file.

    Raises:
        DataError: A text without corners, or a binary file that is cut.
    """
    if _is_binary(data):
        return _binary(data, reading)
    text = _NAME.sub(b"", plain_text(data))
    found = re.findall(rb"\bvertex\s+(\S+)\s+(\S+)\s+(\S+)|\b(endloop)\b", text, re.IGNORECASE)
    loops = np.array([bool(row[3]) for row in found], bool)
    try:
        points = numbers([token for row in found if not row[3] for token in row[:3]]).reshape(-1, 3)
    except BadTokenError as bad:
        raise reading.broken(str(bad)) from None
    counts = np.diff(np.flatnonzero(loops), prepend=-1) - 1
    if not len(counts):
        raise reading.broken("it is neither text with facets nor binary")
    if (left := len(points) - int(counts.sum())) > 0:
        reading.lost(f"its last {left} corners have no 'endloop'; left out")
    corners = np.arange(int(counts.sum()))
    return [part_of(reading, points, Polygons(counts, corners), [PLAIN])]


def _is_binary(data: bytes) -> bool:
    if len(data) < _HEADER:
        return False
    if len(data) == _HEADER + _TRIANGLE.itemsize * int.from_bytes(data[80:84], "little"):
        return True
    start = plain_text(data[:2000]).lower()
    if start.lstrip().startswith(b"solid"):
        return b"facet" not in start and b"endsolid" not in start
    return re.search(rb"\bfacet\s+normal\s", start) is None


def _binary(data: bytes, reading: Reading) -> list[Part]:
    told, there = int.from_bytes(data[80:84], "little"), (len(data) - _HEADER) // _TRIANGLE.itemsize
    if there and told in _UNKNOWN:
        reading.note(f"its header does not tell how many triangles there are; all {there} are read")
        told = there
    if told > there:
        raise reading.broken(f"it ends after {there} of {told} triangles")
    if told < there:
        reading.lost(f"its header tells of {told} triangles, but there are {there}; the first {told} are read")
    reading.check_faces(told)
    triangles = np.frombuffer(data, _TRIANGLE, told, _HEADER)
    points = triangles["corners"].reshape(-1, 3).astype(np.float64)
    reading.check_finite(points)
    return [Part(points, np.arange(3 * told).reshape(-1, 3), colors=_colors(data[:80], triangles["attribute"]))]


def _colors(header: bytes, attribute: UInt16[np.ndarray, " faces"]) -> Float[np.ndarray, "faces 3 3"] | None:
    """Colours of triangles in 15 bits, as VisCAM (marked by the highest bit) or Magics (a colour of the whole object in
    the header, and the highest bit where that counts) write them."""
    marked = attribute >= 1 << 15
    five_bits = np.stack([attribute >> shift & 31 for shift in (10, 5, 0)], 1) / 31
    found = header.find(b"COLOR=")
    if found >= 0 and len(header) >= found + 9:
        whole = np.frombuffer(header, np.uint8, 3, found + 6) / 255
        colors = np.where(marked[:, None], whole, five_bits[:, ::-1])
    elif marked.any():
        colors = np.where(marked[:, None], five_bits, np.nan)
    else:
        return None
    return np.repeat(colors[:, None], 3, 1)
