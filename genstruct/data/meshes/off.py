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
    if not np.isfinite(values[:2]).all():
        raise reading.broken(f"it is for {values[0]:g} vertices and {values[1]:g} faces")
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
    counts, given, own = _faces(values[split:], rows[vertices : vertices + faces], reading)
    corners = reading.corners(given, vertices, "face")
    if left := len(rows) - vertices - faces:
        reading.note(f"{left} lines behind its last face are not read")
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
        colored = not (columns[:, at : at + 3] < 0).any()  # many writers leave the C out, some the N
        if not colored:
            reading.note("what stands behind the coordinates of corners is no colour; left out")
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
) -> tuple[Int[np.ndarray, " faces"], Float[np.ndarray, " corners"], Float[np.ndarray, "faces 3"] | None]:
    """What names the corners of each face, and the colours behind them."""
    first = np.cumsum(rows) - rows
    told = values[first]
    if (wrong := np.flatnonzero(~((told >= 0) & (told + 1 <= rows)))).size:
        row = int(wrong[0])
        raise reading.broken(f"face {row} has {rows[row] - 1} numbers, its first says {told[row]:.10g}")
    counts = told.astype(np.int64)
    inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    corners = values[np.repeat(first + 1, counts) + inside]
    left = rows - counts - 1
    colored = (left == 3) | (left == 4)
    if (left == 1).any():
        reading.note("colours of faces by number in a map are not used")
    if ((left == 2) | (left > 4)).any():
        reading.note("what stands behind the corners of some faces is no colour; left out")
    if not colored.any():
        return counts, corners, None
    found = np.full((len(rows), 3), np.nan)
    found[colored] = values[(first + 1 + counts)[colored, None] + np.arange(3)]
    return counts, corners, shares(found)
