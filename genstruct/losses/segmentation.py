"""Losses of predicted masks against soft target masks, one value per image."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Map = Float[Tensor, "batch 1 height width"]


def cross_entropy(logits: Map, target: Map, counted: Map | None = None) -> Float[Tensor, " batch"]:
    """Mean binary cross-entropy over pixels; soft targets are probabilities.

    Args:
        logits: Of the prediction.
        target: In [0, 1].
        counted: Weight of each pixel, for example 0 where the target is unknown; all 1 if left out.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    if counted is None:
        return entropy.mean((1, 2, 3))
    return (entropy * counted).sum((1, 2, 3)) / counted.sum((1, 2, 3)).clamp(min=1)


def soft_jaccard(logits: Map, target: Map, counted: Map | None = None, smooth: float = 1.0) -> Float[Tensor, " batch"]:
    """1 - soft intersection over union, which weighs small objects like large ones.

    Args:
        logits: Of the prediction.
        target: In [0, 1].
        counted: Weight of each pixel; all 1 if left out.
        smooth: Pixels added to both areas, so that an empty target has a gradient.
    """
    mask = logits.sigmoid()
    overlap, union = mask * target, mask + target - mask * target
    if counted is not None:
        overlap, union = overlap * counted, union * counted
    return 1 - (overlap.sum((1, 2, 3)) + smooth) / (union.sum((1, 2, 3)) + smooth)
