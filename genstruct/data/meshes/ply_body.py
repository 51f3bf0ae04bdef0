"""The body of a PLY file: rows of numbers and lists, as columns.

Text is read as a binary body of doubles. Where all rows of an element have lists of the same lengths, as in most files,
they are taken at once; otherwise the rows' starts are found one after the other, and the rest at once.
"""

import struct
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from genstruct.data.meshes.ply_header import Element, Header, Property
from genstruct.data.meshes.reading import Reading
from genstruct.data.meshes.text import BadTokenError, Lines, Tokens, numbers, plain_text

_DOUBLE = np.dtype("<f8")


@dataclass(frozen=True)
class Column:
    """The values of a property in all rows, one after the other, and for lists how many each row has."""

    values: np.ndarray
    counts: Int[np.ndarray, " rows"] | None = None

    @property
    def lengths(self) -> Int[np.ndarray, " rows"]:
        """Values of each row, one where this is no list."""
        return np.ones(len(self.values), np.int64) if self.counts is None else self.counts


@dataclass(frozen=True)
class Rows:
    """An element: its number of rows and columns by name."""

    count: int
    columns: dict[str, Column]


def read_rows(data: bytes, header: Header, reading: Reading) -> dict[str, Rows]:
    """All elements by name; of two with one name the first.

    Raises:
        DataError: The body ends too early, or holds what is no number.
    """
    body = _Body(_doubles(data[header.size :], reading), 0) if header.is_text else _Body(data, header.size)
    found: dict[str, Rows] = {}
    for element in header.elements:
        try:
            rows = body.read(_in_doubles(element) if header.is_text else element)
        except (IndexError, struct.error, _TooShortError):
            _check_lines(data, header, reading)
            raise reading.broken(f"it ends within its {element.count} x {element.name!r}") from None
        except _NegativeCountError:
            raise reading.broken(f"a list in its {element.name!r} has a length below 0") from None
        found.setdefault(element.name, _typed(rows, element) if header.is_text else rows)
    if header.is_text and (left := body.left // _DOUBLE.itemsize):
        _check_lines(data, header, reading)
        reading.note(f"{left} numbers behind its last element are not read")
    return found


def _doubles(text: bytes, reading: Reading) -> bytes:
    try:
        return numbers(plain_text(text).split()).astype(_DOUBLE).tobytes()
    except BadTokenError as bad:
        raise reading.broken(str(bad)) from None


def _check_lines(data: bytes, header: Header, reading: Reading) -> None:
    """Why a text holds another number of numbers than its header says: rows of vertices with more or fewer.

    Raises:
        DataError: There are such rows.
    """
    if not header.is_text:
        return
    counts, first = Tokens.of(Lines.of(plain_text(data[header.size :]))).counts, 0
    for element in header.elements:
        rows, columns = counts[first : first + element.count], len(element.properties)
        if len(rows) < element.count:
            return
        if columns and not any(one.length for one in element.properties) and (rows != columns).any():
            found = int(rows[rows != columns][0])
            raise reading.broken(f"a line of its {element.name!r} has {found} numbers, its header tells of {columns}")
        first += element.count


def _in_doubles(element: Element) -> Element:
    properties = [Property(one.name, _DOUBLE, one.length and _DOUBLE) for one in element.properties]
    return Element(element.name, element.count, properties)


def _typed(rows: Rows, element: Element) -> Rows:
    """Columns of the types that the header says, where their values are of these."""
    columns = {}
    for one in element.properties:
        column = rows.columns[one.name]
        columns[one.name] = Column(_as_kind(column.values, one.kind), column.counts)
    return Rows(rows.count, columns)


def _as_kind(values: np.ndarray, kind: np.dtype) -> np.ndarray:
    if kind.kind == "f" or not np.isfinite(values).all() or (values != np.rint(values)).any():
        return values
    limits = np.iinfo(kind)
    inside = len(values) == 0 or (values.min() >= limits.min and values.max() <= limits.max)
    return values.astype(kind) if inside else values


class _TooShortError(Exception):
    pass


class _NegativeCountError(Exception):
    pass


class _Body:
    """Bytes, and how far they are read."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data, self._at = data, start

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def read(self, element: Element) -> Rows:
        """The next element."""
        least = sum((one.length or one.kind).itemsize for one in element.properties)
        if element.count * least > self.left:  # before anything is made of that size
            raise _TooShortError
        if not element.count or not element.properties:
            empty = np.zeros(0, np.int64)
            return Rows(
                element.count, {one.name: Column(empty, empty if one.length else None) for one in element.properties}
            )
        rows = self._alike(element)
        return self._of_lengths(element) if rows is None else rows

    def _alike(self, element: Element) -> Rows | None:
        """The element, if the lists of all rows are as long as those of the first."""
        at, places = self._at, []
        for one in element.properties:
            length = 1
            if one.length is not None:
                length = self._length(at, one.length)
                at += one.length.itemsize
            places.append((at, length))
            at += length * one.kind.itemsize
        size = at - self._at
        if element.count * size > self.left:
            return None
        columns = {}
        for one, (place, length) in zip(element.properties, places, strict=True):
            counts = None
            if one.length is not None:
                counts = self._strided(one.length, place - one.length.itemsize, element.count, size, 1)[:, 0]
                if (counts != length).any():
                    return None
                counts = counts.astype(np.int64)
            columns[one.name] = Column(self._strided(one.kind, place, element.count, size, length).reshape(-1), counts)
        self._at += element.count * size
        return Rows(element.count, columns)

    def _strided(self, kind: np.dtype, place: int, rows: int, size: int, length: int) -> np.ndarray:
        return np.ndarray((rows, length), kind, self._data, place, (size, kind.itemsize))

    def _length(self, at: int, kind: np.dtype) -> int:
        (length,) = struct.unpack_from(kind.byteorder.replace("|", "<").replace("=", "<") + kind.char, self._data, at)
        if not length >= 0:
            raise _NegativeCountError
        return int(length)

    def _of_lengths(self, element: Element) -> Rows:
        """The element, whatever the lengths of its lists."""
        at, end = self._starts(element)
        letters = np.frombuffer(self._data, np.uint8)
        columns = {}
        for one in element.properties:
            if one.length is None:
                columns[one.name] = Column(_gathered(letters, at, one.kind))
                at = at + one.kind.itemsize
                continue
            counts = _gathered(letters, at, one.length).astype(np.int64)
            at = at + one.length.itemsize
            inside = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            places = np.repeat(at, counts) + inside * one.kind.itemsize
            columns[one.name] = Column(_gathered(letters, places, one.kind), counts)
            at = at + counts * one.kind.itemsize
        self._at = end
        return Rows(element.count, columns)

    def _starts(self, element: Element) -> tuple[Int[np.ndarray, " rows"], int]:
        """Where each row begins, and where the last ends."""
        steps, lead = [], 0  # of each list: bytes before its length, type of the length, bytes of a value
        for one in element.properties:
            if one.length is None:
                lead += one.kind.itemsize
            else:
                steps.append((lead, one.length, one.kind.itemsize))
                lead = 0
        starts, at, data = np.zeros(element.count, np.int64), self._at, self._data
        if len(steps) == 1 and steps[0][1].itemsize == 1:  # nearly all files
            before, _, size = steps[0]
            fixed = before + 1 + lead
            for row in range(element.count):
                starts[row] = at
                at += fixed + data[at + before] * size
        else:
            for row in range(element.count):
                starts[row] = at
                for before, kind, size in steps:
                    at += before + kind.itemsize + self._length(at + before, kind) * size
                at += lead
        if at > len(data):
            raise _TooShortError
        return starts, at


def _gathered(letters: np.ndarray, places: Int[np.ndarray, " _"], kind: np.dtype) -> np.ndarray:
    """Numbers at these bytes."""
    return letters[places[:, None] + np.arange(kind.itemsize)].view(kind)[:, 0]
