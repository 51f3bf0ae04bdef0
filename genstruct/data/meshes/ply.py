"""PLY, text and binary: any header, any mixture of elements and of lengths of lists."""

import re

import numpy as np
from jaxtyping import Float, Int

from genstruct.data.meshes.parts import PLAIN, Layer, Part, Polygons, Wear, part_of, shares
from genstruct.data.meshes.ply_body import Column, Rows, read_rows
from genstruct.data.meshes.ply_header import Header, read_header
from genstruct.data.meshes.reading import Reading
from genstruct.data.meshes.text import encoding_of, plain_text

_COLORS = (
    ("red", "green", "blue"),
    ("diffuse_red", "diffuse_green", "diffuse_blue"),
    ("r", "g", "b"),
    ("ambient_red", "ambient_green", "ambient_blue"),
)
_PLACES = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t"), ("tx", "ty"))
_CORNERS = re.compile(r"(vert(ex|ices)?[_ ]?ind(ex|ices)|vertices|indices)$")
_DRAWN = ("vertex", "face", "tristrips")
_WITHOUT_SURFACE = {"edge": "loose edges are not drawn", "camera": "", "confidence": ""}


def read_ply(data: bytes, reading: Reading) -> list[Part]:
    """The surface of the file.

    Raises:
        DataError: A header or a body that does not fit, or corners that are not there.
    """
    if encoding_of(data) not in (None, "utf-8"):  # as a text editor may save it
        data = plain_text(data)
    header = read_header(data, reading)
    elements = read_rows(data, header, reading)
    _remark(header, reading)
    vertex = elements.get("vertex", Rows(0, {}))
    if "face" not in elements and "tristrips" not in elements:
        return []
    if any(axis not in vertex.columns for axis in "xyz"):
        raise reading.broken("its vertices have no x, y and z")
    points = np.stack([vertex.columns[axis].values.astype(np.float64) for axis in "xyz"], 1)
    colors, places = _colors(vertex), _places(vertex)
    parts = []
    if (rows := elements.get("face")) is not None:
        parts.append(_faces(rows, header, points, colors, places, reading))
    if (rows := elements.get("tristrips")) is not None:
        counts, corners = _strips(_corner_list(rows, "tristrips", reading))
        where = reading.corners(corners, len(points), "strip")
        wears, _ = _wears(None, header, places is not None, reading)
        given = Polygons(counts, where, _picked(places, where), _picked(colors, where))
        parts.append(part_of(reading, points, given, wears))
    return parts


def _remark(header: Header, reading: Reading) -> None:
    """Elements that are not drawn."""
    for element in header.elements:
        if element.name in _DRAWN or not element.count:
            continue
        said = _WITHOUT_SURFACE.get(element.name)
        if said:
            reading.note(said)
        elif said is None and any(one.length and _CORNERS.search(one.name) for one in element.properties):
            reading.lost(f"its {element.count} x {element.name!r} are not read; export it with faces")
        elif said is None:
            reading.note(f"its {element.count} x {element.name!r} are not read")


def _faces(
    rows: Rows,
    header: Header,
    points: Float[np.ndarray, "_ 3"],
    colors: Float[np.ndarray, "_ 3"] | None,
    places: Float[np.ndarray, "_ 2"] | None,
    reading: Reading,
) -> Part:
    """The polygons of the element "face", with what they and their corners wear."""
    column = _corner_list(rows, "face", reading)
    counts = column.lengths
    where = reading.corners(column.values, len(points), "face")
    uv = _face_places(rows, counts)
    uv = _picked(places, where) if uv is None else uv
    worn = _picked(colors, where)
    if (own := _colors(rows)) is not None:
        if worn is None or colors is None or (np.ptp(colors, axis=0) == 0).all():
            own = np.repeat(own, counts, axis=0)
            worn = own if worn is None else own * worn
        else:
            reading.note("colours of faces are not used beside those of vertices")
    numbers = rows.columns.get("texnumber")
    wears, wear = _wears(None if numbers is None else numbers.values, header, uv is not None, reading)
    return part_of(reading, points, Polygons(counts, where, uv, worn, wear), wears)


