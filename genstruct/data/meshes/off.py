"""Geomview .off: plain, with colours (COFF), normals (NOFF) and texture coordinates (STOFF), in text."""

import re

import numpy as np
from jaxtyping import Float, Int

from genstruct.data.meshes.parts import PLAIN, Part, Polygons, part_of, shares
from genstruct.data.meshes.reading import Reading
from genstruct.data.meshes.text import BadTokenError, Lines, Tokens, plain_text, table

_HEADER = re.compile(rb"\s*(?:#.*\n\s*)*(?:\[?(ST)?(C)?(N)?(4)?OFF\]?)?(?P<rest>.*)", re.IGNORECASE)


def read_off(data: bytes, reading: Reading) -> list[Part]:
    """The surface of the file.

    Raises:
        DataError: Binary, of other than 3 dimensions, too short, or with corners that are not there.
    """
    text = plain_text(data)
    header = _HEADER.match(text)
    assert header is not None  # everything in it may be missing
    places, colored, normals, homogeneous = header.group(1, 2, 3, 4)
    if b"nOFF" in header[0]:
        raise reading.broken("nOFF, of any number of dimensions, is not read")
    if re.match(rb"\s*BINARY", header["rest"], re.IGNORECASE):
        raise reading.broken("OFF BINARY is not read; export it as text")
    lines = _full(Lines.of(text[header.start("rest") :]).without_comments())
    tokens = Tokens.of(lines)
    try:
        values = tokens.numbers()
    except BadTokenError as bad:
        raise reading.broken(f"{bad}") from None
    if len(values) < 2:
        raise reading.broken("it has no numbers of vertices and faces")
    vertices, faces = int(values[0]), int(values[1])
    head = 1 if tokens.counts[0] >= 2 else 3  # lines that hold the numbers of vertices, faces and edges
    rows = tokens.counts[head:]
    if vertices < 0 or faces < 0 or vertices + faces > len(rows):
        raise reading.broken(f"it has {len(rows)} lines for {vertices} vertices and {faces} faces")
    values = values[int(tokens.counts[:head].sum()) :]
    split = int(rows[:vertices].sum())
    points, colors, uv = _vertices(
        table(values[:split], rows[:vertices], 16), rows[:vertices], bool(homogeneous), bool(normals), bool(colored),
        bool(places), reading,
    )  # fmt: skip
    counts, corners, own = _faces(values[split:], rows[vertices : vertices + faces], reading)
    if ((corners < 0) | (corners >= vertices)).any():
        wrong = corners[(corners < 0) | (corners >= vertices)][0]
        raise reading.broken(f"a face names vertex {wrong} of {vertices}, counted from 0")
    worn = None if colors is None else colors[corners]
    if own is not None:
        own = np.repeat(own, counts, axis=0)
        worn = own if worn is None else np.where(np.isfinite(worn), worn, own)
    given = Polygons(counts, corners, None if uv is None else uv[corners], worn)
    return [part_of(reading, points, given, [PLAIN])]


def _full(lines: Lines) -> Lines:
    """Without lines of which a comment left nothing but blanks."""
    if not (lines.letter(0) <= 32).any():
        return lines
    return lines.chosen(np.array([bool(lines.text(line)) for line in range(len(lines))], bool))


def _vertices(
    columns: Float[np.ndarray, "vertices 16"],
    counts: Int[np.ndarray, " vertices"],
    homogeneous: bool,
    normals: bool,
    colored: bool,
    placed: bool,
    reading: Reading,
) -> tuple[Float[np.ndarray, "_ 3"], Float[np.ndarray, "_ 3"] | None, Float[np.ndarray, "_ 2"] | None]:
    """Places, colours and texture coordinates: x y z [w] [normal] [r g b [a]] [s t]."""
    at = 4 if homogeneous else 3
    if (counts < at).any():
        raise reading.broken(f"a vertex has {counts.min()} of {at} coordinates")
    points = columns[:, :3] / columns[:, 3:4] if homogeneous else columns[:, :3].copy()
    at += 3 * normals
    left = counts - at - 2 * placed
    if not (colored or normals or placed) and len(left) and (left >= 3).all():
        colored = True  # many writers leave the C out
    colors = None
    if colored:
        there = left >= 3
        colors = np.where(there[:, None], columns[:, at : at + 3], np.nan)
        colors = shares(colors) if there.any() else None
        at = at + np.where(there, left.clip(0, 4), 0)
    uv = None
    if placed:
        where = np.broadcast_to(at, len(counts))[:, None] + np.arange(2)
        uv = np.take_along_axis(columns, where.clip(0, 15), 1) * (1, -1) + (0, 1)
    return points, colors, uv


def _faces(
    values: Float[np.ndarray, " _"], rows: Int[np.ndarray, " faces"], reading: Reading
) -> tuple[Int[np.ndarray, " faces"], Int[np.ndarray, " corners"], Float[np.ndarray, "faces 3"] | None]:
    """Corners of each face, and the colours behind them."""
    first = np.cumsum(rows) - rows
    counts = values[first].astype(np.int64)
    if (wrong := np.flatnonzero((counts < 0) | (counts + 1 > rows))).size:
        row = int(wrong[0])
        raise reading.broken(f"face {row} has {rows[row] - 1} numbers, its first says {counts[row]}")
    inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    corners = values[np.repeat(first + 1, counts) + inside].astype(np.int64)
    left = rows - counts - 1
    colored = (left == 3) | (left == 4)
    if (left == 1).any():
        reading.note("colours of faces by number in a map are not used")
    if not colored.any():
        return counts, corners, None
    found = np.full((len(rows), 3), np.nan)
    found[colored] = values[(first + 1 + counts)[colored, None] + np.arange(3)]
    return counts, corners, shares(found)
