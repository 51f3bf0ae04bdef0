"""What a training is beside its tensors, and the shape of a checkpoint's contents."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import nn

from genstruct.data.sample import Sample
from genstruct.errors import CheckpointError, ConfigError
from genstruct.train.config import TrainConfig
from genstruct.train.health import Health


@runtime_checkable
class BatchesLike(Protocol):
    """Where batches come from. What `at` gives depends on its argument and the seed only."""

    def at(self, step: int) -> Sample:
        """This rank's rows of the batch of step number `step`, on the training device."""
        ...

    def evenly(self, count: int) -> Sample:
        """`count` images spread evenly over the set, on the training device: the same at every call, on any rank."""
        ...

    def reseed(self, seed: int) -> None:
        """Follow another seed from the next call on (after a roll-back)."""
        ...


@dataclass
class State:
    """Where a training stands, apart from tensors; saved with every checkpoint.

    Args:
        step: Steps done.
        images: Images seen by all ranks.
        salt: Roll-backs so far; it changes the seed of what follows.
        seconds: Time spent training, over all sessions.
        health: Which checkpoint to go back to, and the logs since the last check.
    """

    step: int = 0
    images: int = 0
    salt: int = 0
    seconds: float = 0.0
    health: Health = field(default_factory=Health)

    def plain(self) -> dict[str, Any]:
        """As a dictionary for a checkpoint."""
        return dataclasses.asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "State":
        """From such a dictionary."""
        return cls(**{**values, "health": Health(**values["health"])})


@dataclass(frozen=True)
class RunResult:
    """How a call of `Trainer.run` ended.

    Args:
        step: Steps done in the whole training.
        images: Images seen in the whole training.
        interrupted: Whether a signal stopped it.
        rollbacks: Roll-backs in the whole training.
        seconds: Time spent in the whole training.
        logs: The last averaged logs; empty if nothing was logged in this call.
    """

    step: int
    images: int
    interrupted: bool
    rollbacks: int
    seconds: float
    logs: dict[str, float]


def load_modules(modules: nn.ModuleDict, weights: Mapping[str, Any], what: str) -> None:
    """Copy weights by network name into `modules`; raises CheckpointError where names or shapes differ."""
    if set(modules) != set(weights):
        raise CheckpointError(f"the checkpoint's {what} are {_list(weights)}, the method's are {_list(modules)}")
    for name, module in modules.items():
        try:
            module.load_state_dict(weights[name])
        except RuntimeError as error:
            detail = " ".join(str(error).split())[:300]
            raise CheckpointError(f"the checkpoint's {what}.{name} is another network: {detail}") from error


def check_same_order(config: TrainConfig, saved: Mapping[str, Any]) -> None:
    """Raise ConfigError if a checkpoint's settings would draw other batches than `config`."""
    for name in ("seed", "batch"):
        if name in saved and saved[name] != getattr(config, name):
            raise ConfigError(
                f"the training to continue has {name}={saved[name]}, got {name}={getattr(config, name)}; "
                f"keep {name} or train into another folder"
            )


def _list(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
