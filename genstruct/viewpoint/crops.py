"""Objects cut out of photos by their masks: squares of one size in which each object fills the same share.

The box comes from quantiles of the mask, not from its outermost pixels, which a few wrong ones would move.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from genstruct.pixels import to_unit

MARGIN = 1.12
"""Side of a crop over the longer side of its box."""
TAIL = 0.01
"""Share of a mask on each side that its box leaves out."""


@dataclass(frozen=True)
class ObjectCrops:
    """Cut-out objects.

    Args:
        images: sRGB in [0, 1].
        masks: In [0, 1].
        squares: Left, top and side of each crop in its photo, pixels.
    """

    images: Float[Tensor, "batch 3 size size"]
    masks: Float[Tensor, "batch 1 size size"]
    squares: Float[Tensor, "batch 3"]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Tensor) -> "ObjectCrops":
        """Some of them, by a mask or by numbers."""
        return ObjectCrops(self.images[rows], self.masks[rows], self.squares[rows])

    def to(self, device: torch.device) -> "ObjectCrops":
        """On a device."""
        return ObjectCrops(self.images.to(device), self.masks.to(device), self.squares.to(device))


def mask_box(masks: Float[Tensor, "batch 1 height width"], tail: float = TAIL) -> Float[Tensor, "batch 4"]:
    """x0, y0, x1, y1 between which all but a share `tail` of the mask lies on each side, pixels; sub-pixel.

    An empty mask has the whole picture as its box.
    """
    ends = [_ends(masks.sum((1, axis)), tail) for axis in (2, 3)]
    return torch.stack([ends[0][0], ends[1][0], ends[0][1], ends[1][1]], -1)


def crop_square(boxes: Float[Tensor, "batch 4"], margin: float = MARGIN) -> Float[Tensor, "batch 3"]:
    """Left, top and side of the square around each box, `margin` times its longer side."""
    low, high = boxes[:, :2], boxes[:, 2:]
    side = margin * (high - low).amax(1, keepdim=True)
    return torch.cat([(low + high - side) / 2, side], 1)


def crop_object(
    image: UInt8[np.ndarray, "height width 3"], mask: UInt8[np.ndarray, "height width"], size: int
) -> tuple[Float[Tensor, "3 size size"], Float[Tensor, "1 size size"], Float[Tensor, "3"]]:
    """One object, its mask without stray parts, and its square. Beyond the photo edge pixels repeat, the mask is 0."""
    whole = to_unit(largest_part(mask)[..., None])[None]
    square = crop_square(mask_box(whole))
    picture = torch.cat([to_unit(image)[None], whole], 1)
    cut = sample_square(picture, square, size)
    return cut[0, :3], cut[0, 3:], square[0]


def sample_square(
    pictures: Float[Tensor, "batch channels height width"], squares: Float[Tensor, "batch 3"], size: int
) -> Float[Tensor, "batch channels size size"]:
    """Squares of pictures at `size` pixels, averaged where they shrink; the last channel is 0 beyond the picture."""
    height, width = pictures.shape[2:]
    finer = max(1, int(-(-squares[:, 2].max().item() // size)))  # samples a pixel and axis, so that nothing is skipped
    steps = (torch.arange(size * finer, device=pictures.device) + 0.5) / (size * finer)
    x = (squares[:, :1] + squares[:, 2:] * steps) * (2 / width) - 1
    y = (squares[:, 1:2] + squares[:, 2:] * steps) * (2 / height) - 1
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), -1)
    color = F.grid_sample(pictures[:, :-1], grid, padding_mode="border", align_corners=False)
    mask = F.grid_sample(pictures[:, -1:], grid, padding_mode="zeros", align_corners=False)
    return F.avg_pool2d(torch.cat([color, mask], 1), finer)


def largest_part(mask: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """The mask without all but its largest connected part (8 neighbors, above half)."""
    parts = connected_parts(mask > 127)
    if parts.max(initial=0) < 2:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.where((parts == sizes.argmax()) | (parts == 0), mask, 0).astype(np.uint8)


def connected_parts(inside: Bool[np.ndarray, "height width"]) -> np.ndarray:
    """Numbers of the connected parts from 1, 0 outside."""
    from scipy import ndimage

    numbers = np.empty(inside.shape, np.int32)
    ndimage.label(inside, np.ones((3, 3)), output=numbers)
    return numbers


def _ends(profile: Float[Tensor, "batch length"], tail: float) -> tuple[Tensor, Tensor]:
    """Where the cumulated profile passes `tail` and 1 - `tail`, pixels from the outer edge."""
    total = profile.sum(1, keepdim=True)
    profile = torch.where(total > 0, profile, 1.0)
    cumulated = F.pad(profile.cumsum(1) / profile.sum(1, keepdim=True), (1, 0))
    return _passes(cumulated, tail), _passes(cumulated, 1 - tail)


def _passes(cumulated: Tensor, share: float) -> Tensor:
    after = (cumulated < share).sum(1).clamp(1, cumulated.shape[1] - 1)
    low, high = (cumulated.gather(1, (after - back)[:, None])[:, 0] for back in (1, 0))
    return after - 1 + ((share - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
