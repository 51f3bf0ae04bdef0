"""The folder of a prediction: how its files are called, what is written about each image, and what need not be redone.

```text
OUT/photo.png  OUT/trip/photo.png   a file per image where there is one, named like it: folders kept, suffix replaced
OUT/NAME.jsonl                      one line an image in the order of the source; its presence marks the folder as ours
OUT/.lock                           held by the process that writes here
```

Two images that differ only by their suffix keep it: `a.jpg` and `a.png` give `a.jpg.png` and `a.png.png`.

A line is an object with `file_name` (relative to the source) and either the results of the capability or `error`.
Beside them stand what made it (such as `model`, the fingerprint of the weights) and what its photo was: `bytes` and
`changed` (size and date, as the source knows them), `crc32` of its bytes. See `genstruct.run` for what is redone.
"""

import json
import os
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from genstruct.data.source import Source
from genstruct.errors import ImageError, OutputError
from genstruct.files import check_vacant, write_text, writing

Line = Mapping[str, Any]
"""Of the ledger: plain JSON values, without what is unknown."""
FILE_NAME, ERROR = "file_name", "error"


def stems(images: Sequence[str]) -> list[str]:
    """The name of each image's files, without suffix: unique, also where upper and lower case are one."""
    whole: set[int] = set()  # images that keep their suffix
    while True:
        names = [n if i in whole else str(PurePosixPath(n).with_suffix("")) for i, n in enumerate(images)]
        groups: dict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(names):
            groups[name.casefold()].append(number)
        clashing = {number for group in groups.values() if len(group) > 1 for number in group} - whole
        if not clashing:
            return names
        whole |= clashing


def check_ours(out: Path, name: str) -> None:
    """Raise OutputError for a folder with other files than those of a prediction of this name. Nothing is touched."""
    if not (out / f"{name}.jsonl").exists():
        check_vacant(out)


