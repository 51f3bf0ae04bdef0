"""Telling the images of a folder or archive from everything else in it.

Under a folder with a `metadata.jsonl`, the images are those it lists: the masks and depths beside them would otherwise
be taken for images, and ground truth would leak into training. Elsewhere they are all files that are images by their
name, or by their first bytes where the name says nothing, but for masks and labels (`genstruct.data.apart`).

Three ways to choose, for three uses: `choose_images` for photos, `choose_masks` for masks (those that metadata name),
`choose_all` for a folder of nothing but masks.
"""

import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Protocol, runtime_checkable
from urllib.parse import unquote

from genstruct.data.apart import set_labels_apart
from genstruct.data.kinds import has_image_bytes, is_image, left_out, says_nothing
from genstruct.data.metadata import FILE_NAME, Record, is_safe_path, parse_metadata, plain_path
from genstruct.errors import ImageError

OUTPUT = "masks.jsonl"
"""Marks a folder that `genstruct masks` wrote: its masks go from 0 to 255, and pictures to look at lie beside them."""
_TO_LOOK_AT = ("overlay", "cutout")


@runtime_checkable
class Files(Protocol):
    """What can be asked of files while images are chosen."""

    def read_path(self, path: str) -> bytes:
        """All bytes of a file; raises `ImageError`."""
        ...

    def peek(self, path: str) -> bytes:
        """Its first bytes, some thousand at most; raises `ImageError`."""
        ...


@dataclass(frozen=True)
class Chosen:
    """The images of a tree in alphabetical order, what is known about them, and notes and problems as of a `Source`.

    From `choose_masks` the names are those of masks, in the order of the metadata; records still go by the photo.
    """

    names: list[str]
    records: dict[str, Record]
    notes: list[str]
    problems: list[str]


# Called with the paths, the files, and where they are called otherwise the name of metadata files.
Choose = Callable[..., Chosen]


def choose_images(paths: Collection[str], files: Files, metadata: str = FILE_NAME) -> Chosen:
    """Find the photos among files.

    Args:
        paths: Relative to the root, "/" between parts.
        files: Gives their bytes.
        metadata: What metadata files are called.
    """
    visible = sorted(path for path in paths if not is_hidden(path))
    records, governed, problems = _read_metadata(visible, files.read_path, metadata)
    records, complaints = _present(records, set(visible))
    free, unlisted, other = [], [], []
    for path in visible:
        if path in records:
            continue
        if not is_image(path) and not (says_nothing(path) and _begins_like_an_image(path, files)):
            other.append(path)
        elif not any(folder in governed for folder in folders_of(path)):
            free.append(path)
        else:
            unlisted.append(path)
    photos, notes = set_labels_apart(free, files.read_path)
    names = sorted([*records, *photos])
    notes += [*_unlisted(unlisted, records), *left_out(other, names, files.peek), *hidden_images(paths)]
    return Chosen(names, records, notes, problems + complaints)


def choose_masks(paths: Collection[str], files: Files, metadata: str = FILE_NAME) -> Chosen:
    """Find the masks that metadata name, or else take all images for masks; photos themselves need not be there."""
    visible = sorted(path for path in paths if not is_hidden(path))
    listed, _, problems = _read_metadata(visible, files.read_path, metadata)
    if not listed and not problems:
        return choose_all(visible, files)
    records, there = {}, set(visible)
    for name, record in _found(listed, there).items():
        if record.mask_file_name is None:
            problems.append(f"{name}: the metadata name no mask_file_name; add it")
        elif record.mask_file_name not in there:
            problems.append(f"{name}: its mask_file_name {record.mask_file_name} is not there")
        else:
            records[name] = record
    return Chosen(list(dict.fromkeys(str(r.mask_file_name) for r in records.values())), records, [], problems)


def choose_all(paths: Collection[str], files: Files) -> Chosen:
    """All image files, whatever they are called, but for the pictures to look at that `genstruct masks` writes."""
    visible = sorted(path for path in paths if not is_hidden(path))
    written = {str(PurePosixPath(path).parent) for path in visible if PurePosixPath(path).name == OUTPUT}
    extra = {_below(folder, name) for folder in written for name in _TO_LOOK_AT}
    names = [p for p in visible if is_image(p) and not (extra and extra.intersection(folders_of(p)))]
    return Chosen(names, {}, list(hidden_images(paths)), [])


