"""Optimisers by their settings, with the rule which parameters decay, and their state in checkpoints."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genstruct.errors import CheckpointError
from genstruct.train.lars import LARS
from genstruct.train.optimizer_config import (
    AdamSettings,
    AdamWSettings,
    LARSSettings,
    OptimizerSettings,
    SGDSettings,
)

Groups = list[dict[str, Any]]


def make_optimizer(network: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """The optimiser of those parameters of `network` that need a gradient now."""
    parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
    return _MAKERS[type(settings)](_groups(parameters, settings), settings)


def is_bias_or_norm(name: str, parameter: Tensor) -> bool:
    """Whether a parameter is a bias, or one number a channel as those of normalisation layers are."""
    return parameter.ndim <= 1 or name.rpartition(".")[2] == "bias"


def state_of(optimizer: Optimizer, settings: OptimizerSettings) -> dict[str, Any]:
    """What a checkpoint holds of an optimiser."""
    return {"name": settings.name, **optimizer.state_dict()}


def restore(optimizer: Optimizer, settings: OptimizerSettings, saved: Mapping[str, Any], what: str) -> None:
    """Set the state from a checkpoint; rates, decays and the like stay those of `settings`.

    Args:
        optimizer: Made by `make_optimizer`.
        settings: Its settings.
        saved: As `state_of` gave it.
        what: Is trained, for messages.

    Raises:
        CheckpointError: Of another kind of optimiser, or of other parameters.
    """
    kind = saved.get("name", settings.name)  # earlier versions had one kind and did not say so
    if kind != settings.name:
        raise CheckpointError(
            f"the checkpoint's optimizer of {what} is {kind}, here it is {settings.name}; keep {kind}"
        )
    groups = optimizer.state_dict()["param_groups"]
    if (counts := _counts(saved["param_groups"])) != _counts(groups):
        raise CheckpointError(
            f"the checkpoint's optimizer of {what} has groups of {counts} parameters, here they are {_counts(groups)}; "
            "keep exclude_bias_and_norm as it was"
        )
    optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})
    _match_memory(optimizer)


def moments(optimizers: Iterable[Optimizer]) -> list[Tensor]:
    """Every tensor that optimisers keep."""
    states = [state for optimizer in optimizers for state in optimizer.state.values()]
    return [value for state in states for value in state.values() if isinstance(value, Tensor)]


def _groups(parameters: Mapping[str, nn.Parameter], settings: OptimizerSettings) -> Groups:
    """All parameters in their order; those that are excluded from decay and scaling in a second group."""
    if not getattr(settings, "exclude_bias_and_norm", False):
        return [{"params": list(parameters.values())}]
    spared = {name for name, parameter in parameters.items() if is_bias_or_norm(name, parameter)}
    first, second = ([p for name, p in parameters.items() if (name in spared) == chosen] for chosen in (False, True))
    return [{"params": first}, {"params": second, "weight_decay": 0.0}]


def _adam(groups: Groups, settings: AdamSettings) -> Optimizer:
    return torch.optim.Adam(groups, settings.lr, settings.betas, settings.eps, fused=True)


def _adamw(groups: Groups, settings: AdamWSettings) -> Optimizer:
    return torch.optim.AdamW(
        groups, settings.lr, settings.betas, settings.eps, weight_decay=settings.weight_decay, fused=True
    )


def _sgd(groups: Groups, settings: SGDSettings) -> Optimizer:
    return torch.optim.SGD(
        groups,
        settings.lr,
        settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=settings.nesterov,
        fused=True,
    )


def _lars(groups: Groups, settings: LARSSettings) -> Optimizer:
    groups = [group | {"scaled": number == 0} for number, group in enumerate(groups)]
    return LARS(groups, settings.lr, settings.momentum, settings.weight_decay, settings.trust)


_MAKERS: Mapping[type, Callable[[Groups, Any], Optimizer]] = {
    AdamSettings: _adam,
    AdamWSettings: _adamw,
    SGDSettings: _sgd,
    LARSSettings: _lars,
}


def _counts(groups: Groups) -> list[int]:
    return [len(group["params"]) for group in groups]


def _match_memory(optimizer: Optimizer) -> None:
    """Lay moments out in memory like their parameter: the fused kernel walks both in one order, and a checkpoint may
    have been written with another `channels_last`."""
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                state[key] = torch.empty_like(parameter, requires_grad=False).copy_(value)
