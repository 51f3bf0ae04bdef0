"""Telling the images of a folder or archive from everything else in it.

Under a folder with a `metadata.jsonl`, the images are those it lists: the masks and depths beside them would otherwise
be taken for images, and ground truth would leak into training. Elsewhere they are all files with an image's extension.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from genstruct.data.metadata import FILE_NAME, Record, parse_metadata
from genstruct.errors import ImageError

_JPEG = {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"}
_OTHERS = {".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".jp2", ".avif", ".tga"}
EXTENSIONS = _JPEG | _OTHERS | {".ppm", ".pgm", ".pbm", ".pnm"}


@dataclass(frozen=True)
class Chosen:
    """The images of a tree in alphabetical order, what is known about them, and notes and problems as of a `Source`."""

    names: list[str]
    records: dict[str, Record]
    notes: list[str]
    problems: list[str]


def choose_images(paths: Iterable[str], read: Callable[[str], bytes]) -> Chosen:
    """Find the images among files.

    Args:
        paths: Relative to the root, "/" between parts.
        read: Gives the bytes of a path; raises `ImageError`.
    """
    visible = sorted(path for path in paths if not is_hidden(path))
    records, governed, problems = _read_metadata([p for p in visible if PurePosixPath(p).name == FILE_NAME], read)
    names, unlisted, other = [], [], Counter()
    for path in visible:
        if path in records:
            names.append(path)
        elif not is_image(path):
            other[PurePosixPath(path).suffix.lower() or "no extension"] += PurePosixPath(path).name != FILE_NAME
        elif not any(folder in governed for folder in folders_of(path)):
            names.append(path)
        else:
            unlisted.append(path)
    records, complaints = _present(records, set(visible))
    return Chosen(names, records, list(_left_out(unlisted, records, other)), problems + complaints)


def is_image(path: str) -> bool:
    """Whether the name ends like an image's."""
    return PurePosixPath(path).suffix.lower() in EXTENSIONS


def is_hidden(path: str) -> bool:
    """Whether any part of the path is hidden, as are the shadow files that macOS puts into archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))


def folders_of(path: str) -> list[str]:
    """All folders above a path, the nearest first; "." is the root."""
    return [str(folder) for folder in PurePosixPath(path).parents]


def _read_metadata(files: list[str], read: Callable[[str], bytes]) -> tuple[dict[str, Record], set[str], list[str]]:
    """Records by image path, the folders they govern, and problems. A nearer file overrules a farther one."""
    records: dict[str, Record] = {}
    governed: set[str] = set()
    problems: list[str] = []
    for file in sorted(files, key=lambda path: path.count("/")):
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


def _present(records: dict[str, Record], files: set[str]) -> tuple[dict[str, Record], list[str]]:
    """The records whose image is there; the others are problems, as are masks and depths that are missing."""
    kept, problems = {}, []
    for name, record in records.items():
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


def _left_out(unlisted: list[str], records: dict[str, Record], other: Counter[str]) -> Iterator[str]:
    companions = {path for record in records.values() for path in (record.mask_file_name, record.depth_file_name)}
    if extra := [path for path in unlisted if path not in companions]:
        yield f"{len(extra)} image files that the metadata does not list are left out, the first {extra[0]}"
    if kinds := ", ".join(f"{count} {suffix}" for suffix, count in sorted(other.items()) if count):
        yield f"files that are not images by their name are left out: {kinds}"
