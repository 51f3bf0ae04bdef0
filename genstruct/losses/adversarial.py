"""Adversarial objectives: one value per image, so that the caller chooses mean and weight.

Each objective also says how strongly the generator's loss pulls at a fake image compared with the discriminator's
(`reversal`). Both losses depend on the image through one number, its logit, so the generator's gradient is the
discriminator's times a factor per image; one pass through the discriminator then trains both networks.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.losses.objective import Objective


def discriminator_loss(
    objective: Objective, real: Float[Tensor, " batch"], fake: Float[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """What the discriminator minimises.

    relativistic: softplus(fake - real), Jolicoeur-Martineau 2019 Eq. 2, pairing the i-th real and fake image.
    non_saturating: softplus(-real) + softplus(fake), Goodfellow et al. 2014 Eq. 1.
    wasserstein: fake - real, Arjovsky et al. 2017 Eq. 2 (needs `gradient_penalty`).
    """
    if objective == "relativistic":
        return F.softplus(fake - real)
    if objective == "non_saturating":
        return F.softplus(-real) + F.softplus(fake)
    return fake - real


def generator_loss(
    objective: Objective, real: Float[Tensor, " batch"], fake: Float[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """What the generator minimises; see `discriminator_loss`."""
    if objective == "relativistic":
        return F.softplus(real - fake)
    if objective == "non_saturating":
        return F.softplus(-fake)
    return -fake


def reversal(
    objective: Objective, real: Float[Tensor, " batch"], fake: Float[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """(d generator_loss / d fake) / (d discriminator_loss / d fake), per image.

    For the softplus losses it is -sigmoid(-d) / sigmoid(d) = -exp(-d). The exponent is clamped to +-15: beyond it one
    of the two gradients is below 3e-7 of its range, that is, lost in float32 anyway.
    """
    if objective == "wasserstein":
        return -torch.ones_like(fake)
    lead = fake - real if objective == "relativistic" else fake
    return -torch.exp(-lead.clamp(-15, 15))


def zero_centered_penalty(
    discriminator: nn.Module, images: Float[Tensor, "batch c h w"]
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """Squared gradient norm of the discriminator at `images`, and its logits there (R1 on real images, R2 on fake
    ones: Mescheder et al. 2018, Eq. 9 and 10)."""
    images = images.detach().requires_grad_()
    logits = discriminator(images)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)), logits


def gradient_penalty(
    discriminator: nn.Module,
    real: Float[Tensor, "batch c h w"],
    fake: Float[Tensor, "batch c h w"],
    share: Float[Tensor, " batch"],
) -> Float[Tensor, " batch"]:
    """(|gradient| - 1)^2 at `share` of the way from fake to real images (WGAN-GP, Gulrajani et al. 2017, Eq. 3)."""
    mixed = (fake + share[:, None, None, None] * (real - fake)).detach()
    squared, _ = zero_centered_penalty(discriminator, mixed)
    return ((squared + 1e-12).sqrt() - 1).square()
