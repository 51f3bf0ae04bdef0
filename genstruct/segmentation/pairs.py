"""Generated pictures with their masks, filtered: what the first segmenter learns from."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genstruct.data.archive import Archive
from genstruct.errors import GenstructError
from genstruct.losses.mask import area, binarization, border
from genstruct.pixels import to_bytes
from genstruct.segmentation.layered import LayeredGenerator, Scene
from genstruct.segmentation.learning_config import PairConfig
from genstruct.train.randomness import Draws


def make_pairs(
    generator: LayeredGenerator,
    size: int,
    config: PairConfig,
    seed: int,
    batch: int = 250,
    prior: Float[Tensor, "1 1 size size"] | float = 0.0,
) -> tuple[Archive, float]:
    """Sample until `config.count` pairs have passed the filter; the archive lives in memory.

    Args:
        generator: Averaged weights.
        size: Resolution, pixels.
        config: The filter.
        seed: Of the codes.
        batch: Samples at a time.
        prior: Added to the mask logits: the centre prior that a generator in mid-training was trained with.

    Returns:
        The pairs, and the share of samples that passed.

    Raises:
        GenstructError: Fewer than 5 % pass: the generator has not separated object and background.
    """
    device = next(generator.parameters()).device
    images, masks, kept, drawn = [], [], 0, 0
    while kept < config.count:
        draws = Draws(seed, drawn, 0, batch, batch, device)
        z = draws.normal("pairs", generator.latent_size)
        with torch.no_grad():
            scene = generator(z, size, prior, generator.draw_noise(draws, size))
        good = usable(scene, config)
        images.append(to_bytes(scene.picture[good]))
        masks.append(to_bytes(scene.mask[good]))
        kept, drawn = kept + len(images[-1]), drawn + batch
        if drawn >= 20 * batch and kept < 0.05 * drawn:
            raise GenstructError(
                f"only {kept} of {drawn} generated masks are usable (area, frame or grey values are out of range): the "
                "generator has not separated objects from backgrounds; train it longer or with another seed"
            )
    stacked = np.concatenate(images)[: config.count], np.concatenate(masks)[: config.count, ..., 0]
    return Archive.from_arrays(*stacked), kept / drawn


def usable(scene: Scene, config: PairConfig) -> Bool[Tensor, " batch"]:
    """Which scenes have a plausible mask."""
    mask = scene.mask
    covered = area(mask)
    framed = border(mask, max(1, mask.shape[-1] // 16))
    gray = binarization(mask) / covered.clamp(min=1e-6)
    in_range = (covered > config.minimum_area) & (covered < config.maximum_area)
    return in_range & (framed < config.border) & (gray < config.gray)
