"""Opening sets of images: folders, archives and data sets by name.

```python
with open_source("photos/") as source:  # or photos.zip, "shards/{000..031}.tar", an LSUN folder, "torchvision:CIFAR10"
    pixels = source.image(0)
```
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from genstruct.data.lsun import LsunSource
from genstruct.data.named import TorchvisionSource
from genstruct.data.read import MAX_PIXELS
from genstruct.data.shards import TarSource, expand_shards
from genstruct.data.source import Entry, Source, reading_error
from genstruct.data.tree import choose_images, is_hidden, is_image
from genstruct.data.zipped import ZipSource
from genstruct.errors import DataError

_PATTERN = re.compile(r"[{*?\[]")


class FolderSource(Source):
    """Image files of a folder and of all folders below it, in alphabetical order of their paths."""

    def __init__(self, root: Path, max_pixels: int = MAX_PIXELS) -> None:
        self._root = root
        notes: list[str] = []
        files = dict(_walk(root, "", notes, set()))
        chosen = choose_images(files, self.read_path)
        entries = [Entry(name, files[name].st_size, files[name].st_mtime_ns) for name in chosen.names]
        if not entries:
            notes += _hints(files)
        super().__init__(f"folder {root}", entries, chosen.records, notes + chosen.notes, max_pixels)

    def read_path(self, path: str) -> bytes:
        try:
            return (self._root / path).read_bytes()
        except OSError as error:
            raise reading_error(path, error) from error


class FileSource(Source):
    """A single image file."""

    def __init__(self, path: Path, max_pixels: int = MAX_PIXELS) -> None:
        self._folder = path.parent
        stat = path.stat()
        super().__init__(f"file {path}", [Entry(path.name, stat.st_size, stat.st_mtime_ns)], max_pixels=max_pixels)

    def read_path(self, path: str) -> bytes:
        try:
            return (self._folder / path).read_bytes()
        except OSError as error:
            raise reading_error(path, error) from error


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


def _walk(root: Path, below: str, notes: list[str], seen: set[tuple[int, int]]) -> Iterator[tuple[str, os.stat_result]]:
    """Files below `root`, links followed; a folder that a link leads back to is entered once."""
    try:
        here = (root / below).stat()
        found = sorted(os.scandir(root / below), key=lambda item: item.name)
    except OSError as error:
        notes.append(f"{below or root}: cannot be listed ({error.strerror}); its images are left out")
        return
    if (here.st_dev, here.st_ino) in seen:
        return
    seen.add((here.st_dev, here.st_ino))
    for item in found:
        name = f"{below}{item.name}"
        if is_hidden(item.name):
            continue
        if item.is_dir():
            yield from _walk(root, f"{name}/", notes, seen)
            continue
        try:
            stat = item.stat()
        except OSError as error:
            notes.append(f"{name}: cannot be read ({error.strerror}); it is left out")
            continue
        yield name, stat


def _hints(files: dict[str, os.stat_result]) -> list[str]:
    """What to give instead, for a folder that holds archives and no images."""
    archives = [name for name in files if name.endswith((".tar", ".zip"))]
    if not archives:
        return []
    return [f"it holds {len(archives)} archives such as {archives[0]}: give those instead of the folder"]
