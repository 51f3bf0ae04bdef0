"""Several sets of images as one."""

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from genstruct.data.folder import FileSource
from genstruct.data.metadata import Record
from genstruct.data.source import Source
from genstruct.errors import ImageError


class SeveralSources(Source):
    """The images of several places, one after the other.

    Single files keep their names, or as much of their folders as tells them apart; images of a folder or an archive
    have its name before theirs. A place that is given twice counts once.

    Args:
        places: What to open, at least one.
        open_one: Opens a place.

    Raises:
        DataError: A place that cannot be opened; the others are closed.
    """

    def __init__(self, places: list[str], open_one: Callable[[str], Source]) -> None:
        places, notes = _once(places)
        with ExitStack() as stack:
            self._sources = [stack.enter_context(open_one(place)) for place in places]
            self._stack = stack.pop_all()
        self._prefixes = _prefixes(places, self._sources)
        self._by_prefix = dict(zip(self._prefixes, self._sources, strict=True))
        self._places: dict[str, tuple[Source, str]] = {}
        entries = []
        for prefix, source in zip(self._prefixes, self._sources, strict=True):
            for entry in source.entries:
                name = prefix if isinstance(source, FileSource) else f"{prefix}/{entry.name}"
                self._places[name] = source, entry.name
                entries.append(replace(entry, name=name))
        super().__init__(
            f"{len(places)} places, {places[0]} to {places[-1]}",
            entries,
            {name: record for pair in self._pairs() for name, record in _records(*pair)},
            [*notes, *self._lines("notes")],
            self._sources[0].max_pixels,
            self._lines("problems"),
        )

    def read_path(self, path: str) -> bytes:
        source, name = self._found(path)
        return source.read_path(name)

    def peek(self, path: str) -> bytes:
        source, name = self._found(path)
        return source.peek(name)

    def close(self) -> None:
        self._stack.close()

    def _found(self, path: str) -> tuple[Source, str]:
        if path in self._places:
            return self._places[path]
        for folder in PurePosixPath(path).parents:
            if (source := self._by_prefix.get(str(folder))) is not None:
                return source, str(PurePosixPath(path).relative_to(folder))
        raise ImageError(f"{path}: in none of the places given; add it")

    def _pairs(self) -> list[tuple[str, Source]]:
        return list(zip(self._prefixes, self._sources, strict=True))

    def _lines(self, kind: str) -> list[str]:
        return [f"{prefix}: {line}" for prefix, source in self._pairs() for line in getattr(source, kind)]


def _once(places: list[str]) -> tuple[list[str], list[str]]:
    """The places without those that are given twice, in another writing, and a note for each of these."""
    found: dict[str, str] = {}
    notes = []
    for place in places:
        real = os.path.realpath(place) if Path(place).exists() else place
        if real in found:
            notes.append(f"{place}: given twice; it counts once")
        else:
            found[real] = place
    return list(found.values()), notes


def _prefixes(places: list[str], sources: list[Source]) -> list[str]:
    """What tells the images of each place from those of others; unlike also where upper and lower case are one."""
    depth = [1] * len(places)
    parts = [_parts(place, source) for place, source in zip(places, sources, strict=True)]
    while True:
        names = ["/".join(part[-count:]) for part, count in zip(parts, depth, strict=True)]
        folded = [name.casefold() for name in names]
        clashing = [n for n, name in enumerate(folded) if folded.count(name) > 1 and depth[n] < len(parts[n])]
        if not clashing:
            return _numbered(names)
        for number in clashing:
            depth[number] += 1


def _numbered(names: list[str]) -> list[str]:
    """Names made unlike by a number, where folders did not (patterns and data sets by name)."""
    if len(set(names)) == len(names):
        return names
    return [f"{number:02d}/{name}" for number, name in enumerate(names, 1)]


def _parts(place: str, source: Source) -> tuple[str, ...]:
    """A place's folders and its own name; an archive's without its ending."""
    path = Path(place)
    with suppress(OSError, ValueError):
        path = path.resolve()
    parts = [part for part in path.parts if part not in ("/", "..", "")]
    if path.is_file() and not isinstance(source, FileSource):
        parts[-1] = path.name.split(".")[0] or path.name
    return tuple(parts) or ("root",)


def _records(prefix: str, source: Source) -> list[tuple[str, Record]]:
    """Records with paths relative to the whole."""

    def below(path: str | None) -> str | None:
        return path and f"{prefix}/{path}"

    return [
        (
            f"{prefix}/{name}",
            replace(
                record,
                file_name=f"{prefix}/{record.file_name}",
                mask_file_name=below(record.mask_file_name),
                depth_file_name=below(record.depth_file_name),
            ),
        )
        for name, record in source.records.items()
    ]
