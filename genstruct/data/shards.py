"""Images in .tar files, read in place by the position of each member: nothing is extracted, nothing is held in memory.

With a `metadata.jsonl` a tar is a packed folder (see `genstruct.data.tree`), without it a shard in WebDataset layout
(see `genstruct.data.samples`).
"""

import glob
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from genstruct.data.metadata import FILE_NAME, is_safe_path, plain_path
from genstruct.data.read import MAX_PIXELS
from genstruct.data.samples import choose_sample_masks, choose_samples
from genstruct.data.source import MAX_FILE_BYTES, PEEK_BYTES, Entry, Source, reading_error
from genstruct.data.tree import Choose, choose_all, choose_images
from genstruct.errors import DataError, ImageError


@dataclass(frozen=True)
class _Member:
    """A file in a shard: where its bytes are, and for a sparse one where they go (place and length of each piece)."""

    shard: int
    offset: int
    size: int
    changed: int
    pieces: tuple[tuple[int, int], ...] = ()


class TarSource(Source):
    """Image members of one or several uncompressed tar files, shard by shard, in alphabetical order of their paths.

    With several shards, names begin with the shard's own name, so that equal names in two shards stay apart. Archives
    that were put together by `cat` are read to the last, hard links give what they lead to. Members whose path leaves
    the archive, other links and devices are left out, which is a problem; of two with one path the last counts.

    Raises:
        DataError: A shard that is not an uncompressed tar file.
    """

    def __init__(self, paths: list[Path], max_pixels: int = MAX_PIXELS, choose: Choose = choose_images) -> None:
        self._paths = paths
        self._members: dict[str, _Member] = {}
        notes: list[str] = []
        problems: list[str] = []
        prefixes = _prefixes(paths)
        for number, path in enumerate(paths):
            for name, member in _index(path, number, notes, problems).items():
                self._members[prefixes[number] + name] = member
        if choose is not choose_all and not any(PurePosixPath(name).name == FILE_NAME for name in self._members):
            choose = choose_samples if choose is choose_images else choose_sample_masks
        chosen = choose(self._members, self)
        entries = [Entry(name, self._members[name].size, self._members[name].changed) for name in chosen.names]
        description = f"archive {paths[0]}" if len(paths) == 1 else f"{len(paths)} archives {paths[0]} to {paths[-1]}"
        problems += chosen.problems
        super().__init__(description, entries, chosen.records, notes + chosen.notes, max_pixels, problems)

    def read_path(self, path: str) -> bytes:
        member = self._member(path)
        if member.size > MAX_FILE_BYTES:
            raise ImageError(f"{path}: claims {member.size >> 20} MiB, over the limit of 1024; leave it out")
        if not member.pieces:
            return self._bytes(path, member, member.size)
        data, packed = bytearray(member.size), self._bytes(path, member, sum(length for _, length in member.pieces))
        for place, length in member.pieces:
            data[place : place + length], packed = packed[:length], packed[length:]
        return bytes(data)

    def peek(self, path: str) -> bytes:
        member = self._member(path)
        return (
            self.read_path(path)[:PEEK_BYTES]
            if member.pieces
            else self._bytes(path, member, min(member.size, PEEK_BYTES))
        )

    def _member(self, path: str) -> _Member:
        if path not in self._members:
            raise ImageError(f"{path}: not in the archive; add it")
        return self._members[path]

    def _bytes(self, path: str, member: _Member, count: int) -> bytes:
        try:
            # Opened for each read: sets of thousands of shards exceed the usual limit of open files.
            with self._paths[member.shard].open("rb", buffering=0) as file:
                data = os.pread(file.fileno(), count, member.offset)
        except OSError as error:
            raise reading_error(path, error) from error
        if len(data) < count:
            raise ImageError(f"{path}: the archive ends after {len(data)} of its {count} bytes; fetch it again")
        return data


def expand_shards(pattern: str) -> list[Path]:
    """Files of a pattern with `{000..031}` (inclusive), `{a,b}`, `*`, `?` and `[...]`, in alphabetical order.

    Raises:
        DataError: A file that a range names is missing, or nothing matches.
    """
    found: list[Path] = []
    for name in _braced(pattern):
        if Path(name).is_file():
            found.append(Path(name))
        elif matches := [Path(match) for match in sorted(glob.glob(name)) if Path(match).is_file()]:  # noqa: PTH207
            found += matches
        else:
            raise DataError(f"{name}: no such file (from {pattern!r}); correct the pattern or fetch the shard")
    return list(dict.fromkeys(found))


def _index(path: Path, shard: int, notes: list[str], problems: list[str]) -> dict[str, _Member]:
    """Positions of the files of a tar."""
    members: dict[str, _Member] = {}
    try:
        with path.open("rb") as file:
            for item in _members(file):
                name = plain_path(item.name)
                found = members.get(plain_path(item.linkname)) if item.islnk() else None
                if problem := _problem(item, found):
                    problems.append(f"{path.name}: {item.name!r}: {problem}; it is left out")
                    continue
                if name in members:
                    notes.append(f"{path.name}: {name!r}: twice in the archive; the last one counts")
                sparse: Any = item.sparse  # a list of places and lengths, which typeshed takes for a number
                pieces = tuple((place, length) for place, length in sparse or () if length)
                members[name] = found or _Member(shard, item.offset_data, item.size, int(item.mtime), pieces)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        if not members:
            raise DataError(f"{path}: {_not_a_tar(path, error)}") from error
        problems.append(f"{path.name}: ends early ({error}); the {len(members)} members before are read")
    return members


def _members(file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """What is in a tar, but for folders; and in those that follow its end, where some were put together by `cat`."""
    while True:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            yield from (item for item in archive if not item.isdir())
            file.seek(archive.offset)
        # tarfile takes half a header, or none, for the end of a file; the format wants a block of zeros there.
        if (block := file.read(tarfile.BLOCKSIZE)) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("no end mark after its last whole member")
        while block == bytes(tarfile.BLOCKSIZE):
            block = file.read(tarfile.BLOCKSIZE)
        if not block.strip(b"\0"):
            return
        file.seek(-len(block), os.SEEK_CUR)


def _problem(member: tarfile.TarInfo, linked: _Member | None) -> str | None:
    if not is_safe_path(member.name):
        return "a path that leaves the archive"
    return None if member.isreg() or linked else "not a plain file (a link, a device)"


def _not_a_tar(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        return "a compressed tar cannot be read at random places; uncompress it (gunzip, unxz, ...) and give the .tar"
    if start.startswith(b"PK"):
        return "a zip file by its first bytes; call it .zip"
    return f"not a tar file that can be read ({error}); fetch or pack it again"


def _prefixes(paths: list[Path]) -> list[str]:
    """What names of each shard begin with: nothing for one shard, else its file name, with folders if those clash."""
    if len(paths) == 1:
        return [""]
    short = [path.stem for path in paths]
    if len(set(short)) == len(short):
        return [f"{name}/" for name in short]
    return [f"{str(path.with_suffix('')).lstrip('/').replace('../', '')}/" for path in paths]


def _braced(pattern: str) -> list[str]:
    """All strings of a pattern with `{000..031}` or `{a,b}`; the width of numbers is kept."""
    match = re.search(r"\{([^{}]*)\}", pattern)
    if match is None:
        return [pattern]
    inside = match.group(1)
    if span := re.fullmatch(r"(\d+)\.\.(\d+)", inside):
        first, last = span.groups()
        choices = [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    else:
        choices = inside.split(",")
    return [name for choice in choices for name in _braced(pattern[: match.start()] + choice + pattern[match.end() :])]
