"""Pictures of the objects of a graph's photos: cut out, at any size; and many small ones on one sheet for a page."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from genstruct.data.source import Source
from genstruct.errors import ImageError
from genstruct.export.images import to_uint8
from genstruct.pixels import resized, to_unit
from genstruct.viewpoint.crops import ObjectCrops, sample_square
from genstruct.viewpoint.graph import Photos

QUALITIES = (70, 55, 40, 25, 10)
"""Of thumbnails, in turn until they fit; at first some 1 kB each at 64 pixels."""


@runtime_checkable
class Pictures(Protocol):
    """Squares round the objects of photos."""

    def __call__(self, row: int, size: int) -> Float[Tensor, "4 size size"]:
        """Of one photo: sRGB and its mask, in [0, 1]."""
        ...


@dataclass(frozen=True)
class CropPictures:
    """From the crops that are in memory."""

    crops: ObjectCrops

    def __call__(self, row: int, size: int) -> Float[Tensor, "4 size size"]:
        """See `Pictures`."""
        cut = torch.cat([self.crops.images[row], self.crops.masks[row]])[None]
        if size <= cut.shape[-1]:
            return resized(cut, (size, size))[0]
        return F.interpolate(cut, (size, size), mode="bilinear", align_corners=False)[0]


@dataclass(frozen=True)
class PhotoPictures:
    """From the photos, as sharp as these are. One that cannot be read any more is shown by its crop."""

    photos: Photos
    source: Source

    def __call__(self, row: int, size: int) -> Float[Tensor, "4 size size"]:
        """See `Pictures`."""
        crops = self.photos.crops
        small = CropPictures(crops)(row, size)
        if size <= crops.images.shape[-1]:
            return small
        try:
            pixels = self.source.image(self.source.names.index(self.photos.names[row]))
        except (ImageError, ValueError):
            return small
        photo = to_unit(pixels)[None]
        cut = sample_square(torch.cat([photo, torch.ones_like(photo[:, :1])], 1), crops.squares[row : row + 1], size)
        return torch.cat([cut[0, :3], small[3:]])


@dataclass(frozen=True)
class Atlas:
    """Thumbnails side by side, as files of a few megapixels, which telephones can still draw from.

    Args:
        sheets: WebP files.
        rows: Photos, in the order of their tiles.
        side: Of a tile, pixels.
        columns: Tiles in a row of a sheet; a full sheet has as many rows.
    """

    sheets: tuple[bytes, ...]
    rows: tuple[int, ...]
    side: int
    columns: int = 32

    @staticmethod
    def of(pictures: Pictures, rows: Sequence[int], side: int, most_bytes: int, columns: int = 32) -> "Atlas":
        """Thumbnails of some photos, as good as `most_bytes` allow."""
        parts = [rows[first : first + columns**2] for first in range(0, len(rows), columns**2)]
        drawn = [_sheet(pictures, part, side, columns) for part in parts]
        sheets: tuple[bytes, ...] = ()
        for quality in QUALITIES:
            sheets = tuple(webp(sheet, quality) for sheet in drawn)
            if sum(map(len, sheets)) <= most_bytes:
                break
        return Atlas(sheets, tuple(rows), side, columns)


def webp(pixels: UInt8[np.ndarray, "height width channels"], quality: int) -> bytes:
    """The WebP file of RGB or RGBA pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def thumbnails(pictures: Pictures, rows: Sequence[int], side: int) -> Iterator[UInt8[np.ndarray, "side side 3"]]:
    """Squares of photos, background and all."""
    for row in rows:
        yield to_uint8(pictures(row, side)[:3])


def _sheet(pictures: Pictures, rows: Sequence[int], side: int, columns: int) -> UInt8[np.ndarray, "height width 3"]:
    lines = -(-len(rows) // columns)
    sheet = np.full((lines * side, columns * side, 3), 255, np.uint8)
    for place, pixels in enumerate(thumbnails(pictures, rows, side)):
        y, x = divmod(place, columns)
        sheet[y * side : (y + 1) * side, x * side : (x + 1) * side] = pixels
    return sheet
