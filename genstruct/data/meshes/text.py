"""Text files of numbers, line by line or token by token, without a loop over their lines (numpy)."""

import codecs
import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

_NO_BLANKS = bytes.maketrans(b"\r\x00\x0b\x0c\x1a", b"\n    ")
_NOT_A_NUMBER = re.compile(rb"[+-]?(?:1\.#?(?:q?nan|ind|inf|snan)|nan|ind)[\d()a-z]*", re.IGNORECASE)
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class BadTokenError(ValueError):
    """A token that should be a number and is none; `place` counts from the first that was asked for."""

    def __init__(self, place: int, token: bytes) -> None:
        self.place, self.token = place, token
        super().__init__(f"{decoded(token[:40])!r} is no number")


def plain_text(data: bytes) -> bytes:
    """The same in one byte a letter or UTF-8, with "\\n" at the end of every line, and blanks for stray controls."""
    encoding = encoding_of(data)
    if encoding == "utf-8":
        data = data[3:]
    elif encoding is not None:
        data = data.decode(encoding, "replace").encode()
    data = data.replace(b"\r\n", b"\n").translate(_NO_BLANKS)
    return data if data.endswith(b"\n") else data + b"\n"


def encoding_of(data: bytes) -> str | None:
    """What the mark at the start says, or zeros that come with every other letter of wide ones; None for neither.

    Read by single bytes, the numbers of a wide text would fall apart into their digits.
    """
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return encoding
    start = data[:128]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) <= len(start) / 4 or min(even, odd):
        return None
    return "utf-16-le" if odd else "utf-16-be"


def decoded(text: bytes) -> str:
    """Letters of UTF-8, else of Western Europe."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


@dataclass(frozen=True)
class Lines:
    """The lines of a text that are not blank.

    Args:
        letters: Of the whole text.
        starts, ends: Of each line, without blanks before it and without the line's end.
        numbers: As an editor counts, from 1.
    """

    letters: np.ndarray
    starts: Int[np.ndarray, " lines"]
    ends: Int[np.ndarray, " lines"]
    numbers: Int[np.ndarray, " lines"]

    @classmethod
    def of(cls, text: bytes) -> "Lines":
        """The lines of a `plain_text`, or of its end."""
        text = text or b"\n"
        letters = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(letters == 10)
        starts = np.concatenate([[0], ends[:-1] + 1])
        while len(indented := np.flatnonzero((letters[starts] <= 32) & (starts < ends))):
            starts[indented] += 1
        full = np.flatnonzero(starts < ends)
        return cls(letters, starts[full], ends[full], full + 1)

    def __len__(self) -> int:
        return len(self.starts)

    def chosen(self, which: np.ndarray) -> "Lines":
        """Some of the lines."""
        return Lines(self.letters, self.starts[which], self.ends[which], self.numbers[which])

    def letter(self, place: int) -> Int[np.ndarray, " lines"]:
        """The letter of each line at a place counted from its start, as a number; a blank behind its end."""
        at = self.starts + place
        return np.where(at < self.ends, self.letters[np.minimum(at, len(self.letters) - 1)], 32).astype(np.int64)

    def without_comments(self, mark: bytes = b"#") -> "Lines":
        """Ended at the first `mark`; lines that held nothing else are empty now."""
        marks = np.flatnonzero(self.letters == mark[0])
        marks = marks[(marks == 0) | (self.letters[marks - 1] != ord("."))]  # 1.#INF is a number of a kind
        if not len(marks) or not len(self):
            return self
        at = np.searchsorted(marks, self.starts)
        first = marks[np.minimum(at, len(marks) - 1)]
        cut = (at < len(marks)) & (first < self.ends)
        return Lines(self.letters, self.starts, np.where(cut, first, self.ends), self.numbers)

    def behind(self, skipped: int) -> "Lines":
        """Without so many letters at the start of each."""
        return Lines(self.letters, np.minimum(self.starts + skipped, self.ends), self.ends, self.numbers)

    def text(self, line: int) -> bytes:
        """One line."""
        return self.letters[self.starts[line] : self.ends[line]].tobytes().strip()

    def joined(self) -> bytes:
        """All lines, each ended by a line break."""
        if not len(self):
            return b""
        if (self.letters[self.ends] == 10).all():
            first = np.flatnonzero(np.diff(self.numbers, prepend=-1) != 1)
            if len(first) * 16 < len(self):
                last = [*first[1:].tolist(), len(self)]
                return b"".join(self._run(*ends) for ends in zip(first.tolist(), last, strict=True))
        change = np.zeros(len(self.letters) + 1, np.int8)
        change[self.starts] += 1
        change[self.ends + 1] -= 1
        letters = self.letters.copy()
        letters[self.ends] = 10
        return letters[np.cumsum(change[:-1], dtype=np.int8).astype(bool)].tobytes()

    def _run(self, first: int, last: int) -> bytes:
        """Lines that follow each other, with blanks for what stands before the start of each."""
        starts, ends = self.starts[first:last], self.ends[first:last]
        letters = self.letters[starts[0] : ends[-1] + 1].copy()
        begins = ends[:-1] + 1 - starts[0]
        before = starts[1:] - starts[0] - begins
        for place in range(int(before.max(initial=0))):
            letters[begins[before > place] + place] = 32
        return letters.tobytes()


@dataclass(frozen=True)
class Tokens:
    """What blanks part in some lines.

    Args:
        text: The lines.
        counts: Tokens of each line.
    """

    text: bytes
    counts: Int[np.ndarray, " lines"]

    @classmethod
    def of(cls, lines: Lines) -> "Tokens":
        text = lines.joined()
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == 10)
        return cls(text, np.diff(np.searchsorted(token_starts(text), ends), prepend=0))

    def numbers(self) -> Float[np.ndarray, " tokens"]:
        """All tokens as numbers.

        Raises:
            BadTokenError: One is none.
        """
        return numbers(self.text.split())


def token_starts(text: bytes) -> Int[np.ndarray, " tokens"]:
    """Where each token begins."""
    blank = np.frombuffer(text, np.uint8) <= 32
    begins = ~blank
    begins[1:] &= blank[:-1]
    return np.flatnonzero(begins)


def numbers(tokens: list[bytes]) -> Float[np.ndarray, " tokens"]:
    """Tokens as numbers; what compilers print for none (`-1.#IND`, `nan(ind)`) is none.

    Raises:
        BadTokenError: One is no number.
    """
    try:
        return np.array(list(map(float, tokens)), np.float64)
    except ValueError:
        return np.array([_number(place, token) for place, token in enumerate(tokens)], np.float64)


def _number(place: int, token: bytes) -> float:
    try:
        return float(token)
    except ValueError:
        if _NOT_A_NUMBER.fullmatch(token):
            return float("nan")
        raise BadTokenError(place, token) from None


def table(values: np.ndarray, counts: Int[np.ndarray, " lines"], columns: int) -> Float[np.ndarray, "lines columns"]:
    """Values of lines of several lengths as rows; NaN where a line has fewer, none where it has more."""
    if len(counts) and (counts == counts[0]).all():
        rows = values.reshape(len(counts), int(counts[0]))[:, :columns]
        return np.pad(rows, ((0, 0), (0, columns - rows.shape[1])), constant_values=np.nan)
    found = np.full((len(counts), columns), np.nan)
    first = np.cumsum(counts) - counts
    for column in range(columns):
        there: Bool[np.ndarray, " lines"] = counts > column
        found[there, column] = values[first[there] + column]
    return found
