"""Train a segmenter on images with masks that a model made: generated pairs, or pseudo-labels of real images.

The images are moved, mirrored and recoloured, their masks follow: the segmenter learns to give the same answer under
shift and colour (the consistency of self-training), at no extra pass.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.data.augment import view_sample
from genstruct.data.sample import Sample
from genstruct.errors import ConfigError, ShapeError
from genstruct.losses.mask import area
from genstruct.losses.segmentation import cross_entropy, soft_jaccard
from genstruct.nn.augmentation import change_colour
from genstruct.nn.unet import UNet
from genstruct.train.method import AdamSettings, Phase, Step, Update


@dataclass(frozen=True)
class MaskLearningConfig:
    """How a segmenter learns from made masks."""

    lr: float = 2e-3
    """AdamW's rate at the start; falls to zero along a cosine."""
    weight_decay: float = 1e-3
    """Decoupled weight decay."""
    jaccard: float = 0.5
    """Weight of the soft intersection over union beside the cross-entropy."""
    zoom: float = 1.3
    """Images are enlarged by up to this and cropped at random, so that objects appear off-centre and at other sizes."""
    colour: float = 0.8
    """Strength of the colour change."""
    blur: float = 0.0
    """Share of images that are halved and enlarged again, so that generated and real images look alike."""

    def __post_init__(self) -> None:
        if self.zoom < 1:
            raise ConfigError(f"learning.zoom must be at least 1, got {self.zoom}")


class MaskLearning:
    """Supervised by made masks, as a `Method`.

    Args:
        network: The segmenter, image to logits.
        size: Working resolution, pixels.
        config: Augmentation and rates.
        weights: Of each image of the set, by its index; all 1 if left out.
    """

    phases = (Phase("segmenter", ("segmenter",)),)
    averaged = ("segmenter",)

    def __init__(
        self, network: UNet, size: int, config: MaskLearningConfig, weights: Float[Tensor, " images"] | None = None
    ) -> None:
        self.networks = nn.ModuleDict({"segmenter": network})
        self.size, self.config, self.weights = size, config, weights
        self.optimizers: Mapping[str, AdamSettings] = {
            "segmenter": AdamSettings(config.lr, (0.9, 0.99), config.weight_decay)
        }

    def compute(self, phase: Phase, batch: Sample, step: Step) -> Update:
        """Cross-entropy and soft Jaccard against the made masks of a random view."""
        images, masks = self._view(batch, step)
        logits = self.networks["segmenter"](images).float()
        entropy, jaccard = cross_entropy(logits, masks), soft_jaccard(logits, masks)
        loss = entropy + self.config.jaccard * jaccard
        if self.weights is not None:
            loss = loss * self.weights.to(loss.device)[batch.index]
        found = area(logits.detach().sigmoid()).mean()
        logs = {"cross_entropy": entropy.mean(), "jaccard": jaccard.mean(), "mask_area": found}
        return Update(loss.mean(), {name: value.detach() for name, value in logs.items()})

    def lr_multiplier(self, network: str, step: Step) -> float:
        """A short warm-up, then a cosine to zero."""
        return min(1.0, 20 * step.fraction + 0.05) * (1 + math.cos(math.pi * step.fraction)) / 2

    def after_step(self, step: Step) -> None:
        """Nothing to do."""

    def preview(self, networks: nn.ModuleDict, step: Step) -> dict[str, Float[Tensor, "..."]]:
        """None: predictions on photos tell more and are made by the stages around this one."""
        return {}

    def ailment(self, logs: Mapping[str, float], step: Step) -> str | None:
        """Empty or full masks."""
        found = logs.get("mask_area", 0.5)
        return None if 0.002 < found < 0.98 else f"masks cover {found:.3f} of the picture"

    def _view(self, batch: Sample, step: Step) -> tuple[Tensor, Tensor]:
        if batch.masks is None:
            raise ShapeError("mask learning needs an archive with masks (Archive.write_masks)")
        config, draws = self.config, step.draws
        # One zoom for the whole step keeps the resize a single call; over steps all zooms are seen.
        zoom = 1 + (config.zoom - 1) * draws.shared("zoom")
        flipped = draws.uniform("flip") < 0.5
        view = view_sample(batch, self.size, zoom, draws.uniform("corner", 2), flipped)
        images = change_colour(view.images, draws.uniform("colour", 5), config.colour, 0.8)
        if config.blur > 0:
            half = F.interpolate(F.avg_pool2d(images, 2), images.shape[-2:], mode="bilinear", align_corners=False)
            chosen = draws.uniform("blur") < config.blur
            images = torch.where(chosen[:, None, None, None], half, images)
        assert view.masks is not None
        return images, view.masks
