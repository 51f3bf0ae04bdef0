"""Train a segmenter on images with masks that a model made: generated pairs, or pseudo-labels of real images.

The images are moved, mirrored and recoloured, their masks follow: the segmenter learns to give the same answer under
shift and colour (the consistency of self-training), at no extra pass.
"""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from genstruct.data.augment import random_view
from genstruct.data.sample import Sample
from genstruct.data.textures import CHOICES, textures
from genstruct.errors import ShapeError
from genstruct.losses.mask import area
from genstruct.losses.segmentation import cross_entropy, soft_jaccard
from genstruct.nn.augmentation import apply_matrix, change_color, color_matrix
from genstruct.nn.unet import UNet
from genstruct.pixels import resized
from genstruct.render.layers import Layer, composite
from genstruct.segmentation.learning_config import MaskLearningConfig
from genstruct.train.method import Kept, Phase, Step, Update
from genstruct.train.optimizer_config import AdamWSettings, OptimizerSettings
from genstruct.train.randomness import Draws
from genstruct.train.schedules import warm_up_cosine

View = Float[Tensor, "batch 4 size size"]
"""Colours and mask, stacked on channels."""
MaskView = Float[Tensor, "batch 1 size size"]
DOUBT = 2  # pixels about an object of which its mask may be wrong