class Ledger:
    """The folder that predictions of one kind are written to, and its list.

    Args:
        out: New, empty, or written by an earlier run; held by this process (`genstruct.files.locked`).
        name: Of the list, "masks" for `masks.jsonl`.
        source: The images.
        files: Which files each image gets: a pattern by kind, `{"mask": "{}.png", "overlay": "overlay/{}.png"}`.
        made_by: What decides a result beside the photo (weights, settings), plain values: a part of every line.
        overwrite: Do everything again, and replace results made by others.

    Raises:
        OutputError: Other files are there, or results made by something else that would be replaced.
    """

    def __init__(
        self,
        out: Path,
        name: str,
        source: Source,
        files: Mapping[str, str],
        made_by: Mapping[str, Any],
        overwrite: bool = False,
    ) -> None:
        self.out, self.name, self.source, self.files, self.made_by = out, name, source, dict(files), dict(made_by)
        self.list = out / f"{name}.jsonl"
        self.stems = stems(source.names)
        self.replaced: list[str] = []
        """Photos whose contents have changed since; they are done again."""
        self._file: int | None = None
        self._check_names()
        self.lines = self._read()
        self.todo = list(range(len(source))) if overwrite else self._missing()

    def open(self) -> None:
        """Begin to write: the folder and the list are there from now on."""
        for number in self.todo:
            self.lines.pop(self.source.names[number], None)
        self._rewrite()
        with writing(self.list):
            self._file = os.open(self.list, os.O_WRONLY | os.O_APPEND)

    def add(self, line: Line) -> None:
        """Append a line, which is with the system when this returns. Raises OutputError."""
        assert self._file is not None
        self.lines[line[FILE_NAME]] = line
        rest = _text(line).encode()
        with writing(self.list):
            while rest:
                rest = rest[os.write(self._file, rest) :]

    def close(self, tidy: bool = True) -> None:
        """End; `tidy` brings the lines into the order of the source."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            if tidy:
                self._rewrite()

    def paths(self, number: int) -> dict[str, Path]:
        """Files of an image by kind."""
        return {kind: self.out / self._name(number, kind) for kind in self.files}

    def names(self, number: int) -> dict[str, str]:
        """The same, relative to the folder."""
        return {kind: self._name(number, kind) for kind in self.files}

    def line(self, number: int, crc32: int, results: Mapping[str, Any]) -> Line:
        """The line of an image, whose file has this checksum."""
        entry = self.source.entries[number]
        photo = {"bytes": entry.size, "changed": entry.changed, "crc32": crc32}
        line = {FILE_NAME: entry.name, **results, **self.made_by, **photo}
        return {key: value for key, value in line.items() if value is not None}

    def failed(self, number: int, crc32: int, error: str) -> Line:
        """The line of an image without results; files from before are taken away, which show another photo."""
        for path in self.paths(number).values():
            with suppress(OSError):
                path.unlink(missing_ok=True)
        return self.line(number, crc32, {ERROR: error})

    def _name(self, number: int, kind: str) -> str:
        return self.files[kind].format(self.stems[number])

    def _check_names(self) -> None:
        seen: set[str] = set()
        for number in range(len(self.stems)):
            for kind in self.files:
                name = self._name(number, kind)
                if name in seen or name == self.list.name:
                    folder = PurePosixPath(name).parts[0]
                    raise OutputError(
                        f"{self.source.description} has a folder called {folder}, where results of their own kind are "
                        f"written; do it without {folder}"
                    )
                seen.add(name)

    def _missing(self) -> list[int]:
        """Images without a result of ours; those with another's are an error."""
        todo, foreign = [], []
        for number, name in enumerate(self.source.names):
            line = self.lines.get(name)
            if line is None or ERROR in line:
                todo.append(number)
            elif any(line.get(key, value) != value for key, value in self.made_by.items()):
                foreign.append(name)
            elif not self._same_photo(number, line):
                self.replaced.append(name)
                todo.append(number)
            elif not all(path.exists() for path in self.paths(number).values()) or not self._same_names(number, line):
                todo.append(number)
        if foreign:
            raise OutputError(
                f"{self.out} holds {self.name} by other weights or settings ({len(foreign)} of {len(self.stems)}, such "
                f"as {foreign[0]}); give another folder, or --overwrite"
            )
        return todo

    def _same_names(self, number: int, line: Line) -> bool:
        """Whether the files that a line names are those of today: another photo may have come that takes the name."""
        names = self.names(number)
        stored = {kind: line.get(f"{kind}_file_name") for kind in names}
        return all(name is None or name == names[kind] for kind, name in stored.items())

    def _same_photo(self, number: int, line: Line) -> bool:
        entry = self.source.entries[number]
        if line["bytes"] != entry.size or line["changed"] == entry.changed:
            return line["bytes"] == entry.size
        try:  # a copy of the file has another date
            return zlib.crc32(self.source.read(number)) == line["crc32"]
        except ImageError:
            return False

    def _rewrite(self) -> None:
        order = {name: number for number, name in enumerate(self.source.names)}
        lines = sorted(self.lines.values(), key=lambda line: (order.get(line[FILE_NAME], -1), line[FILE_NAME]))
        write_text(self.list, "".join(map(_text, lines)))

    def _read(self) -> dict[str, Line]:
        """Lines of an earlier run by image. Raises OutputError for a folder that is not ours."""
        try:
            check_ours(self.out, self.name)
            text = self.list.read_text(encoding="utf-8") if self.list.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(f"{self.list} cannot be read ({error}); give another folder") from error
        lines = {}
        # What follows the last line break was cut off while it was written.
        for number, written in enumerate(text.split("\n")[:-1], 1):
            line = _parsed(written)
            if line is None:
                raise OutputError(f"{self.list} line {number} is not one of ours; give another folder")
            lines[line[FILE_NAME]] = line
        return lines


def _text(line: Line) -> str:
    return json.dumps(line) + "\n"


def _parsed(text: str) -> Line | None:
    """The line, or None if it is not one of a ledger."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    if not isinstance(line, dict) or not isinstance(line.get(FILE_NAME), str):
        return None
    return line if all(isinstance(line.get(key), int) for key in ("bytes", "changed", "crc32")) else None
