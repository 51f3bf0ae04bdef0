"""Adversarial objectives: one value per image, so that the caller chooses mean and weight.

Each objective also says how strongly the generator's loss pulls at a made image compared with the discriminator's
(`reversal`). Both losses depend on the image through one number, its logit, so the generator's gradient is the
discriminator's times a factor per image; one pass through the discriminator then trains both networks.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.losses.objective import Objective


def discriminator_loss(
    objective: Objective, real: Float[Tensor, " batch"], made: Float[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """What the discriminator minimises.

    relativistic: softplus(made - real), Jolicoeur-Martineau 2019 Eq. 2, pairing the i-th real and made image.
    non_saturating: softplus(-real) + softplus(made), Goodfellow et al. 2014 Eq. 1.
    wasserstein: made - real, Arjovsky et al. 2017 Eq. 2 (needs `gradient_penalty`).
    """
    if objective == "relativistic":
        return F.softplus(made - real)
    if objective == "non_saturating":
        return F.softplus(-real) + F.softplus(made)
    return made - real


def generator_loss(
    objective: Objective, real: Float[Tensor, " batch"], made: Float[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """What the generator minimises; see `discriminator_loss`."""
    if objective == "relativistic":
        return F.softplus(real - made)
    if objective == "non_saturating":
        return F.softplus(-made)
    return -made


def reversal(
    objective: Objective, real: Float[Tensor, " batch"], made: Float[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """(d generator_loss / d made) / (d discriminator_loss / d made), per image.

    For the softplus losses it is -sigmoid(-d) / sigmoid(d) = -exp(-d). The exponent is clamped to +-15: beyond it one
    of the two gradients is below 3e-7 of its range, that is, lost in float32 anyway.
    """
    if objective == "wasserstein":
        return -torch.ones_like(made)
    lead = made - real if objective == "relativistic" else made
    return -torch.exp(-lead.clamp(-15, 15))


def zero_centered_penalty(
    discriminator: nn.Module, images: Float[Tensor, "batch c h w"]
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """Squared gradient norm of the discriminator at `images`, and its logits there (R1 on real images, R2 on made
    ones: Mescheder et al. 2018, Eq. 9 and 10)."""
    images = images.detach().requires_grad_()
    logits = discriminator(images)
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3)), logits


def gradient_penalty(
    discriminator: nn.Module,
    real: Float[Tensor, "batch c h w"],
    made: Float[Tensor, "batch c h w"],
    share: Float[Tensor, " batch"],
) -> Float[Tensor, " batch"]:
    """(|gradient| - 1)^2 at `share` of the way from made to real images (WGAN-GP, Gulrajani et al. 2017, Eq. 3)."""
    mixed = (made + share[:, None, None, None] * (real - made)).detach()
    squared, _ = zero_centered_penalty(discriminator, mixed)
    return ((squared + 1e-12).sqrt() - 1).square()
