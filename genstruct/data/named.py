"""Image data sets that torchvision knows by name: `torchvision:NAME,key=value,...`

`root` (default: data) is the folder that holds the set or receives it; the other keys go to torchvision's class, for
example `torchvision:STL10,root=downloads,split=unlabeled` or `torchvision:CIFAR10,train=false`.
"""

import inspect
import io
import threading
from collections.abc import Callable
from typing import Any

from PIL import Image

from genstruct.data.metadata import Record
from genstruct.data.read import MAX_PIXELS
from genstruct.data.source import Entry, Source
from genstruct.errors import DataError, ImageError, nearest

_MASK = ".mask.png"


class TorchvisionSource(Source):
    """Images of a torchvision data set, named by their number, handed out as PNG.

    Where an item's target is a picture (segmentation), that is its mask, called `00000.mask.png`.

    Args:
        text: NAME,key=value,...
        download: Fetch the set where it is not there yet.
        max_pixels: Larger pictures are refused.
        masks: The entries are the masks where there are some; records go by the images.

    Raises:
        DataError: An unknown name or key, or a set that is not there.
    """

    def __init__(self, text: str, download: bool = False, max_pixels: int = MAX_PIXELS, masks: bool = False) -> None:
        name, *options = text.split(",")
        self._set = _build(name, dict(_option(option) for option in options), download)
        self._lock = threading.Lock()  # some sets share a file handle or seed torch while they draw
        width = max(5, len(str(len(self._set))))
        images = {f"{number:0{width}d}.png": number for number in range(len(self._set))}
        records = {name: Record(name, name.replace(".png", _MASK)) for name in images} if self._has_masks() else {}
        self._numbers = images | {str(record.mask_file_name): images[name] for name, record in records.items()}
        names = [str(record.mask_file_name) for record in records.values()] if masks and records else images
        super().__init__(f"torchvision:{text}", [Entry(name) for name in names], records, max_pixels=max_pixels)

    def read_path(self, path: str) -> bytes:
        if path not in self._numbers:
            raise ImageError(f"{path}: not in the data set; its images are called by their numbers")
        try:
            with self._lock:
                item = self._set[self._numbers[path]]
        except Exception as error:  # whatever a data set's own reader raises for a broken file
            raise ImageError(f"{path}: torchvision cannot read it ({error}); download the set again") from error
        place = 1 if path.endswith(_MASK) else 0
        image = item[place] if isinstance(item, tuple) else item
        if not isinstance(image, Image.Image):
            raise ImageError(f"{path}: not an image but {type(image).__name__}; choose a data set of images")
        data = io.BytesIO()
        # Read once and decoded again: speed before size. EXIF says which way is up.
        image.save(data, "png", compress_level=1, exif=image.getexif())
        return data.getvalue()

    def _has_masks(self) -> bool:
        try:
            item = self._set[0]
        except Exception:  # told when the image is read
            return False
        return isinstance(item, tuple) and len(item) > 1 and isinstance(item[1], Image.Image)


def _build(name: str, options: dict[str, Any], download: bool) -> Any:
    make = _class(name)
    accepted = inspect.signature(make).parameters
    if "root" in accepted:
        options.setdefault("root", "data")
    if unknown := [key for key in options if key not in accepted or key in ("transform", "target_transform")]:
        near = nearest(unknown[0], list(accepted))
        advice = f"did you mean {near!r}?" if near else f"it takes {', '.join(accepted)}"
        raise DataError(f"torchvision:{name} knows no {unknown[0]!r}; {advice}")
    if "download" in accepted:
        options["download"] = download
    try:
        return make(**options)
    except (RuntimeError, OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"torchvision:{name} cannot be opened ({reason}); check its options or allow its download"
        ) from error


def _class(name: str) -> Callable[..., Any]:
    from torchvision import datasets

    if name not in datasets.__all__ or not issubclass(getattr(datasets, name), datasets.VisionDataset):
        near = nearest(name, datasets.__all__)
        advice = f"did you mean {near!r}?" if near else "names are spelt as CIFAR10, STL10, Flowers102"
        raise DataError(f"torchvision knows no image data set {name!r}; {advice}")
    return getattr(datasets, name)


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise DataError(f"torchvision option {text!r} must be key=value, for example split=train")
    if value.lower() in ("true", "false"):
        return key, value.lower() == "true"
    return key, int(value) if value.lstrip("-").isdigit() else value
