"""Judging whether a run is healthy, and keeping track of the checkpoint to go back to when it is not.

A checkpoint is *confirmed* by the first check for collapse that passes after it was written, so that what a roll-back
returns to was followed by a healthy stretch, not only preceded by one.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from genstruct.errors import GenstructError


class TrainingFailed(GenstructError):  # noqa: N818 - reads as what it is
    """A training that collapsed again after every roll-back."""


@dataclass
class Health:
    """What the monitor remembers between steps; saved with every checkpoint.

    Args:
        confirmed: File name of the last checkpoint known to be healthy.
        waiting: File name of the last checkpoint written since the last check, if any.
        failures: Roll-backs in a row, without a checkpoint confirmed in between.
        window: Sum and number of log lines since the last check, by logged name.
        checked_at: Images seen at the last check.
    """

    confirmed: str = ""
    waiting: str = ""
    failures: int = 0
    window: dict[str, list[float]] = field(default_factory=dict)
    checked_at: int = 0

    def note(self, logs: Mapping[str, float]) -> None:
        """Take in a log line."""
        for name, value in logs.items():
            total, lines = self.window.get(name, (0.0, 0.0))
            self.window[name] = [total + value, lines + 1.0]

    def take_window(self, images: int) -> dict[str, float]:
        """Means of the log lines since the last check, which is now."""
        means = {name: total / lines for name, (total, lines) in self.window.items()}
        self.window, self.checked_at = {}, images
        return means

    def passed(self) -> None:
        """A check found the run healthy."""
        if self.waiting:
            self.confirmed, self.waiting, self.failures = self.waiting, "", 0

    def needed(self) -> set[str]:
        """File names of checkpoints that must not be pruned."""
        return {self.confirmed, self.waiting}


def not_finite(logs: Mapping[str, float]) -> str | None:
    """A phrase naming the logged values that are NaN or infinite, or None."""
    bad = [name for name, value in logs.items() if not math.isfinite(value)]
    return f"not finite: {', '.join(bad)}" if bad else None


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether no tensor holds NaN or infinity. One transfer from the device for all of them."""
    flags = [t.isfinite().all() for t in tensors if t.is_floating_point()]
    return bool(torch.stack(flags).all()) if flags else True


def salted_seed(seed: int, salt: int) -> int:
    """The seed of a run after `salt` roll-backs: another number each time, `seed` itself before the first."""
    return seed + 1_000_003 * salt
