"""Wavefront .obj: points, texture coordinates, polygons, and which material they wear.

Statements of many lines (v, vt, vn, f) are read all at once, each kind by itself; the few others line by line. Numbers
of corners are those of the format: from 1, or back from what was read before the face.
"""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from genstruct.data.meshes.mtl import Library, Worn
from genstruct.data.meshes.parts import Part, Polygons, part_of, shares
from genstruct.data.meshes.reading import Reading
from genstruct.data.meshes.text import BadTokenError, Lines, Tokens, decoded, plain_text, table, token_starts

_UNREAD = {b"surf", b"curv", b"curv2", b"bzp", b"bsp", b"cdc", b"cdp", b"res", b"call", b"csh"}
"""Statements that hold surfaces or lead to them and are not read."""
_IGNORED = frozenset(
    b"o g s mg lod vp deg bmat step cstype parm trim hole scrv sp end con bevel c_interp d_interp shadow_obj trace_obj "
    b"ctech stech maplib usemap vn".split()
)
_COMMENTED = re.compile(rb"\s*(?:#|(?!(?:usemtl|mtllib|[go])\s)(?:.*\s)#)")
_UNDRAWN = {b"l": "lines", b"p": "points"}
_PAINT = b"#MRGB"
_NO_MATERIAL = ("", "(null)", "none", "null")
"""Names, in lower case, that stand for no material, unless a material is called so."""


def read_obj(data: bytes, reading: Reading) -> list[Part]:
    """The surface of the file.

    Raises:
        DataError: Numbers that are none, corners that are not there, each with its line.
    """
    text = _joined_lines(plain_text(data))
    lines = Lines.of(text)
    kinds = _Kinds.of(lines)
    statements = _Statements(lines, kinds, reading)
    points, colors = _points(lines.chosen(kinds.points), reading)
    if colors is None and _PAINT in text:
        colors = _painted(lines, len(points))
    faces = lines.chosen(kinds.faces)
    counts, corners = _corners(faces, reading)
    before = [np.searchsorted(kinds.rows(kind), kinds.rows("faces")) for kind in ("points", "places", "normals")]
    totals = [len(kinds.rows(kind)) for kind in ("points", "places", "normals")]
    where, place, _ = (
        _counted(corners[:, column], counts, before[column], totals[column], faces, name, reading)
        for column, name in enumerate(("v", "vt", "vn"))
    )
    worn, wear = statements.worn(kinds.rows("faces"))
    uv = None
    if (place >= 0).any():
        uv = _moved(_places(lines.chosen(kinds.places), reading)[place], worn, np.repeat(wear, counts))
        uv[place < 0] = np.nan
    given = Polygons(counts, where, uv, None if colors is None else colors[where], wear)
    return [part_of(reading, points, given, [one.wear for one in worn])]


def _moved(
    uv: Float[np.ndarray, "corners 2"], worn: list[Worn], wear: Int[np.ndarray, " corners"]
) -> Float[np.ndarray, "corners 2"]:
    """Texture coordinates in the picture of each corner's material."""
    for number, one in enumerate(worn):
        if one.is_moved:
            uv[wear == number] = one.moved(uv[wear == number])
    return uv


def _joined_lines(text: bytes) -> bytes:
    """Statements that go on behind a backslash on one line; one at the end of a comment means nothing.

    A "#" behind a blank begins one, but for names, which may hold such.
    """
    if not re.search(rb"\\[ \t]*\n", text):
        return text
    found: list[bytes] = []
    goes_on = False
    for line in text.split(b"\n"):
        goes_on_now = line.rstrip().endswith(b"\\") and not _COMMENTED.match(line)
        bare = line.rstrip()[:-1] if goes_on_now else line
        if goes_on:
            found.append(b" " + bare)
        else:
            found += [b"\n", bare]
        goes_on = goes_on_now
    return b"".join(found[1:])


@dataclass(frozen=True)
class _Kinds:
    """Which lines hold points, places in the picture, normals, faces, and anything else."""

    points: np.ndarray
    places: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    others: np.ndarray

    @classmethod
    def of(cls, lines: Lines) -> "_Kinds":
        first, second, third = (lines.letter(place) for place in range(3))
        point, two = first == ord("v"), third <= 32
        points, places, normals = (
            point & (second <= 32),
            point & two & (second == ord("t")),
            point & two & (second == ord("n")),
        )
        faces = (first == ord("f")) & ((second <= 32) | ((second == ord("o")) & two))
        others = ~(points | places | normals | faces | (first == ord("#")))
        return cls(points, places, normals, faces, others)

    def rows(self, kind: str) -> Int[np.ndarray, " _"]:
        """Numbers of the lines of a kind."""
        return np.flatnonzero(getattr(self, kind))


