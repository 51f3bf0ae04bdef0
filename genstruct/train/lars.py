"""LARS: gradient descent whose step is in proportion to each parameter's own length."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling (You et al. 2017, Algorithm 1), with momentum.

    For a parameter w with gradient g: `q = trust |w| / (|g| + decay |w|)`, Eq. 6; 1 where w or g is zero. Then
    `v <- momentum v + q (g + decay w)` and `w <- w - lr v`. The paper multiplies by `lr` before adding to v; we do so
    afterwards, as torch's SGD and the published trainings with LARS (SimCLR, BYOL, Barlow Twins) do: they differ where
    the rate changes from step to step.

    Args:
        groups: Parameters, or groups of them; a group with `scaled=False` has q = 1.
        lr: Learning rate.
        momentum: Decay of v.
        weight_decay: The decay.
        trust: Length of a step at a rate of 1, as a share of |w|.
    """

    def __init__(
        self,
        groups: Iterable[Any],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 1e-3,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust, "scaled": True}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            if parameters := [p for p in group["params"] if p.grad is not None]:
                self._move(parameters, group)

    def _move(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        gradients: list[Tensor] = [p.grad for p in parameters if p.grad is not None]
        descent = torch._foreach_add(gradients, parameters, alpha=group["weight_decay"])
        if group["scaled"]:
            torch._foreach_mul_(descent, _ratios(parameters, gradients, group["weight_decay"], group["trust"]))
        velocity = [self._velocity(p) for p in parameters]
        torch._foreach_mul_(velocity, group["momentum"])
        torch._foreach_add_(velocity, descent)
        torch._foreach_add_(parameters, velocity, alpha=-group["lr"])

    def _velocity(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        return state["momentum_buffer"]


def _ratios(parameters: list[Tensor], gradients: list[Tensor], decay: float, trust: float) -> list[Tensor]:
    """Factor on the step of each parameter (Eq. 6), left on the device."""
    lengths, slopes = torch._foreach_norm(parameters), torch._foreach_norm(gradients)
    ratios = [trust * w / (g + decay * w) for w, g in zip(lengths, slopes, strict=True)]
    usable = [(w > 0) & (g > 0) for w, g in zip(lengths, slopes, strict=True)]
    return [torch.where(yes, ratio, 1.0) for yes, ratio in zip(usable, ratios, strict=True)]
