"""Names that a mesh file gives to the files beside it, as written on any system, and what they stand for here."""

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

_DRIVE = re.compile(r"^(?:file:/*)?(?:[A-Za-z]:)?[/\\]*")
_SOMEWHERE = re.compile(r"^(https?|ftp|data):", re.IGNORECASE)


def find_beside(folder: Path, name: str) -> Path | None:
    """The file that `name` means, or None.

    As it stands, without quotes, with %20 and the like decoded, with backslashes for slashes, in upper or lower case,
    and, where folders of another machine stand before it, by its last parts. Never from the net.
    """
    if _SOMEWHERE.match(name):
        return None
    writings = list(_writings(name))
    for writing in writings:
        if (there := _file(folder / writing)) is not None:
            return there
    for writing in writings:
        parts = [part for part in _DRIVE.sub("", writing).split("/") if part not in ("", ".")]
        for first in range(len(parts)):
            if (there := _any_case(folder, parts[first:])) is not None:
                return there
    return None


def shown(name: str) -> str:
    """A name for a remark: as it is written, and decoded where that is something else."""
    return repr(name) if unquote(name) == name else f"{unquote(name)!r} (written {name})"


def _writings(name: str) -> Iterator[str]:
    """The name in every way in which it may be meant, the plainest first."""
    seen: set[str] = set()
    bare = name.strip().strip("\"'").strip()
    for plain in (name, bare, unquote(bare)):
        for slashed in (plain, plain.replace("\\", "/")):
            for writing in (slashed, *_as_bytes(slashed)):
                if writing and writing not in seen:
                    seen.add(writing)
                    yield writing


def _as_bytes(name: str) -> list[str]:
    """A name that was read as Latin-1 may be on the disk with just these bytes."""
    try:
        return [] if name.isascii() else [os.fsdecode(name.encode("latin-1"))]
    except UnicodeError:
        return []


def _file(path: Path) -> Path | None:
    try:
        return path if path.is_file() else None
    except (OSError, ValueError):  # too long, or with a zero byte
        return None


def _any_case(folder: Path, parts: list[str]) -> Path | None:
    """Below `folder`, whatever the case and the composition of letters."""
    for part in parts[:-1]:
        found = folder / part
        if part != ".." and not _is_folder(found):
            alike = [name for name in _names(folder) if _key(name) == _key(part) and _is_folder(folder / name)]
            if not alike:
                return None
            found = folder / alike[0]
        folder = found
    if (there := _file(folder / parts[-1])) is not None:
        return there
    alike = [name for name in _names(folder) if _key(name) == _key(parts[-1])]
    return next((file for name in alike if (file := _file(folder / name)) is not None), None)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (OSError, ValueError):
        return []


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
