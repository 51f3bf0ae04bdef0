"""Which square of a picture to keep, and cutting it out with antialiasing.

| policy | keeps |
|---|---|
| centre | the largest square in the middle |
| random | a square of 70 to 100 % of the shorter side, anywhere; the same for the same name and seed |
| box    | a square around the `box` of the metadata, with a margin |
| fit    | the whole picture, squeezed to a square |
| pad    | the whole picture, its proportions kept, edge pixels repeated to the square |

`fit` squeezes, because the streaks that padding leaves are edges and textures of their own: a model that learns from
the pictures learns to paint the streaks, and a mask of a squeezed picture stretches back exactly. `pad` is there for
sets in which the shape of the object matters more than the background.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from genstruct.errors import ImageError

Policy = Literal["center", "random", "box", "fit", "pad"]
Number = int | float
POLICIES: tuple[str, ...] = get_args(Policy)


@dataclass(frozen=True)
class Region:
    """A rectangle of a picture in pixels, (0, 0) the outer corner of the first one. It may reach beyond the picture."""

    left: Number
    top: Number
    right: Number
    bottom: Number

    @property
    def side(self) -> Number:
        """The shorter side in pixels."""
        return min(self.right - self.left, self.bottom - self.top)

    def scaled(self, x: Number, y: Number) -> "Region":
        """The same rectangle of the picture resized by `x` and `y`."""
        return Region(self.left * x, self.top * y, self.right * x, self.bottom * y)


def choose_region(
    width: int,
    height: int,
    policy: Policy,
    name: str = "",
    seed: int = 0,
    box: tuple[Number, Number, Number, Number] | None = None,
    margin: Number = 0.15,
) -> Region:
    """The region that `policy` keeps of a picture.

    Args:
        width: Of the upright picture, pixels.
        height: Of the upright picture, pixels.
        policy: See the module.
        name: Of the picture; with `seed` the address of the random crop.
        seed: Of random crops.
        box: x0, y0, x1, y1 in pixels, for the policy "box".
        margin: Added on each side of the box, as a fraction of its longer side.

    Raises:
        ImageError: Policy "box" without a box.
    """
    shorter, longer = min(width, height), max(width, height)
    if policy == "center":
        return _square((width - shorter) / 2, (height - shorter) / 2, shorter)
    if policy == "random":
        scale, x, y = _uniform(name, seed)
        side = shorter * (0.7 + 0.3 * scale)
        return _square(x * (width - side), y * (height - side), side)
    if policy == "fit":
        return Region(0, 0, width, height)
    if policy == "pad":
        return _square((width - longer) / 2, (height - longer) / 2, longer)
    if box is None:
        raise ImageError(f"{name}: no box in its metadata; add one or choose another crop than 'box'")
    return _around(name, box, margin, width, height)


def cut(
    pixels: UInt8[np.ndarray, "height width *channels"], region: Region, size: int
) -> UInt8[np.ndarray, "size size *channels"]:
    """Resize `region` of a picture or mask to `size` x `size`, antialiased; beyond the edge, edge pixels repeat."""
    if _overhang(pixels, region):
        pixels, region = _padded(*_reduced(pixels, region, size))
    height, width = pixels.shape[:2]
    box = (max(region.left, 0), max(region.top, 0), min(region.right, width), min(region.bottom, height))
    if box == (0, 0, size, size) == (0, 0, width, height):
        return np.ascontiguousarray(pixels)  # as it is: what resizing gives, in no time
    # Bilinear for masks: the overshoot of a cubic would ring around the edge of an object.
    kernel = Image.Resampling.BICUBIC if pixels.ndim == 3 else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(pixels).resize((size, size), kernel, box=box))


def _square(left: Number, top: Number, side: Number) -> Region:
    return Region(left, top, left + side, top + side)


def _uniform(name: str, seed: int) -> tuple[float, float, float]:
    digest = hashlib.blake2b(f"{seed}/{name}".encode(errors="surrogateescape"), digest_size=24).digest()
    first, second, third = (int.from_bytes(digest[i : i + 8], "big") / 2**64 for i in (0, 8, 16))
    return first, second, third


def _around(name: str, box: tuple[Number, Number, Number, Number], margin: Number, width: int, height: int) -> Region:
    x0, y0, x1, y1 = max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
    if x0 >= x1 or y0 >= y1:
        raise ImageError(
            f"{name}: its box {list(box)} holds nothing of the {width} x {height} picture; correct the metadata"
        )
    side = max(x1 - x0, y1 - y0) * (1 + 2 * margin)
    return _square(_inside((x0 + x1 - side) / 2, side, width), _inside((y0 + y1 - side) / 2, side, height), side)


def _inside(start: Number, side: Number, limit: int) -> Number:
    """Move an interval into the picture; one longer than the picture stays centred on it."""
    return min(max(start, 0.0), limit - side) if side <= limit else (limit - side) / 2


def _overhang(pixels: np.ndarray, region: Region) -> bool:
    height, width = pixels.shape[:2]
    return min(region.left, region.top, width - region.right, height - region.bottom) < -1e-6  # not a rounding error


def _reduced(pixels: np.ndarray, region: Region, size: int) -> tuple[np.ndarray, Region]:
    """Average whole blocks first, so that padding a 20000 x 10 picture takes no more memory than a small one."""
    factor = int(region.side / size / 3)  # three times the final size is left to the antialiased resize
    if factor < 2:
        return pixels, region
    return np.asarray(Image.fromarray(pixels).reduce(factor)), region.scaled(1 / factor, 1 / factor)


def _padded(pixels: np.ndarray, region: Region) -> tuple[np.ndarray, Region]:
    height, width = pixels.shape[:2]
    left, top = max(0, int(np.ceil(-region.left))), max(0, int(np.ceil(-region.top)))
    right, bottom = max(0, int(np.ceil(region.right - width))), max(0, int(np.ceil(region.bottom - height)))
    widths = [(top, bottom), (left, right)] + [(0, 0)] * (pixels.ndim - 2)
    moved = Region(region.left + left, region.top + top, region.right + left, region.bottom + top)
    return np.pad(pixels, widths, mode="edge"), moved
