"""Photos and masks become crops: the first stage of a view graph. A photo that cannot be used says why and is left out.

Masks come from any segmenter, as files named like the photos. Without any, the object is taken to fill an ellipse in
the middle of each photo, which costs a graph nearly all of its worth and is there for comparison.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from genstruct.data.source import Entry, Failure, Source
from genstruct.data.threads import in_order
from genstruct.errors import DataError, ImageError
from genstruct.metrics.matching import Truth, match
from genstruct.viewpoint.crops import ObjectCrops, crop_object
from genstruct.viewpoint.graph import Photos

FEWEST = 40
"""Photos below which neither shape nor neighbours mean anything."""
SMALLEST, LARGEST = 0.002, 0.97
"""Share of the photo that a usable mask covers."""
ELLIPSE = 0.36
"""Half axes of the ellipse that stands for a mask, in sides of the photo."""
STRETCH = 1.02
"""Ratio of the aspects of mask and photo up to which the mask is resized, as one written at another size."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Cut:
    """One object: its colours and mask in 8 bits, its square, and width and height of its photo."""

    pixels: UInt8[Tensor, "4 size size"]
    square: Float[Tensor, "3"]
    size: tuple[int, int]


@dataclass(frozen=True)
class MaskFinder:
    """The mask of each photo.

    Args:
        source: Masks, or None for ellipses.
        paths: Of the mask, by the name of its photo.
        missing: Why a photo has none.
    """

    source: Source | None
    paths: Mapping[str, str]
    missing: Mapping[str, str]

    @staticmethod
    def of(photos: Source, masks: Source | None) -> "MaskFinder":
        """By names, as predictions are matched to truth."""
        if masks is None:
            return MaskFinder(None, {}, {})
        found = match([Truth(name, name, (_key(name), name)) for name in photos.names], masks.names)
        paths = {truth.name: path for truth, path in found.pairs}
        reason = f"has no mask of its name in {masks.description}"
        return MaskFinder(masks, paths, {name: reason for name in photos.names if name not in paths})

    def mask(self, name: str, size: tuple[int, int]) -> UInt8[np.ndarray, "height width"]:
        """0 to 255, of the photo's size (width, height). Raises ImageError."""
        if self.source is None:
            return ellipse(size)
        if name in self.missing:
            raise ImageError(f"{name}: {self.missing[name]}")
        try:
            mask = self.source.masks[self.paths[name]]
        except ImageError as error:
            raise ImageError(f"{name}: its mask {error}") from error
        return _fitted(mask, size, name, self.paths[name])


def cut_photos(
    photos: Source, masks: Source | None, size: int, workers: int | None = None, on_progress: Progress | None = None
) -> Photos:
    """Cut the object out of each photo.

    Args:
        photos: Of one category.
        masks: Named like the photos; None for an ellipse in the middle of each.
        size: Of the crops, pixels.
        workers: Decoding threads; as many as there are processors if left out.
        on_progress: Called with photos done, and how many there are.

    Raises:
        DataError: Fewer than `FEWEST` photos can be used.
    """
    finder = MaskFinder.of(photos, masks)
    attempts = in_order(lambda number: _attempt(photos, number, finder, size), len(photos), workers)
    cuts: dict[str, Cut] = {}
    failed: list[Failure] = []
    for done, (name, cut) in enumerate(zip(photos.names, attempts, strict=True), 1):
        if isinstance(cut, Cut):
            cuts[name] = cut
        else:
            failed.append(Failure(name, str(cut).removeprefix(f"{name}: ")))
        if on_progress:
            on_progress(done, len(photos))
    twins = _twins(cuts)
    own = [name for name in cuts if name not in twins]
    if len(own) < FEWEST:
        raise DataError(_too_few(len(own), photos, failed, len(twins)))
    made = [cuts[name] for name in own]
    pixels = torch.stack([cut.pixels for cut in made]).float() / 255
    crops = ObjectCrops(pixels[:, :3], pixels[:, 3:], torch.stack([cut.square for cut in made]))
    return Photos(tuple(own), torch.tensor([cut.size for cut in made]), crops, tuple(failed), twins)


