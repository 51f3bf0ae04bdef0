"""Histograms of oriented gradients of crop and mask: how alike two views of a category are (Dalal & Triggs 2005)."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

CELL, BINS = 8, 9
BATCH = 64
"""Crops at once: as many as stay in the cache, three times as fast as 500."""


def describe(
    images: Float[Tensor, "batch 3 size size"], masks: Float[Tensor, "batch 1 size size"]
) -> Float[Tensor, "batch features"]:
    """Unit vectors: gradients of the grey picture inside the mask, and of the mask itself, with equal weight."""
    gray = images.mean(1, keepdim=True)
    inside = hog(gray, masks)
    outline = hog(masks, torch.ones_like(masks))
    return torch.cat([inside, outline], 1) / 2**0.5


def describe_both(
    images: Float[Tensor, "batch 3 size size"], masks: Float[Tensor, "batch 1 size size"]
) -> tuple[Float[Tensor, "batch features"], Float[Tensor, "batch features"]]:
    """Descriptors of crops and of their mirror images."""
    plain = describe(images, masks)
    return plain, mirror_features(plain)


def mirror_features(features: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
    """Descriptors of the mirror images: where bins and blocks go is known, so nothing is described twice."""
    blocks = math.isqrt(features.shape[1] // (2 * BINS * 4))
    table = features.unflatten(1, (2, BINS, 2, 2, blocks, blocks))  # parts, directions, cells in blocks, blocks
    return table.flip(2, 4, 6).flatten(1)


def hog(
    gray: Float[Tensor, "batch 1 size size"], weight: Float[Tensor, "batch 1 size size"]
) -> Float[Tensor, "batch features"]:
    """Histograms of unsigned gradient directions in cells, normalized in blocks of 2 x 2 cells; unit vectors.

    Args:
        gray: In [0, 1]; the size is a multiple of `CELL`.
        weight: Of each pixel's gradient.
    """
    pieces = zip(gray.split(BATCH), weight.split(BATCH), strict=True)
    return torch.cat([_blocks(_cells(_directions(*piece))) for piece in pieces])


def _directions(gray: Tensor, weight: Tensor) -> Tensor:
    """Strength of the gradients in each of `BINS` directions."""
    padded = F.pad(gray, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    strength = (across.square() + down.square()).sqrt() * weight
    place = torch.atan2(down, across) * (BINS / torch.pi) + (BINS - 0.5)  # bins wrap around
    place = torch.where(place < 0, place + BINS, torch.where(place >= BINS, place - BINS, place))
    low = place.floor().clamp(max=BINS - 1)
    above = strength * (place - low)
    number = low.long()
    bins = strength.new_zeros(len(gray), BINS + 1, *gray.shape[2:])
    bins.scatter_(1, number, strength - above)
    bins.scatter_(1, number + 1, above)
    bins[:, 0] += bins[:, BINS]
    return bins[:, :BINS]


def _cells(bins: Tensor) -> Tensor:
    """Sums over overlapping triangles twice a cell wide, so that nothing jumps where a cell ends."""
    down, across = (_tents(length).to(bins) for length in bins.shape[2:])
    return down @ bins @ across.T


def _tents(length: int) -> Float[Tensor, "cells length"]:
    """Weight of each pixel in each cell."""
    pixel, cell = torch.arange(length) + 0.5, torch.arange(length // CELL) + 0.5
    return (1 - (pixel / CELL - cell[:, None]).abs()).clamp(min=0)


def _blocks(cells: Tensor) -> Tensor:
    blocks = F.unfold(cells, 2).unflatten(1, (-1, 4)).flatten(1, 2)
    normed = blocks / (blocks.square().sum(1, keepdim=True) + 1e-4).sqrt()
    clipped = normed.clamp(max=0.2)
    return F.normalize(clipped.flatten(1), dim=1)
