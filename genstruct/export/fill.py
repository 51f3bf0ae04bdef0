"""Fill a region of a picture from what surrounds it: a photo without its object, or an object beyond its outline."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def fill_behind(
    images: Float[Tensor, "batch 3 height width"], masks: Float[Tensor, "batch 1 height width"], margin: float = 0.02
) -> Float[Tensor, "batch 3 height width"]:
    """Images whose masked region is replaced by a smooth continuation of the rest (pull-push, Gortler et al. 1996).

    It is for looking at, not an inpainter: no texture comes back.

    Args:
        images: sRGB in [0, 1].
        masks: 1 = to be replaced.
        margin: The region also grows by this share of the picture, so that no soft outline of the object is left.
    """
    reach = round(margin * max(images.shape[-2:]))
    grown = F.max_pool2d(masks, 2 * reach + 1, 1, reach)
    known = 1 - grown
    return _pull_push(images * known, known).clamp(0, 1)


def _pull_push(
    color: Float[Tensor, "batch 3 h w"], weight: Float[Tensor, "batch 1 h w"]
) -> Float[Tensor, "batch 3 h w"]:
    """Complete `color`, which is multiplied by `weight` (1 = known), from its own half-sized version."""
    if max(color.shape[-2:]) == 1:
        return color / weight.clamp(min=1e-6)
    known = F.avg_pool2d(weight, 2, ceil_mode=True)
    # A quarter of a cell is enough to know its colour; saturating keeps the fill local instead of washing it out.
    trusted = (4 * known).clamp(max=1)
    mean = F.avg_pool2d(color, 2, ceil_mode=True) / known.clamp(min=1e-6)
    coarse = _pull_push(mean * trusted, trusted)
    wide = F.interpolate(coarse, color.shape[-2:], mode="bilinear", align_corners=False)
    return color + (1 - weight) * wide
