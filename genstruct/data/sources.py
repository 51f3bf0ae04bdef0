"""Opening sets of images: folders, archives and data sets by name.

```python
with open_source("photos/") as source:  # or photos.zip, "shards/{000..031}.tar", an LSUN folder, "torchvision:CIFAR10"
    pixels = source.image(0)
```
"""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from genstruct.data.lsun import LsunSource
from genstruct.data.named import TorchvisionSource
from genstruct.data.read import MAX_PIXELS
from genstruct.data.shards import TarSource, expand_shards
from genstruct.data.source import MAX_FILE_BYTES, Entry, Source, reading_error
from genstruct.data.tree import choose_images, is_hidden, is_image
from genstruct.data.zipped import ZipSource
from genstruct.errors import DataError, ImageError

_PATTERN = re.compile(r"[{*?\[]")


class FolderSource(Source):
    """Image files of a folder and of all folders below it, in alphabetical order of their paths."""

    def __init__(self, root: Path, max_pixels: int = MAX_PIXELS) -> None:
        self._root = root
        problems: list[str] = []
        files = dict(_walk(root, problems))
        chosen = choose_images(files, self.read_path)
        entries = [Entry(name, files[name].st_size, files[name].st_mtime_ns) for name in chosen.names]
        notes = chosen.notes if entries else _hints(files) + chosen.notes
        super().__init__(f"folder {root}", entries, chosen.records, notes, max_pixels, problems + chosen.problems)

    def read_path(self, path: str) -> bytes:
        return _read_file(self._root / path, path)


class FileSource(Source):
    """A single image file."""

    def __init__(self, path: Path, max_pixels: int = MAX_PIXELS) -> None:
        self._folder = path.parent
        status = path.stat()
        super().__init__(f"file {path}", [Entry(path.name, status.st_size, status.st_mtime_ns)], max_pixels=max_pixels)

    def read_path(self, path: str) -> bytes:
        return _read_file(self._folder / path, path)


def open_source(root: str | Path, download: bool = False, max_pixels: int = MAX_PIXELS) -> Source:
    """Open a set of images.

    Args:
        root: A folder (recursive), one image file, a .zip, a .tar or several (`"shards-{000..031}.tar"`, `"*.tar"`), an
            LSUN LMDB folder, or `torchvision:NAME,key=value,...` (see `genstruct.data.named`).
        download: Let torchvision download a data set that is not there yet.
        max_pixels: Larger pictures are refused.

    Raises:
        DataError: Nothing there, no images in it, or of a kind that cannot be read.
    """
    if str(root).startswith("torchvision:"):
        return TorchvisionSource(str(root).removeprefix("torchvision:"), download, max_pixels)
    path = Path(root)
    if path.is_dir():
        return LsunSource(path, max_pixels) if (path / "data.mdb").exists() else FolderSource(path, max_pixels)
    if path.is_file():
        return _open_file(path, max_pixels)
    if path.suffix == ".tar" and _PATTERN.search(str(root)):
        return TarSource(expand_shards(str(root)), max_pixels)
    raise DataError(f"{root}: no such file or folder; give a folder, a .zip, .tar shards, or torchvision:NAME")


def _open_file(path: Path, max_pixels: int) -> Source:
    name = path.name.lower()
    if name.endswith(".zip"):
        return ZipSource(path, max_pixels)
    if name.endswith((".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")):
        return TarSource([path], max_pixels)
    if is_image(name):
        return FileSource(path, max_pixels)
    raise DataError(f"{path}: neither an image nor an archive by its name; give a folder, a .zip or a .tar")


def _read_file(file: Path, name: str) -> bytes:
    try:
        if (size := file.stat().st_size) > MAX_FILE_BYTES:
            raise ImageError(f"{name}: has {size >> 20} MiB, over the limit of 1024; leave it out")
        return file.read_bytes()
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
        folders = [item for item in visible if item.is_dir()]
        waiting += [f"{below}{item.name}/" for item in reversed(folders)]
        yield from _plain_files(below, [item for item in visible if item not in folders], problems)


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


def _hints(files: dict[str, os.stat_result]) -> list[str]:
    """What to give instead, for a folder that holds archives and no images."""
    archives = [name for name in files if name.endswith((".tar", ".zip"))]
    if not archives:
        return []
    return [f"it holds {len(archives)} archives such as {archives[0]}: give those instead of the folder"]
