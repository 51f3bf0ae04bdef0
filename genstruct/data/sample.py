"""What training code receives: a batch of images on the training device."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float, Int, Shaped
from torch import Tensor


@dataclass(frozen=True)
class Sample:
    """A batch.

    Args:
        images: sRGB in [0, 1].
        index: Number of each image in its data set.
        masks: Soft masks in [0, 1] that belong to the images, for stages that learn from generated or pseudo labels.
        labels: Class of each image, given by people. For probes, evaluation and supervised ceilings only: nothing that
            learns without labels reads them.
        fields: Further values of each image (a viewpoint, a weight, features), by name, as the archive has them.
    """

    images: Float[Tensor, "batch 3 height width"]
    index: Int[Tensor, " batch"]
    masks: Float[Tensor, "batch 1 height width"] | None = None
    labels: Int[Tensor, " batch"] | None = None
    fields: Mapping[str, Shaped[Tensor, "batch ..."]] = field(default_factory=dict)