def is_hidden(path: str) -> bool:
    """Whether any part of the path is hidden, as are the shadow files that macOS puts into archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))


def folders_of(path: str) -> list[str]:
    """All folders above a path, the nearest first; "." is the root."""
    return [str(folder) for folder in PurePosixPath(path).parents]


def _begins_like_an_image(path: str, files: Files) -> bool:
    try:
        return has_image_bytes(files.peek(path))
    except ImageError:
        return False


def _read_metadata(
    paths: list[str], read: Callable[[str], bytes], name: str
) -> tuple[dict[str, Record], set[str], list[str]]:
    """Records by image path, the folders they govern, and problems. A nearer file overrules a farther one."""
    records: dict[str, Record] = {}
    governed: set[str] = set()
    problems: list[str] = []
    found = [path for path in paths if path == name or path.endswith(f"/{name}")]
    for file in sorted(found, key=lambda path: path.count("/")):
        folder = str(PurePosixPath(file).parent)
        governed.add(folder)  # also if it cannot be read: masks among the files must not pass for images
        try:
            metadata = parse_metadata(read(file), file)
        except ImageError as error:
            problems.append(f"{error}; what lies in its folder is left out, until it is mended or removed")
            continue
        problems += metadata.problems
        records |= {_below(folder, record.file_name): _moved(folder, record) for record in metadata.records}
    return records, governed, problems


def _below(folder: str, path: str) -> str:
    return str(PurePosixPath(folder) / path)


def _moved(folder: str, record: Record) -> Record:
    """The record with its paths relative to the root instead of to the metadata file."""
    mask, depth = record.mask_file_name, record.depth_file_name
    return replace(
        record,
        file_name=_below(folder, record.file_name),
        mask_file_name=mask and _below(folder, mask),
        depth_file_name=depth and _below(folder, depth),
    )


def _found(records: dict[str, Record], files: set[str]) -> dict[str, Record]:
    """Records with the paths of the files that they mean, where these are called as other systems would write them.

    With backslashes, %20 and the like, in upper or lower case, with accents apart; the plainest first. A name that may
    mean several files means none.
    """
    alike: dict[str, list[str]] = {}

    def found(path: str | None) -> str | None:
        if path is None or path in files:
            return path
        if not alike:
            for file in files:
                alike.setdefault(_folded(file), []).append(file)
        writings = [plain_path(one.replace("\\", "/")) for one in (path, unquote(path)) if is_safe_path(one)]
        meant = next((one for one in writings if one in files), None)
        return meant or next((alike[key][0] for key in map(_folded, writings) if len(alike.get(key, ())) == 1), path)

    moved: dict[str, Record] = {}
    for record in records.values():
        mask, depth = found(record.mask_file_name), found(record.depth_file_name)
        name = found(record.file_name) or record.file_name
        if name != record.file_name and name in records:
            name = record.file_name  # the other has a line of its own
        moved[name] = replace(record, file_name=name, mask_file_name=mask, depth_file_name=depth)
    return moved


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _present(records: dict[str, Record], files: set[str]) -> tuple[dict[str, Record], list[str]]:
    """The records whose image is there; the others are problems, as are masks and depths that are missing."""
    kept, problems = {}, []
    for name, record in _found(records, files).items():
        if name not in files:
            problems.append(f"{name}: listed in the metadata, but there is no such file")
            continue
        for key in ("mask_file_name", "depth_file_name"):
            path = getattr(record, key)
            if path is not None and path not in files:
                problems.append(f"{name}: its {key} {path} is not there")
                record = replace(record, **{key: None})
        kept[name] = record
    return kept, problems


def _unlisted(unlisted: list[str], records: dict[str, Record]) -> Iterator[str]:
    companions = {path for record in records.values() for path in (record.mask_file_name, record.depth_file_name)}
    if extra := [path for path in unlisted if path not in companions]:
        yield f"{len(extra)} image files that the metadata does not list are left out, the first {extra[0]}"


def hidden_images(paths: Iterable[str]) -> Iterator[str]:
    """A note of images in hidden folders or with hidden names, but for the shadow files of macOS."""
    hidden = [path for path in paths if is_hidden(path) and is_image(path)]
    if meant := sorted(path for path in hidden if "__MACOSX" not in path and "/._" not in f"/{path}"):
        yield f"{len(meant)} hidden image files are left out, the first {meant[0]}; rename them if they are meant"
