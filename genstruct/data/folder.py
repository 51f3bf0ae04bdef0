"""Images of a folder and of all folders below it, and a single image file."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from genstruct.data.kinds import is_image
from genstruct.data.read import MAX_PIXELS
from genstruct.data.source import MAX_FILE_BYTES, PEEK_BYTES, Entry, Source, reading_error
from genstruct.data.tree import Choose, choose_images, is_hidden
from genstruct.errors import ImageError


class FolderSource(Source):
    """Image files of a folder and of all folders below it, in alphabetical order of their paths."""

    def __init__(self, root: Path, max_pixels: int = MAX_PIXELS, choose: Choose = choose_images) -> None:
        self._root = root
        problems: list[str] = []
        files = dict(_walk(root, problems))
        chosen = choose(files, self)
        entries = [Entry(name, files[name].st_size, files[name].st_mtime_ns) for name in chosen.names]
        super().__init__(
            f"folder {root}", entries, chosen.records, chosen.notes, max_pixels, problems + chosen.problems
        )

    def read_path(self, path: str) -> bytes:
        return _read_file(self._root / path, path)

    def peek(self, path: str) -> bytes:
        return _peek_file(self._root / path, path)


class FileSource(Source):
    """A single image file."""

    def __init__(self, path: Path, max_pixels: int = MAX_PIXELS) -> None:
        self._folder = path.parent
        status = path.stat()
        super().__init__(f"file {path}", [Entry(path.name, status.st_size, status.st_mtime_ns)], max_pixels=max_pixels)

    def read_path(self, path: str) -> bytes:
        return _read_file(self._folder / path, path)


def _read_file(file: Path, name: str) -> bytes:
    try:
        if (size := file.stat().st_size) > MAX_FILE_BYTES:
            raise ImageError(f"{name}: has {size >> 20} MiB, over the limit of 1024; leave it out")
        return file.read_bytes()
    except OSError as error:
        raise reading_error(name, error) from error


def _peek_file(path: Path, name: str) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(PEEK_BYTES)
    except OSError as error:
        raise reading_error(name, error) from error


def _walk(root: Path, problems: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Plain files below `root`, links followed; a folder that a link leads back to is entered once."""
    seen: set[tuple[int, int]] = set()
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            here = (root / below).stat()
            found = sorted(os.scandir(root / below), key=lambda item: item.name)
        except OSError as error:
            problems.append(f"{below or root}: cannot be listed ({error.strerror}); its images are left out")
            continue
        if (here.st_dev, here.st_ino) in seen:
            continue
        seen.add((here.st_dev, here.st_ino))
        visible = [item for item in found if not is_hidden(item.name)]
        folders = {item.name for item in visible if _is_folder(item)}
        waiting += [f"{below}{name}/" for name in sorted(folders, reverse=True)]
        yield from _plain_files(below, [item for item in visible if item.name not in folders], problems)


def _is_folder(item: "os.DirEntry[str]") -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link to itself; told as a file that cannot be read
        return False


def _plain_files(
    below: str, found: list["os.DirEntry[str]"], problems: list[str]
) -> Iterator[tuple[str, os.stat_result]]:
    """Without pipes, sockets and devices: reading one may never end."""
    for item in found:
        try:
            status = item.stat()
        except OSError as error:
            problems.append(f"{below}{item.name}: cannot be read ({error.strerror}); it is left out")
            continue
        if stat.S_ISREG(status.st_mode):
            yield f"{below}{item.name}", status
        elif is_image(item.name):
            problems.append(f"{below}{item.name}: not a plain file (a pipe, a socket or a device); it is left out")
