"""Losses on generated masks `[batch, 1, h, w]` in [0, 1], one value per image. They need no label: each rules out a
degenerate answer that the discriminator would accept."""

import torch
from jaxtyping import Float
from torch import Tensor

Mask = Float[Tensor, "batch 1 height width"]
PerImage = Float[Tensor, " batch"]


def area(mask: Mask) -> PerImage:
    """Share of the picture that the mask covers."""
    return mask.mean((1, 2, 3))


def minimum_area(mask: Mask, share: float) -> PerImage:
    """Hinge below `share` of the picture, against empty masks (Bielski & Favaro 2019, section 4)."""
    return (share - area(mask)).relu()


def maximum_area(mask: Mask, share: float) -> PerImage:
    """Hinge above `share` of the picture, against masks that cover everything."""
    return (area(mask) - share).relu()


def binarization(mask: Mask) -> PerImage:
    """Mean of min(m, 1 - m), against grey masks that average two pictures (Bielski & Favaro 2019, section 4)."""
    return torch.minimum(mask, 1 - mask).mean((1, 2, 3))


def border(mask: Mask, width: int) -> PerImage:
    """Mean of the mask on a frame `width` pixels wide, against inverted masks and stripes from side to side."""
    inner = mask[:, :, width:-width, width:-width]
    count = mask[0].numel() - inner[0].numel()
    return (mask.sum((1, 2, 3)) - inner.sum((1, 2, 3))) / count


def total_variation(mask: Mask) -> PerImage:
    """Mean absolute difference of neighbours, against frayed outlines and holes."""
    across = (mask[..., 1:] - mask[..., :-1]).abs().mean((1, 2, 3))
    down = (mask[..., 1:, :] - mask[..., :-1, :]).abs().mean((1, 2, 3))
    return across + down


def information_leak(
    background: Float[Tensor, "batch 3 height width"], foreground: Float[Tensor, "batch 3 height width"], mask: Mask
) -> PerImage:
    """How alike the two layers are, each against a fixed other: minus their distance (Zou et al. 2023, ILSGAN).

    A background that repeats the object under the mask, or a foreground that repeats the background outside it, leaks
    information between layers and lets a mask be wrong unseen.
    """
    mask = mask.detach()
    under = ((background - foreground.detach()).abs() * mask).mean((1, 2, 3))
    outside = ((foreground - background.detach()).abs() * (1 - mask)).mean((1, 2, 3))
    return -(under + outside)