class MaskLearning:
    """Supervised by masks that a model gave, as a `Method`.

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
        self.optimizers: Mapping[str, OptimizerSettings] = {
            "segmenter": AdamWSettings(lr=config.lr, betas=(0.9, 0.99), weight_decay=config.weight_decay)
        }

    def compute(self, phase: Phase, batch: Sample, step: Step) -> Update:
        """Cross-entropy and soft Jaccard against the given masks of a random view."""
        images, masks, counted = self._view(batch, step)
        logits = self.networks["segmenter"](images).float()
        entropy, jaccard = cross_entropy(logits, masks, counted), soft_jaccard(logits, masks, counted)
        loss = entropy + self.config.jaccard * jaccard
        loss = loss * self._weights(batch)
        found = area(logits.detach().sigmoid()).mean()
        logs = {"cross_entropy": entropy.mean(), "jaccard": jaccard.mean(), "mask_area": found}
        return Update(loss.mean(), {name: value.detach() for name, value in logs.items()})

    def lr_multiplier(self, network: str, step: Step) -> float:
        """A short warm-up, then a cosine to zero."""
        return warm_up_cosine(step.fraction)

    def after_step(self, step: Step, kept: Kept) -> None:
        """Nothing to do."""

    def preview(self, networks: nn.ModuleDict, batch: Sample, step: Step) -> dict[str, Float[Tensor, "..."]]:
        """Images at working resolution above the masks they are learned with and the masks found."""
        taught = self._needed_masks(batch)
        images, masks = (resized(pictures, (self.size, self.size)) for pictures in (batch.images, taught))
        found = networks["segmenter"](images).float().sigmoid()
        return {"masks": torch.cat([images, masks.expand(-1, 3, -1, -1), found.expand(-1, 3, -1, -1)])}

    def collapse_reason(self, logs: Mapping[str, float], step: Step) -> str | None:
        """Empty or full masks."""
        found = logs.get("mask_area", 0.5)
        return None if 0.002 < found < 0.98 else f"masks cover {found:.3f} of the picture"

    def _weights(self, batch: Sample) -> Float[Tensor, " batch"]:
        if self.weights is None:
            return torch.ones(len(batch.index), device=batch.index.device)
        return self.weights.to(batch.index.device)[batch.index]

    @staticmethod
    def _needed_masks(batch: Sample) -> Float[Tensor, "batch 1 height width"]:
        if batch.masks is None:
            raise ShapeError("mask learning needs an archive with masks (Archive.write_masks)")
        return batch.masks

    def _view(self, batch: Sample, step: Step) -> tuple[Tensor, Tensor, Tensor]:
        """Images at working resolution: resized, moved, mirrored, mixed, recoloured, blurred; their masks; and which
        pixels count."""
        config, draws = self.config, step.draws
        frame = with_surroundings(torch.cat([batch.images, self._needed_masks(batch)], 1), config.shrink)
        # One scale for the whole step keeps the resize a single call; over steps all scales are seen.
        scale = (config.zoom * config.shrink) ** draws.shared("zoom")
        view = random_view(frame, self.size, scale, draws.uniform("corner", 2), draws.uniform("flip") < 0.5)
        view, counted = self._elsewhere(view, self._weights(batch) > 0, draws)
        images = change_color(view[:, :3], draws.uniform("colour", 5), config.color, 0.8)
        if config.blur > 0:
            half = F.interpolate(F.avg_pool2d(images, 2), images.shape[-2:], mode="bilinear", align_corners=False)
            chosen = draws.uniform("blur") < config.blur
            images = torch.where(chosen[:, None, None, None], half, images)
        return images, view[:, 3:], counted

    def _elsewhere(self, view: View, trusted: Bool[Tensor, " batch"], draws: Draws) -> tuple[View, MaskView]:
        """Some objects laid over another photo of the batch or over a texture, and which pixels count."""
        config, rows, place = self.config, neighbors(len(view), view.device), draws.uniform("place")
        on_photo = (place < config.paste) & trusted & trusted[rows]
        on_texture = (place >= 1 - config.texture) & trusted
        counted = torch.ones_like(view[:, 3:])
        for chosen, other in ((on_photo, self._photos(view[rows], draws)), (on_texture, self._textures(view, draws))):
            here = chosen[:, None, None, None]
            laid, counts = paste(view, other)
            view, counted = torch.where(here, laid, view), torch.where(here, counts, counted)
        return view, counted

    def _photos(self, other: View, draws: Draws) -> View:
        """Photos turned, enlarged and recoloured."""
        other = enlarged(turned(other, draws.integers("turn", low=0, high=4)), 1 + draws.shared("enlarge"))
        low, high = (other.new_tensor(x) for x in ((-math.pi, 0.3, 0.6, -0.2), (math.pi, 1.5, 1.4, 0.2)))
        hue, saturation, contrast, brightness = (low + (high - low) * draws.uniform("recolour", 4)).unbind(1)
        colors = apply_matrix(other[:, :3], color_matrix(hue, saturation, contrast), brightness)
        return torch.cat([colors, other[:, 3:]], 1)

    def _textures(self, like: View, draws: Draws) -> View:
        """Generated pictures, of which nothing is object."""
        pictures = textures(draws.normal("texture", 4, *like.shape[-2:]), draws.uniform("choices", CHOICES))
        return torch.cat([pictures, torch.zeros_like(like[:, 3:])], 1)


def with_surroundings(
    frame: Float[Tensor, "batch channels height width"], factor: float
) -> Float[Tensor, "batch channels h2 w2"]:
    """Enlarge pictures by `factor` (up to 2) with what lies inside their edges, mirrored; nothing is rescaled."""
    y, x = (round(side * (factor - 1) / 2) for side in frame.shape[-2:])
    return F.pad(frame, (x, x, y, y), mode="reflect") if factor > 1 else frame


def neighbors(count: int, device: torch.device) -> Int[Tensor, " count"]:
    """The row that each row of a batch is paired with: 0 and 1, 2 and 3, ...; the last of an odd count with itself.

    Pairs stay together however ranks share a batch, if each has an even count.
    """
    return (torch.arange(count, device=device) ^ 1).clamp(max=count - 1)


def turned(view: View, quarters: Int[Tensor, " batch"]) -> View:
    """Each square picture turned by its own number of quarter turns."""
    turns = torch.stack([view, *(torch.rot90(view, k, (2, 3)) for k in (1, 2, 3))])
    return turns[quarters, torch.arange(len(view), device=view.device)]


def enlarged(view: View, factor: float) -> View:
    """The middle of square pictures, `factor` times as large, cut to the same size."""
    size = view.shape[-1]
    frame = F.interpolate(view, (round(size * factor),) * 2, mode="bilinear", align_corners=False)
    start = (frame.shape[-1] - size) // 2
    return frame[:, :, start : start + size, start : start + size]


def paste(view: View, other: View) -> tuple[View, MaskView]:
    """Lay the objects of `view` over the photos `other`.

    Returns:
        The picture with the mask of `view`, and which pixels count: 0 where `other` shows its own object or is within
        `DOUBT` pixels of it, 1 elsewhere.
    """
    colors = composite(other[:, :3], [Layer(view[:, :3], view[:, 3:])])
    theirs = F.max_pool2d(other[:, 3:], 2 * DOUBT + 1, 1, DOUBT)
    return torch.cat([colors, view[:, 3:]], 1), torch.maximum(1 - theirs, view[:, 3:])
