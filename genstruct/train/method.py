"""What a method tells the trainer: its networks, its phases, and the loss of each phase.

A method says *what* to minimise. The trainer owns optimisers, gradient averaging, moving averages, precision, logs and
checkpoints, and knows nothing of GANs, meshes or features.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from genstruct.data.sample import Sample
from genstruct.train.randomness import Draws


@dataclass(frozen=True)
class Phase:
    """One optimiser update inside a step.

    Args:
        name: Shown in logs.
        trains: Keys of `Method.networks` that this phase updates; all others are frozen while it runs.
        every: Run when `step % every == 0`. A lazy regulariser multiplies its own weight by `every`.
    """

    name: str
    trains: tuple[str, ...]
    every: int = 1


@dataclass(frozen=True)
class AdamSettings:
    """Adam for one network. `weight_decay` is decoupled (AdamW) where it is not zero."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.0, 0.99)
    weight_decay: float = 0.0
    eps: float = 1e-8


@dataclass(frozen=True)
class Step:
    """Where training stands, handed to every computation of a step.

    Args:
        number: Of the step, from 0.
        images: Images seen by all ranks before this step.
        total_images: Images the whole training will see (schedules are fractions of it).
        draws: The randomness of this step.
    """

    number: int
    images: int
    total_images: int
    draws: Draws

    @property
    def fraction(self) -> float:
        """Share of the training that is done, in [0, 1]."""
        return min(self.images / max(self.total_images, 1), 1.0)


class Update(NamedTuple):
    """The result of a phase: what to minimise, and what to log (detached scalars, left on the device).

    The trainer averages logs by their own names, over steps and ranks, and adds each loss as `loss/<phase>`. A value
    that is not finite makes it roll back. A loss that needs no gradient (a term switched off) skips the update.
    """

    loss: Float[Tensor, ""]
    logs: dict[str, Tensor]


@runtime_checkable
class Method(Protocol):
    """A way of learning. See `Phase`, `Step` and `Update`.

    All state lives in parameters and buffers of `networks` (queues and prototypes too): that is what checkpoints hold.
    All networks exist from the start; a level not grown in yet stays out of the forward pass, gets no gradient, and is
    left alone by the optimiser. Which parameters get a gradient depends on the step, never on a rank's rows. Losses are
    means over the rows of `batch`, so that averaging gradients over ranks equals one rank with the whole batch.
    """

    networks: nn.ModuleDict
    phases: tuple[Phase, ...]
    optimizers: Mapping[str, AdamSettings]
    averaged: tuple[str, ...]
    """Networks of which the trainer keeps a moving average (used for previews, export and evaluation)."""

    def compute(self, phase: Phase, batch: Sample, step: Step) -> Update:
        """The loss of `phase` on this rank's `batch`; pure but for gradients: no state is kept between calls."""
        ...

    def lr_multiplier(self, network: str, step: Step) -> float:
        """Factor on the learning rate of `network` at `step`."""
        ...

    def after_step(self, step: Step) -> None:
        """Called once all phases of a step are done (momentum encoders, queues, prototypes)."""
        ...

    def preview(self, networks: nn.ModuleDict, step: Step) -> dict[str, Float[Tensor, "..."]]:
        """Pictures `[n, 3, h, w]` in [0, 1] by name, made with the averaged `networks` in evaluation mode.

        `step.draws` has `TrainConfig.preview_images` rows and is the same for every preview of a run, so that pictures
        can be compared over time.
        """
        ...

    def collapse_reason(self, logs: Mapping[str, float], step: Step) -> str | None:
        """Why the run has collapsed, or None while it is healthy.

        Judged by `logs` averaged over `TrainConfig.health_every_images`; `step` is the next one. A reason makes the
        trainer roll back.
        """
        ...