def _corner_list(rows: Rows, element: str, reading: Reading) -> Column:
    lists = {name: column for name, column in rows.columns.items() if column.counts is not None}
    whole = [name for name in lists if _CORNERS.search(name)]
    if not whole and len(lists) == 1:
        whole = list(lists)
    if not whole:
        raise reading.broken(f"its element {element!r} has no list of vertex_indices")
    return lists[whole[0]]


def _strips(column: Column) -> tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]]:
    """Strips, each ended by -1 or the list's end, as triangles."""
    values = column.values.astype(np.int64)
    strip = np.repeat(np.arange(len(column.lengths)), column.lengths)
    ends = values < 0
    strip = np.cumsum(ends) + strip * (len(values) + 1)
    values, strip = values[~ends], strip[~ends]
    if len(values) < 3:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    first = np.flatnonzero(strip[2:] == strip[:-2])
    begin = np.searchsorted(strip, strip[first])
    odd = ((first - begin) % 2).astype(bool)
    triangles = values[np.stack([first, first + 1 + odd, first + 2 - odd], 1)]
    return np.full(len(triangles), 3), triangles.reshape(-1)


def _colors(rows: Rows) -> Float[np.ndarray, "_ 3"] | None:
    """Colours of vertices or faces in [0, 1]."""
    for names in _COLORS:
        if all(name in rows.columns and rows.columns[name].counts is None for name in names):
            return shares(np.stack([rows.columns[name].values for name in names], 1))
    return None


def _places(rows: Rows) -> Float[np.ndarray, "_ 2"] | None:
    """Texture coordinates of vertices, v turned downwards."""
    for names in _PLACES:
        if all(name in rows.columns and rows.columns[name].counts is None for name in names):
            return _downwards(np.stack([rows.columns[name].values.astype(np.float64) for name in names], 1))
    return None


def _face_places(rows: Rows, counts: Int[np.ndarray, " faces"]) -> Float[np.ndarray, "corners 2"] | None:
    """Texture coordinates in a list of each face; NaN for faces whose list does not hold two for each corner."""
    column = rows.columns.get("texcoord")
    if column is None or column.counts is None:
        return None
    found = np.full((int(counts.sum()), 2), np.nan)
    fits = column.counts == 2 * counts
    found[np.repeat(fits, counts)] = column.values[np.repeat(fits, column.counts)].reshape(-1, 2)
    return _downwards(found)


def _downwards(uv: np.ndarray) -> Float[np.ndarray, "_ 2"]:
    return uv * (1.0, -1.0) + (0.0, 1.0)


def _picked(values: np.ndarray | None, where: Int[np.ndarray, " _"]) -> np.ndarray | None:
    return None if values is None else values[where]


def _wears(
    numbers: np.ndarray | None, header: Header, placed: bool, reading: Reading
) -> tuple[list[Wear], Int[np.ndarray, " faces"] | None]:
    """Materials by the pictures that comments of the header name, and which of them faces wear."""
    if not header.pictures:
        return [PLAIN], None
    used = range(len(header.pictures))
    if numbers is None:
        used = range(1)
    if not placed:
        reading.lost(f"there are no texture coordinates for the picture {header.pictures[0]!r}; drawn without it")
        return [PLAIN], None
    wears = []
    reading.expect(len(used))
    for number in used:
        pixels = reading.picture_beside(header.pictures[number], "the header")
        wears.append(PLAIN if pixels is None else Wear(picture=Layer(pixels)))
    if numbers is None:
        for name in header.pictures[1:]:
            reading.lost(f"no face uses the picture {name!r}; left out")
        return wears, None
    wear = numbers.astype(np.int64)
    inside = (wear >= 0) & (wear < len(wears))
    return [*wears, PLAIN], np.where(inside, wear, len(wears))