def photos_key(photos: Source, masks: Source | None, size: int) -> str:
    """A digest of what decides the crops: names, sizes and dates of the files, contents where dates are not known."""
    parts = [_entries(source) for source in (photos, masks) if source is not None]
    return hashlib.sha256(json.dumps([size, *parts]).encode()).hexdigest()


def _entries(source: Source) -> list[tuple[str, int, int]]:
    def known(number: int) -> tuple[str, int, int]:
        entry: Entry = source.entries[number]
        changed = entry.changed or zlib.crc32(source.read(number))
        return entry.name, entry.size, changed

    return list(in_order(known, len(source)))


def _attempt(photos: Source, number: int, finder: MaskFinder, size: int) -> Cut | ImageError:
    try:
        name, image = photos.names[number], photos.image(number)
        wide = (image.shape[1], image.shape[0])
        mask = finder.mask(name, wide)
        if fault := mask_fault(mask):
            raise ImageError(f"{name}: {fault}")
        colors, cut, square = crop_object(image, mask, size)
        return Cut((torch.cat([colors, cut]) * 255).round().byte(), square, wide)
    except ImageError as error:
        return error


def _fitted(
    mask: UInt8[np.ndarray, "h w"], size: tuple[int, int], name: str, path: str
) -> UInt8[np.ndarray, "height width"]:
    """The mask at the photo's size; one of another aspect belongs to another picture."""
    from PIL import Image

    height, width = mask.shape
    if (width, height) == size:
        return mask
    aspect = width / height / (size[0] / size[1])
    if not 1 / STRETCH <= aspect <= STRETCH:
        raise ImageError(
            f"{name}: its mask {path} has {width} x {height} pixels and another aspect than the photo's "
            f"{size[0]} x {size[1]}; is it another picture's?"
        )
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.BILINEAR))


def mask_fault(mask: UInt8[np.ndarray, "height width"]) -> str:
    """Why a mask tells nothing of an object; empty where it does."""
    covered = float((mask > 127).mean())
    if SMALLEST <= covered <= LARGEST:
        return ""
    what = f"covers {covered:.1%} of the photo" if covered else "is empty"
    return f"its mask {what}, usable ones {SMALLEST:.1%} to {LARGEST:.0%}"


def ellipse(size: tuple[int, int]) -> UInt8[np.ndarray, "height width"]:
    """What stands for a mask where there is none: an ellipse in the middle of a photo of this width and height."""
    width, height = size
    y, x = np.ogrid[:height, :width]
    across, down = (x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5
    return np.where(across**2 + down**2 <= ELLIPSE**2, 255, 0).astype(np.uint8)


def _twins(cuts: Mapping[str, Cut]) -> dict[str, str]:
    """Names whose crop is the same as an earlier one's, bit by bit, and at the same place, so that they share its
    camera: a near-duplicate is somebody's neighbour, but a copy would be everybody's best."""
    first: dict[bytes, str] = {}
    found = {}
    for name, cut in cuts.items():
        digest = hashlib.blake2b(cut.pixels.numpy().tobytes(), digest_size=16)
        digest.update(repr((cut.size, cut.square.tolist())).encode())
        if (original := first.setdefault(digest.digest(), name)) != name:
            found[name] = original
    return found


def _key(name: str) -> str:
    return name.rpartition(".")[0] or name


def _too_few(usable: int, photos: Source, failed: list[Failure], twins: int) -> str:
    reasons = [f"{failure.name}: {failure.why}" for failure in failed[:2]]
    copies = [f"{twins} are copies of others"] if twins else []
    told = f"{usable} of {len(photos)} photos can be used, a view graph needs at least {FEWEST}"
    return "; ".join([f"{photos.description}: {told}", *copies, *reasons])
