"""How healthy is a layered generator? Judged without labels, to choose among several short starts."""

import torch

from genstruct.losses.mask import area, binarization, border
from genstruct.segmentation.config import ObjectiveConfig
from genstruct.segmentation.layered import LayeredGenerator, fading_prior
from genstruct.train.randomness import Draws


@torch.no_grad()
def health_score(
    generator: LayeredGenerator, size: int, objective: ObjectiveConfig, fraction: float = 1.0, samples: int = 256
) -> float:
    """Between 0 (degenerate) and 1: the product of five signs of separated layers, each in [0, 1].

    Mean area within the hinges; few grey pixels; nothing on the frame; layers that differ inside the mask; masks whose
    shape and place vary. The last two catch what the first three miss: a random mask over twice the same picture, and
    one template for all.

    Scenes are made with the centre prior of that moment: what the generator has learned to draw early on are masks less
    that prior. (At a share of 0.16 with a prior that ends at 0.2, it changed scores by at most 0.006.)

    Args:
        generator: Averaged weights.
        size: Resolution, pixels.
        objective: Whose area hinges and centre prior apply.
        fraction: Share of the training that is done, in [0, 1]; the prior fades with it.
        samples: Scenes to look at.
    """
    device = next(generator.parameters()).device
    z = Draws(0, 0, 0, samples, samples, device).normal("health", generator.latent_size)
    scene = generator(z, size, fading_prior(objective, fraction, size, device))
    mask = scene.mask
    covered = area(mask)
    share = covered.mean().item()
    in_range = float(objective.minimum_area * 0.5 < share < objective.maximum_area)
    gray = (binarization(mask).mean() / covered.mean().clamp(min=1e-6)).item()
    framed = border(mask, max(1, size // 16)).mean().item()
    apart = (scene.background - scene.foreground).abs() * mask
    difference = (apart.sum((1, 2, 3)) / (3 * mask.sum((1, 2, 3)) + 1e-6)).mean().item()
    variety = (mask.std(0).mean() / covered.mean().clamp(min=1e-6)).item()
    signs = (in_range, 1 - gray, 1 - 4 * framed, 4 * difference, 2.5 * variety)
    score = 1.0
    for sign in signs:
        score *= min(max(sign, 0.0), 1.0)
    return score
