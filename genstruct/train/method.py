"""What a method tells the trainer: its networks, its phases, and the loss of each phase.

A method says *what* to minimise. The trainer owns optimisers, gradient averaging, moving averages, precision, logs and
checkpoints, and knows nothing of GANs, meshes or features.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from genstruct.data.sample import Sample
from genstruct.train.optimizer_config import OptimizerSettings
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


Kept = Mapping[str, Mapping[str, Tensor]]
"""What the phases of a step handed on: by the name of the phase, then by a name that the method gives. A phase that did
not run in this step (`Phase.every`) is absent; one that handed on nothing has an empty mapping."""


@dataclass(frozen=True)
class Update:
    """The result of a phase.

    Args:
        loss: What to minimise: a scalar, or one value for each row of the batch, whose mean is meant. One that needs no
            gradient (a term switched off) skips the update; one that is not finite makes the trainer roll back.
        logs: Scalars to log, left on the device. The trainer averages them by their own names, over steps and ranks,
            and adds each loss as `loss/<phase>`.
        kept: What `Method.after_step` needs of this computation (keys for a queue), by name; handed on without
            gradients, on this rank only.
    """

    loss: Float[Tensor, "*rows"]
    logs: Mapping[str, Tensor] = field(default_factory=dict)
    kept: Mapping[str, Tensor] = field(default_factory=dict)


@runtime_checkable
class Method(Protocol):
    """A way of learning. See `Phase`, `Step` and `Update`.

    All state lives in parameters and buffers of `networks` (queues, prototypes and momentum encoders too): that is what
    checkpoints hold, and it must be equal on all ranks. All networks exist from the start; a level not grown in yet
    stays out of the forward pass, gets no gradient, and is left alone by the optimiser. Which parameters get a gradient
    depends on the step, never on a rank's rows. Losses are means over the rows of `batch`, so that averaging gradients
    over ranks equals one rank with the whole batch; what compares rows gathers them
    (`genstruct.nn.collective.gather_with_gradient`), and batch statistics are those of all ranks
    (`genstruct.nn.batch_norm.BatchNorm`).

    `genstruct.train.simple.SimpleMethod` does all of this for methods with one loss. A new method is added to the table
    of `tests/train/test_method_conformance.py`, which checks what is said here.
    """

    @property
    def networks(self) -> nn.ModuleDict:
        """All networks by name, trained or not."""
        ...

    @property
    def phases(self) -> tuple[Phase, ...]:
        """In the order in which a step runs them."""
        ...

    @property
    def optimizers(self) -> Mapping[str, OptimizerSettings]:
        """How each network that is trained is trained."""
        ...

    @property
    def averaged(self) -> tuple[str, ...]:
        """Networks of which the trainer keeps a moving average (used for previews, export and evaluation)."""
        ...

    def compute(self, phase: Phase, batch: Sample, step: Step) -> Update:
        """The loss of `phase` on this rank's `batch`; pure but for gradients: no state is kept between calls."""
        ...

    def lr_multiplier(self, network: str, step: Step) -> float:
        """Factor on the learning rate of `network` at `step`."""
        ...

    def after_step(self, step: Step, kept: Kept) -> None:
        """Called without gradients once all phases of a step are done (momentum encoders, queues, prototypes).

        What becomes state here must not depend on one rank's rows: gather them first.
        """
        ...

    def preview(self, networks: nn.ModuleDict, batch: Sample, step: Step) -> dict[str, Float[Tensor, "..."]]:
        """Pictures `[n, 3, h, w]` in [0, 1] by name, made with the averaged `networks` in evaluation mode.

        `batch` holds `TrainConfig.preview_images` images spread over the set and `step.draws` as many rows. Both are
        the same for every preview of a run, so that pictures can be compared over time. Only rank 0 is asked: nothing
        may be gathered here.
        """
        ...

    def collapse_reason(self, logs: Mapping[str, float], step: Step) -> str | None:
        """Why the run has collapsed, or None while it is healthy.

        Judged by `logs` averaged over `TrainConfig.health_every_images`; `step` is the next one. A reason makes the
        trainer roll back.
        """
        ...
