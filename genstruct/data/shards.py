"""Images in .tar files, read in place by the position of each member: nothing is extracted, nothing is held in memory.

Two layouts are read. With a `metadata.jsonl` a tar is a packed folder (see `genstruct.data.tree`). Without, it is a
shard in WebDataset layout: members that share everything up to the first dot of their file name are one sample:

    000017.jpg  000017.mask.png  000017.json

`mask.png` or `seg.png` is the mask, `depth.png` the depth, any other picture is an image, and the fields of the JSON
are those of a metadata line without file names. In a tar of plain photographs every file is a sample of its own.
"""

import glob
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from genstruct.data.metadata import FILE_NAME, Record, is_safe_path, parse_record
from genstruct.data.read import MAX_PIXELS
from genstruct.data.source import MAX_FILE_BYTES, Entry, Source, reading_error
from genstruct.data.tree import Chosen, choose_images, is_hidden, is_image
from genstruct.errors import DataError, ImageError

_COMPANIONS = {"mask": "mask_file_name", "seg": "mask_file_name", "depth": "depth_file_name"}


@dataclass(frozen=True)
class _Member:
    shard: int
    offset: int
    size: int
    changed: int


class TarSource(Source):
    """Image members of one or several uncompressed tar files, shard by shard, in alphabetical order of their paths.

    With several shards, names begin with the shard's own name, so that equal names in two shards stay apart. Members
    whose path leaves the archive, links and devices are left out, which is a problem; of two with one path the last
    counts.

    Raises:
        DataError: A shard that is not an uncompressed tar file.
    """

    def __init__(self, paths: list[Path], max_pixels: int = MAX_PIXELS) -> None:
        self._paths = paths
        self._members: dict[str, _Member] = {}
        notes: list[str] = []
        problems: list[str] = []
        prefixes = _prefixes(paths)
        for number, path in enumerate(paths):
            for name, member in _index(path, number, notes, problems).items():
                self._members[prefixes[number] + name] = member
        has_metadata = any(PurePosixPath(name).name == FILE_NAME for name in self._members)
        chosen = (choose_images if has_metadata else choose_samples)(self._members, self.read_path)
        entries = [Entry(name, self._members[name].size, self._members[name].changed) for name in chosen.names]
        description = f"archive {paths[0]}" if len(paths) == 1 else f"{len(paths)} archives {paths[0]} to {paths[-1]}"
        problems += chosen.problems
        super().__init__(description, entries, chosen.records, notes + chosen.notes, max_pixels, problems)

    def read_path(self, path: str) -> bytes:
        member = self._members.get(path)
        if member is None:
            raise ImageError(f"{path}: not in the archive; add it")
        if member.size > MAX_FILE_BYTES:
            raise ImageError(f"{path}: claims {member.size >> 20} MiB, over the limit of 1024; leave it out")
        try:
            # Opened for each read: sets of thousands of shards exceed the usual limit of open files.
            with self._paths[member.shard].open("rb", buffering=0) as file:
                data = os.pread(file.fileno(), member.size, member.offset)
        except OSError as error:
            raise reading_error(path, error) from error
        if len(data) < member.size:
            raise ImageError(f"{path}: the archive ends after {len(data)} of its {member.size} bytes; fetch it again")
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


def choose_samples(paths: Iterable[str], read: Callable[[str], bytes]) -> Chosen:
    """Find images, masks, depths and metadata among members in WebDataset layout; `read` gives the bytes of a path."""
    samples: dict[str, dict[str, str]] = {}
    for path in sorted(paths):
        if not is_hidden(path):
            ending = path.rpartition("/")[2].partition(".")[2]
            samples.setdefault(path.removesuffix(ending), {})[ending] = path
    chosen = Chosen([], {}, [], [])
    for members in samples.values():
        pictures = {ending: path for ending, path in members.items() if is_image(path)}
        images = [path for ending, path in pictures.items() if _kind(ending) not in _COMPANIONS]
        # A photograph called sunset.mask.jpg, alone, is a photograph.
        companions = {_COMPANIONS[kind]: path for e, path in pictures.items() if (kind := _kind(e)) in _COMPANIONS}
        for image in images or pictures.values():
            chosen.names.append(image)
            if record := _record(image, companions if images else {}, members.get("json"), read, chosen.problems):
                chosen.records[image] = record
    return chosen


def _kind(ending: str) -> str:
    """What a sample's member is: "mask" of "mask.png", "" of "jpg"."""
    return ending.rpartition(".")[0].lower()


def _record(
    image: str, companions: dict[str, str], sidecar: str | None, read: Callable[[str], bytes], problems: list[str]
) -> Record | None:
    """What the other members of a sample say about its image."""
    fields: dict[str, object] = {}
    if sidecar is not None:
        try:
            fields = json.loads(read(sidecar))
            # Paths in a sidecar are relative to wherever the shard was made; the sample has its own members.
            fields = {key: value for key, value in fields.items() if not key.endswith("file_name")}
        except (ImageError, ValueError, AttributeError, RecursionError) as error:
            problems.append(f"{sidecar}: not a JSON object ({error}); it is left out")
            fields = {}
    fields |= companions
    if not fields:
        return None
    record, complaints = parse_record(fields, image)
    problems += [f"{sidecar or image}: {complaint}; the field is left out" for complaint in complaints]
    return record


def _index(path: Path, shard: int, notes: list[str], problems: list[str]) -> dict[str, _Member]:
    """Positions of the regular members of a tar file."""
    members: dict[str, _Member] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if member.isdir():
                    continue
                if problem := _problem(member, name):
                    problems.append(f"{path.name}: {member.name!r}: {problem}; it is left out")
                    continue
                if name in members:
                    notes.append(f"{path.name}: {name!r}: twice in the archive; the last one counts")
                members[name] = _Member(shard, member.offset_data, member.size, int(member.mtime))
            _check_end(path, archive.offset)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        if not members:
            raise DataError(f"{path}: {_not_a_tar(path, error)}") from error
        problems.append(f"{path.name}: ends early ({error}); the {len(members)} members before are read")
    return members


def _check_end(path: Path, offset: int) -> None:
    """tarfile takes half a header, or none, for the end of a file; the format wants a block of zeros there."""
    with path.open("rb") as file:
        file.seek(offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("no end mark after its last whole member")


def _problem(member: tarfile.TarInfo, name: str) -> str | None:
    if not is_safe_path(name):
        return "a path that has control characters or leaves the archive"
    return None if member.isreg() and not member.issparse() else "not a plain file (a link, a device, a sparse file)"


def _not_a_tar(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")):
        return "a compressed tar cannot be read at random places; uncompress it (gunzip, unxz, ...) and give the .tar"
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
