"""Moving averages of weights, by half-life in images (Karras et al. 2020, StyleGAN2-ADA's training loop)."""

import copy
from collections.abc import Iterable

import torch
from torch import nn


def ema_decay(half_life_images: float, batch: int, images: int, ramp: float = 0.0) -> float:
    """Per-step factor on the old average, in [0, 1).

    Args:
        half_life_images: Images after which a weight's share has halved; 0 = keep the latest weights only.
        batch: Images of the step.
        images: Images seen so far, this step included.
        ramp: If not 0, the half-life is at most `ramp * images`, so that the start is forgotten early.
    """
    half_life = min(half_life_images, images * ramp) if ramp else half_life_images
    return 0.5 ** (batch / half_life) if half_life > 0 else 0.0


def averaged_copy(network: nn.Module) -> nn.Module:
    """A copy of `network` to hold its moving average: in evaluation mode, without gradients."""
    return copy.deepcopy(network).requires_grad_(False).eval()


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move `average` towards `network`: `average = decay * average + (1 - decay) * network`; buffers are copied."""
    _lerp(list(average.parameters()), list(network.parameters()), 1 - decay)
    for mine, theirs in zip(average.buffers(), network.buffers(), strict=True):
        mine.copy_(theirs)


def _lerp(average: list[torch.Tensor], latest: Iterable[torch.Tensor], weight: float) -> None:
    if average:
        torch._foreach_lerp_(average, [p.detach() for p in latest], weight)  # pyright: ignore[reportPrivateImportUsage]
