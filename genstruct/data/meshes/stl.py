"""STL, text and binary. Binary files may begin with the word of text files, and text with anything."""

import re

import numpy as np

from genstruct.data.meshes.parts import PLAIN, Part, Polygons, part_of
from genstruct.data.meshes.reading import Reading
from genstruct.data.meshes.text import BadTokenError, numbers, plain_text

_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER = 84


def read_stl(data: bytes, reading: Reading) -> list[Part]:
    """The triangles of all solids in the file.

    Raises:
        DataError: A text without corners, or a binary file that is cut.
    """
    if _is_binary(data):
        return _binary(data, reading)
    text = plain_text(data)
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
    return not (start.lstrip().startswith(b"solid") and (b"facet" in start or b"endsolid" in start))


def _binary(data: bytes, reading: Reading) -> list[Part]:
    told, there = int.from_bytes(data[80:84], "little"), (len(data) - _HEADER) // _TRIANGLE.itemsize
    if told > there:
        raise reading.broken(f"it ends after {there} of {told} triangles")
    if told < there:
        reading.lost(f"its header tells of {told} triangles, but there are {there}; the first {told} are read")
    reading.check_faces(told)
    points = np.frombuffer(data, _TRIANGLE, told, _HEADER)["corners"].reshape(-1, 3).astype(np.float64)
    reading.check_finite(points)
    return [Part(points, np.arange(3 * told).reshape(-1, 3))]
