"""A base for methods with one loss: a subclass hands over its networks and writes `loss`, and `views` if it wants any.

```python
class Rotations(SimpleMethod):
    "Tell by how many quarters a picture was turned (Gidaris et al. 2018)."

    def __init__(self, seed: int = 0) -> None:
        with seeded(seed):
            super().__init__({"encoder": resnet(), "head": nn.Linear(512, 4)}, SGDSettings(lr=0.1))

    def views(self, batch: Sample, step: Step) -> tuple[Tensor, Tensor]:
        quarters = step.draws.integers("quarters", low=0, high=4)
        return turned(batch.images, quarters), quarters

    def loss(self, views: tuple[Tensor, Tensor], step: Step) -> Update:
        images, quarters = views
        return Update(F.cross_entropy(self.networks["head"](self.networks["encoder"](images)), quarters))
```
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from genstruct.data.sample import Sample
from genstruct.train.method import Kept, Phase, Step, Update
from genstruct.train.optimizer_config import AdamWSettings, OptimizerSettings
from genstruct.train.schedules import Schedule, warm_up_cosine


class SimpleMethod:
    """A `Method` with one phase, called `train`. Everything but `loss` may stay as it is; what a subclass overrides has
    the contract of `Method`.

    Args:
        networks: By name.
        optimizer: Of each network that is trained.
        untrained: Names of networks without gradients: momentum encoders, queues. `after_step` moves them.
        averaged: Names of networks of which the trainer keeps a moving average.
        schedule: Factor on the learning rate.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        optimizer: OptimizerSettings | None = None,
        untrained: Sequence[str] = (),
        averaged: Sequence[str] = (),
        schedule: Schedule = warm_up_cosine,
    ) -> None:
        self.networks = nn.ModuleDict(networks)
        trained = tuple(name for name in networks if name not in untrained)
        self.phases = (Phase("train", trained),)
        self.optimizers: Mapping[str, OptimizerSettings] = dict.fromkeys(trained, optimizer or AdamWSettings())
        self.averaged, self.schedule = tuple(averaged), schedule
        for name in untrained:
            self.networks[name].requires_grad_(False)

    def views(self, batch: Sample, step: Step) -> Any:
        """What `loss` looks at, made from this rank's rows with the draws of `step`: the images as they are."""
        return batch.images

    def loss(self, views: Any, step: Step) -> Update:
        """One value for each row, or their mean; what to log; and what to keep for `after_step`."""
        raise NotImplementedError(f"{type(self).__name__} needs a method loss(views, step)")

    def compute(self, phase: Phase, batch: Sample, step: Step) -> Update:
        """The loss of augmented views."""
        return self.loss(self.views(batch, step), step)

    def lr_multiplier(self, network: str, step: Step) -> float:
        """The schedule."""
        return self.schedule(step.fraction)

    def after_step(self, step: Step, kept: Kept) -> None:
        """Nothing to do."""

    def preview(self, networks: nn.ModuleDict, batch: Sample, step: Step) -> dict[str, Float[Tensor, "..."]]:
        """No pictures."""
        return {}

    def collapse_reason(self, logs: Mapping[str, float], step: Step) -> str | None:
        """None: whether a loss that stays finite has collapsed is for the method to know."""
        return None
