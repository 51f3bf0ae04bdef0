"""Losses of predicted masks against soft target masks, one value per image."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Map = Float[Tensor, "batch 1 height width"]


def cross_entropy(logits: Map, target: Map) -> Float[Tensor, " batch"]:
    """Mean binary cross-entropy over pixels; soft targets are probabilities."""
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none").mean((1, 2, 3))


def soft_jaccard(logits: Map, target: Map, smooth: float = 1.0) -> Float[Tensor, " batch"]:
    """1 - soft intersection over union, which weighs small objects like large ones.

    Args:
        logits: Of the prediction.
        target: In [0, 1].
        smooth: Pixels added to both areas, so that an empty target has a gradient.
    """
    mask = logits.sigmoid()
    overlap = (mask * target).sum((1, 2, 3))
    union = (mask + target - mask * target).sum((1, 2, 3))
    return 1 - (overlap + smooth) / (union + smooth)