class _Statements:
    """Materials, and what else single lines say."""

    def __init__(self, lines: Lines, kinds: _Kinds, reading: Reading) -> None:
        self._reading = reading
        self._rows: list[int] = []
        self._names: list[str] = []
        self._libraries: list[str] = []
        others = kinds.rows("others")
        chosen = lines.chosen(others)
        for line, row in enumerate(others.tolist()):
            word, _, rest = chosen.text(line).replace(b"\t", b" ").partition(b" ")
            if word == b"usemtl":
                self._rows.append(row)
                self._names.append(decoded(rest).strip())
            elif word == b"mtllib":
                self._libraries.append(decoded(rest).strip())
            elif word not in _IGNORED:
                self._remark(word, int(chosen.numbers[line]))

    def _remark(self, word: bytes, number: int) -> None:
        name = decoded(word[:20])
        if word in _UNDRAWN:
            self._reading.note(f"{_UNDRAWN[word]} are not drawn")
        elif word in _UNREAD:
            self._reading.lost(f"what {name!r} in line {number} stands for is not read; export it as polygons")
        elif not word.startswith(b"//") and sum("is no statement" in line for line in self._reading.problems) < 5:
            self._reading.lost(f"line {number} begins with {name!r}, which is no statement of the format; left out")

    def worn(self, faces: Int[np.ndarray, " faces"]) -> tuple[list[Worn], Int[np.ndarray, " faces"]]:
        """The materials, and which of them each face wears."""
        library = Library(self._libraries, self._reading)
        if not self._names:
            return [library.only()], np.zeros(len(faces), np.int64)
        names = sorted(set(self._names))
        numbers = {name: number + 1 for number, name in enumerate(names)}
        chosen = np.array([0] + [numbers[name] for name in self._names])
        wear = chosen[np.searchsorted(np.array(self._rows), faces)]
        worn = set(np.unique(wear).tolist())
        wears = [Worn()]
        for name in names:
            used = numbers[name] in worn and (name.lower() not in _NO_MATERIAL or library.has(name))
            wears.append(library.wear(name) if used else Worn())
        return wears, wear


def _values(lines: Lines, skipped: int, reading: Reading) -> tuple[np.ndarray, Int[np.ndarray, " lines"]]:
    """All numbers behind a keyword, and how many each line has."""
    tokens = Tokens.of(lines.behind(skipped).without_comments())
    try:
        return tokens.numbers(), tokens.counts
    except BadTokenError as bad:
        line = int(np.searchsorted(np.cumsum(tokens.counts), bad.place, side="right"))
        raise reading.broken(f"line {lines.numbers[line]}: {bad}") from None


def _points(lines: Lines, reading: Reading) -> tuple[Float[np.ndarray, "_ 3"], Float[np.ndarray, "_ 3"] | None]:
    """Places, and colours behind them: x y z [w] [r g b [a]]."""
    values, counts = _values(lines, 1, reading)
    if (short := np.flatnonzero(counts < 3)).size:
        raise reading.broken(f"line {lines.numbers[short[0]]} holds {counts[short[0]]} of 3 coordinates")
    columns = table(values, counts, 8)
    first = np.full(len(columns), 3)
    weighted = counts == 7
    if weighted.any():  # x y z w r g b, or x y z r g b a
        weighted &= bool(
            (columns[weighted, 3] == 1).all() and not (columns[weighted, 6] == columns[weighted, 6][0]).all()
        )
    first[weighted | (counts == 8)] = 4
    colored = (counts >= 6) & (counts <= 8)
    if (counts == 5).any() or (counts > 8).any():
        reading.note("what stands behind the coordinates of some corners is not understood; left out")
    if not colored.any():
        return columns[:, :3].copy(), None
    colors = np.take_along_axis(columns, first[:, None] + np.arange(3), 1)
    colors[~colored] = np.nan
    if (colors < 0).any():
        reading.note("what stands behind the coordinates of corners is no colour; left out")
        return columns[:, :3].copy(), None
    return columns[:, :3].copy(), shares(colors)


