"""What a picture looks like: a mask or class numbers, a drawing, or a photo. Told, never decided upon alone."""

from typing import Literal

import numpy as np
from jaxtyping import UInt8

from genstruct.data.masks import COLORFUL, MOST_LABELS, look_at_mask
from genstruct.data.read import MAX_PIXELS, opened
from genstruct.errors import ImageError

LIKE_A_MASK = "are black and white as masks are; if they are masks or drawings, leave them out or list the photos"
FLAT_COLORS = (
    "have few colours, all flat, as class maps have; if they are labels or drawings, leave them out or list the photos"
)
NEARLY_BLACK = "are nearly black; if they hold class numbers or are of a camera's raw bits, they are no photos yet"
FEW = 8
"""Colours of a class map, beside the one there is most of, in what is looked at of it."""


def resemblance(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Literal["mask", "gray", "photo"]:
    """Whether an image file looks like a mask or class numbers, like any picture without colours, or like a photo.

    What cannot be read counts as a photo, whose error is told when it is wanted.
    """
    try:
        return "gray" if look_at_mask(data, name, max_pixels).kind == "gray" else "mask"
    except ImageError:
        pass
    try:  # class colours: few of them
        with opened(data, name, max_pixels) as image:
            return "photo" if image.convert("RGB").getcolors(2 * MOST_LABELS) is None else "mask"
    except ImageError:
        return "photo"


def strangeness(pixels: UInt8[np.ndarray, "height width 3"]) -> str | None:
    """What makes a small picture unlike a photo, as a remark: like a mask, like a class map, or nearly black."""
    few = pixels[:: max(1, len(pixels) // 32), :: max(1, pixels.shape[1] // 32)]
    green = few[..., 1]
    if np.count_nonzero(green - np.uint8(26) < 204) > 0.1 * green.size:
        return FLAT_COLORS if _has_flat_colors(few) else None
    if pixels.max() < 26:
        return NEARLY_BLACK
    low, high = few.min(-1), few.max(-1)
    like = (high < 26).any() and (low >= 230).any() and (high - low).max() <= COLORFUL
    if like:
        return LIKE_A_MASK
    return FLAT_COLORS if _has_flat_colors(few) else None


def _has_flat_colors(few: UInt8[np.ndarray, "height width 3"]) -> bool:
    """Whether nearly everything in front of the most frequent colour is of few others."""
    numbers = few.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    rest = np.sort(np.unique(numbers, return_counts=True)[1])[-2::-1]
    top = rest[:FEW]
    return len(top) > 0 and bool(top.sum() >= max(0.8 * rest.sum(), 0.02 * numbers.size, 8 * len(top)))
