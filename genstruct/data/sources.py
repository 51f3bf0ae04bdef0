"""Opening sets of images: folders, archives and data sets by name, one or several.

```python
with open_source("photos/") as source:  # or photos.zip, "shards/{000..031}.tar", an LSUN folder, "torchvision:CIFAR10"
    pixels = source.image(0)
with open_source(["a.jpg", "b.jpg", "~/more"]) as source: ...
with open_masks("truth.zip") as masks: ...  # the same places, taken for masks
```
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from genstruct.data.folder import FileSource, FolderSource
from genstruct.data.kinds import is_image
from genstruct.data.lsun import LsunSource
from genstruct.data.masks import MaskSet
from genstruct.data.metadata import FILE_NAME, plain_path
from genstruct.data.named import TorchvisionSource
from genstruct.data.read import MAX_PIXELS
from genstruct.data.several import SeveralSources
from genstruct.data.shards import TarSource, expand_shards
from genstruct.data.source import Source
from genstruct.data.tree import OUTPUT, Choose, choose_all, choose_images, choose_masks, folders_of
from genstruct.data.zipped import ZipSource
from genstruct.errors import DataError, ImageError

_PATTERN = re.compile(r"[{*?\[]")
_TORCHVISION = "torchvision:"
Root = str | Path


def open_source(root: Root | Sequence[Root], download: bool = False, max_pixels: int = MAX_PIXELS) -> Source:
    """Open a set of images.

    Args:
        root: A folder (recursive), one image file, a .zip, a .tar or several (`"shards-{000..031}.tar"`, `"*.tar"`), an
            LSUN LMDB folder, or `torchvision:NAME,key=value,...` (see `genstruct.data.named`); or several of these,
            which become one set. `~` is the home folder.
        download: Let torchvision download a data set that is not there yet.
        max_pixels: Larger pictures are refused.

    Raises:
        DataError: Nothing there, no images in it, or of a kind that cannot be read.
    """
    return _open(root, partial(_open_one, choose=choose_images, download=download, max_pixels=max_pixels))


def open_masks(root: Root | Sequence[Root], predicted: bool = False, max_pixels: int = MAX_PIXELS) -> Source:
    """Open a set of masks: those that metadata name, in their order, else all images.

    The entries are the masks; records go by the photos, whose files need not be there.

    Args:
        root: As of `open_source`, or the metadata file itself.
        predicted: Take all images for masks, whatever metadata say; masks may be undecided everywhere. What
            `genstruct masks` wrote is known to go from 0 to 255.
        max_pixels: Larger masks are refused.

    Raises:
        DataError: Nothing there, no masks in it, or of a kind that cannot be read.
    """
    choose = choose_all if predicted else choose_masks
    source = _open(root, partial(_open_one, choose=choose, download=False, max_pixels=max_pixels))
    if predicted:
        source.masks = MaskSet(source.read_path, source.names, max_pixels, predicted, known=_is_ours(source))
    return source


def expanded(root: Root) -> str:
    """A place with `~` for what it stands for, also in options of torchvision and in patterns."""
    text = str(root)
    if text.startswith(_TORCHVISION):
        return ",".join(re.sub(r"^root=~(?=/|$)", lambda _: f"root={Path.home()}", part) for part in text.split(","))
    return str(Path(text).expanduser()) if text.startswith("~") else text


def _is_ours(source: Source) -> bool:
    """Whether the masks of a source were written by `genstruct masks`."""
    for folder in folders_of(source.names[0]):
        with suppress(ImageError):
            source.peek(plain_path(f"{folder}/{OUTPUT}"))
            return True
    return False


def _open(root: Root | Sequence[Root], open_one: Callable[[str], Source]) -> Source:
    roots = [root] if isinstance(root, str | Path) else list(root)
    places = list(dict.fromkeys(expanded(place) for place in roots))
    if not places or "" in places:  # an empty name would be the working folder
        raise DataError("no images given; give a folder, a .zip, .tar shards, files, or torchvision:NAME")
    return open_one(places[0]) if len(places) == 1 else SeveralSources(places, open_one)


def _open_one(root: str, choose: Choose, download: bool, max_pixels: int) -> Source:
    if root.startswith(_TORCHVISION):
        return TorchvisionSource(
            root.removeprefix(_TORCHVISION), download, max_pixels, masks=choose is not choose_images
        )
    path = Path(root)
    if path.is_dir():
        return LsunSource(path, max_pixels) if (path / "data.mdb").exists() else FolderSource(path, max_pixels, choose)
    if path.is_file():
        return _open_file(path, choose, max_pixels)
    if path.suffix == ".tar" and _PATTERN.search(root):
        return TarSource(expand_shards(root), max_pixels, choose)
    raise DataError(f"{root}: no such file or folder; give a folder, a .zip, .tar shards, or torchvision:NAME")


def _open_file(path: Path, choose: Choose, max_pixels: int) -> Source:
    name = path.name.lower()
    if name.endswith(".zip"):
        return ZipSource(path, max_pixels, choose)
    if name.endswith((".tar", ".tgz", ".tbz2", ".txz", ".tzst", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")):
        return TarSource([path], max_pixels, choose)
    if is_image(name):
        return FileSource(path, max_pixels)
    if name.endswith(".jsonl"):
        return FolderSource(path.parent, max_pixels, _of_metadata(choose, path.name))
    raise DataError(f"{path}: neither an image nor an archive by its name; give a folder, a .zip or a .tar")


def _of_metadata(choose: Choose, name: str) -> Choose:
    """`choose` where the metadata are in files of this name."""
    return choose if choose is choose_all or name == FILE_NAME else partial(choose, metadata=name)
