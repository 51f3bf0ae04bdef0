"""Viewpoints of a whole set of new photos; `genstruct.run.predict` goes through it.

`OUT/viewpoints.jsonl` has one line a photo: what `genstruct.viewpoint.records` says of a view, and beside the keys of
every list (`genstruct.run.ledger`)

- `model`: fingerprint of the weights; `way`: how it was predicted; `masks`: what the masks came from.

A photo whose mask is empty, or covers all, has a line that says so and no view.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genstruct.data.source import Source
from genstruct.errors import ImageError
from genstruct.export.images import Pixels
from genstruct.geometry.camera import Camera
from genstruct.run.predict import Photo
from genstruct.viewpoint.graph import photo_cameras
from genstruct.viewpoint.model import ViewGraph, Way, determined
from genstruct.viewpoint.photos import MaskFinder, mask_fault
from genstruct.viewpoint.records import NAME, view_line
from genstruct.viewpoint.viewpoints import Viewpoints

LINE = 1200
"""Bytes of a line, about."""

MaskGiver = Callable[[Sequence[Photo]], Sequence[Pixels | ImageError]]
"""Masks of photos, each of the size of `Photo.pixels`, or why there is none."""


@dataclass(frozen=True)
class Seen:
    """Of one photo: its view, the camera that draws the category over it, and why its mask cannot be used."""

    views: Viewpoints
    camera: Camera
    fault: str


class ViewTask:
    """Viewpoints as a `genstruct.run.predict.Task`.

    Args:
        model: Predicts.
        masks: Of the photos.
        origin: What the masks came from.
        way: How to predict.
    """

    name, files = NAME, {}

    def __init__(self, model: ViewGraph, masks: MaskGiver, origin: str, way: Way = "graph") -> None:
        self.model, self.masks = model, masks
        self.way: Way = way
        self.made_by = {"model": model.fingerprint, "way": way, "masks": origin}

    def predict(self, photos: Sequence[Photo]) -> list[Seen | ImageError]:
        """Views of the photos that have a mask; why the others have none."""
        given = [(photo, mask) for photo, mask in zip(photos, self.masks(photos), strict=True)]
        have = [(photo, mask) for photo, mask in given if not isinstance(mask, ImageError)]
        seen = iter(self._seen([photo for photo, _ in have], [mask for _, mask in have]))
        return [mask if isinstance(mask, ImageError) else next(seen) for _, mask in given]

    def write(self, photo: Photo, result: Seen | ImageError) -> Mapping[str, Any]:
        """What the line of a photo says. Raises ImageError for one without a mask."""
        if isinstance(result, ImageError):
            raise result
        return view_line(result.views, result.camera, undetermined=self.model.undetermined or result.fault)

    def bytes_for(self, size: int) -> int:
        """Photos have some 20 000 bytes at least."""
        return size * LINE // 20_000

    def _seen(self, photos: Sequence[Photo], masks: Sequence[Pixels]) -> list[Seen]:
        if not photos:
            return []
        model, faults = self.model, [mask_fault(mask) for mask in masks]
        crops = model.cut([photo.pixels for photo in photos], masks)
        usable = torch.tensor([not fault for fault in faults])
        views = determined(model.views_of(crops, self.way), usable)
        larger = torch.tensor([photo.size[0] / photo.pixels.shape[1] for photo in photos])
        cameras = photo_cameras(model.category, views, crops.squares * larger[:, None])
        return [Seen(views[row], cameras[row], fault) for row, fault in zip(_rows(len(photos)), faults, strict=True)]


class FoundMasks:
    """Masks that lie somewhere, by the names of their photos; a `MaskGiver`.

    Args:
        masks: Where they lie, or None for an ellipse in the middle of each photo.
    """

    def __init__(self, masks: Source | None) -> None:
        self._masks, self._finder = masks, MaskFinder(None, {}, {})
        self._photos: Source | None = None

    def __call__(self, photos: Sequence[Photo]) -> list[Pixels | ImageError]:
        """See `MaskGiver`."""
        return [self._give(photo) for photo in photos]

    def _give(self, photo: Photo) -> Pixels | ImageError:
        if self._photos is not photo.source:
            self._photos, self._finder = photo.source, MaskFinder.of(photo.source, self._masks)
        height, width = photo.pixels.shape[:2]
        try:
            return self._finder.mask(photo.source.names[photo.number], (width, height))
        except ImageError as error:
            return error


def _rows(count: int) -> Sequence[Tensor]:
    return torch.arange(count).split(1)