def _painted(lines: Lines, points: int) -> Float[np.ndarray, "_ 3"] | None:
    """Colours in comments, as ZBrush writes them: MMRRGGBB for each corner, up to 64 a line."""
    letters = [lines.letter(place) == letter for place, letter in enumerate(_PAINT)]
    painted = lines.chosen(np.logical_and.reduce(letters)).behind(len(_PAINT)).joined()
    try:
        values = np.frombuffer(bytes.fromhex(painted.decode()), np.uint8)
    except ValueError:
        return None
    return values.reshape(-1, 4)[:, 1:] / 255 if len(values) == 4 * points else None


def _places(lines: Lines, reading: Reading) -> Float[np.ndarray, "_ 2"]:
    """Texture coordinates, v turned downwards."""
    values, counts = _values(lines, 2, reading)
    columns = table(values, counts, 2)
    columns[counts == 1, 1] = 0
    columns[:, 1] = 1 - columns[:, 1]
    return columns


def _corners(lines: Lines, reading: Reading) -> tuple[Int[np.ndarray, " faces"], Int[np.ndarray, "corners 3"]]:
    """Corners of each face, and their numbers of point, place and normal as the file has them; 0 where it has none."""
    bare = lines.behind(1)
    bare = Lines(bare.letters, np.where(bare.letter(0) > 32, bare.starts + 1, bare.starts), bare.ends, bare.numbers)
    tokens = Tokens.of(bare.without_comments())
    text = tokens.text
    found = np.zeros((int(tokens.counts.sum()), 3), np.int64)
    if b"/" not in text:
        found[:, 0] = _whole(text, tokens.counts, None, lines, reading)
        return tokens.counts, found
    text = re.sub(rb"/(?=[\s/])", b"/0", text)
    slashes = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("/"))
    slashes = np.diff(np.searchsorted(slashes, token_starts(text)), append=len(slashes))
    if (wrong := np.flatnonzero(slashes > 2)).size:
        raise _bad_corner(int(wrong[0]), tokens.counts, lines, reading, "has more than two slashes")
    values = _whole(text.replace(b"/", b" "), tokens.counts, slashes + 1, lines, reading)
    first = np.cumsum(slashes + 1) - slashes - 1
    for column in range(3):
        there = slashes >= column
        found[there, column] = values[first[there] + column]
    return tokens.counts, found


def _whole(
    text: bytes, counts: np.ndarray, fields: np.ndarray | None, lines: Lines, reading: Reading
) -> Int[np.ndarray, " _"]:
    """All tokens as whole numbers."""
    fields = np.ones(int(counts.sum()), np.int64) if fields is None else fields
    try:
        values = np.fromstring(text, np.int64, sep=" ")
        if len(values) == fields.sum():
            return values
    except (ValueError, DeprecationWarning):  # the first that is none is looked for below
        pass
    tokens = text.split()
    if len(tokens) != fields.sum():
        raise _bad_corner(0, counts, lines, reading, "has a slash without a number before it")
    for place, token in enumerate(tokens):
        if not re.fullmatch(rb"[+-]?\d{1,18}", token):
            corner = int(np.searchsorted(np.cumsum(fields), place, side="right"))
            raise _bad_corner(corner, counts, lines, reading, f"has {decoded(token[:40])!r}")
    return np.array(list(map(int, tokens)), np.int64)


def _bad_corner(corner: int, counts: np.ndarray, lines: Lines, reading: Reading, what: str) -> Exception:
    line = int(np.searchsorted(np.cumsum(counts), corner, side="right"))
    return reading.broken(f"a face in line {lines.numbers[line]} {what} where the number of a corner should be")


def _counted(
    given: Int[np.ndarray, " corners"],
    counts: Int[np.ndarray, " faces"],
    before: Int[np.ndarray, " faces"],
    total: int,
    lines: Lines,
    name: str,
    reading: Reading,
) -> Int[np.ndarray, " corners"]:
    """Numbers from 0 of all corners; -1 where none was given (which a point must be)."""
    found = np.where(given < 0, given + np.repeat(before, counts), given - 1)
    wrong = (found >= total) | ((given < 0) & (found < 0)) | ((given == 0) & (name == "v"))
    if wrong.any():
        corner = int(np.flatnonzero(wrong)[0])
        line = lines.numbers[int(np.searchsorted(np.cumsum(counts), corner, side="right"))]
        raise reading.broken(f"a face in line {line} names {name} {given[corner]} of {total}")
    return found
