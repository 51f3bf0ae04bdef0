"""Histograms of oriented gradients of crop and mask: how alike two views of a category are (Dalal & Triggs 2005)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

CELL, BINS = 8, 9


def describe(
    images: Float[Tensor, "batch 3 size size"], masks: Float[Tensor, "batch 1 size size"]
) -> Float[Tensor, "batch features"]:
    """Unit vectors: gradients of the grey picture inside the mask, and of the mask itself, with equal weight."""
    gray = images.mean(1, keepdim=True)
    inside = hog(gray, masks)
    outline = hog(masks, torch.ones_like(masks))
    return torch.cat([inside, outline], 1) / 2**0.5


def hog(
    gray: Float[Tensor, "batch 1 size size"], weight: Float[Tensor, "batch 1 size size"]
) -> Float[Tensor, "batch features"]:
    """Histograms of unsigned gradient directions in cells, normalized in blocks of 2 x 2 cells; unit vectors.

    Args:
        gray: In [0, 1]; the size is a multiple of `CELL`.
        weight: Of each pixel's gradient.
    """
    padded = F.pad(gray, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    strength = (across.square() + down.square()).sqrt() * weight
    place = torch.atan2(down, across) / torch.pi % 1 * BINS - 0.5  # bins wrap around
    low = place.floor()
    share = place - low
    bins = torch.zeros(len(gray), BINS, *gray.shape[2:], dtype=gray.dtype, device=gray.device)
    bins.scatter_add_(1, low.long() % BINS, strength * (1 - share))
    bins.scatter_add_(1, (low.long() + 1) % BINS, strength * share)
    return _blocks(_cells(bins))


def _cells(bins: Tensor) -> Tensor:
    """Sums over overlapping triangles twice a cell wide, so that nothing jumps where a cell ends."""
    ramp = (torch.arange(2 * CELL, device=bins.device, dtype=bins.dtype) + 0.5) / CELL
    tent = torch.minimum(ramp, 2 - ramp)
    kernel = (tent[:, None] * tent)[None, None].expand(bins.shape[1], 1, -1, -1)
    return F.conv2d(bins, kernel, stride=CELL, padding=CELL // 2, groups=bins.shape[1])


def _blocks(cells: Tensor) -> Tensor:
    blocks = F.unfold(cells, 2).unflatten(1, (-1, 4)).flatten(1, 2)
    normed = blocks / (blocks.square().sum(1, keepdim=True) + 1e-4).sqrt()
    clipped = normed.clamp(max=0.2)
    return F.normalize(clipped.flatten(1), dim=1)
