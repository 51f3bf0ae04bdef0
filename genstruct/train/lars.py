"""LARS: gradient descent whose step is in proportion to each parameter's own length."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
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
    def step(  # pyright: ignore[reportIncompatibleMethodOverride] - torch declares it twice
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Move every parameter that has a gradient."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)
        return loss

    def _move(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        descent = gradient.add(parameter, alpha=group["weight_decay"])
        if group["scaled"]:
            descent *= scaling(parameter, gradient, group["weight_decay"], group["trust"])
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        velocity = state["momentum_buffer"].mul_(group["momentum"]).add_(descent)
        parameter.add_(velocity, alpha=-group["lr"])


def scaling(parameter: Tensor, gradient: Tensor, decay: float, trust: float) -> Float[Tensor, ""]:
    """The factor q on the step of a parameter, left on the device."""
    length, slope = parameter.norm(), gradient.norm()
    return torch.where((length > 0) & (slope > 0), trust * length / (slope + decay * length), 1.0)
