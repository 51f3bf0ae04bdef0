"""What training code receives: a batch of images on the training device."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Sample:
    """A batch.

    Args:
        images: sRGB in [0, 1].
        index: Number of each image in its data set.
        masks: Soft masks in [0, 1] that belong to the images, for stages that learn from made or pseudo labels.
    """

    images: Float[Tensor, "batch 3 height width"]
    index: Int[Tensor, " batch"]
    masks: Float[Tensor, "batch 1 height width"] | None = None
