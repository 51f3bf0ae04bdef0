"""How fast this machine trains, found by a few steps, and how much of a plan fits a time."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from genstruct.data.archive import Archive
from genstruct.data.batches import Batches
from genstruct.train.config import TrainConfig
from genstruct.train.distributed import pick_device
from genstruct.train.method import Method
from genstruct.train.signals import Stopped
from genstruct.train.trainer import Trainer

STEPS = 16
"""Steps that are timed; phases that come every few steps are among them. Half as many go before: they are slower."""


@dataclass(frozen=True)
class Work:
    """A part of a plan.

    Args:
        name: For people; the name of the stage.
        seconds: How long it takes at full length.
        scales: Whether it may be shortened or lengthened.
    """

    name: str
    seconds: float
    scales: bool = True

    def times(self, factor: float) -> "Work":
        """The same at another length."""
        return replace(self, seconds=self.seconds * factor) if self.scales else self


def seconds_per_image(method: Method, archive: Archive, config: TrainConfig) -> float:
    """Of a training with these settings, on this machine as busy as it is now. Nothing of it is kept.

    Args:
        method: Is trained a little: make one for this.
        archive: Images (and masks) of the size that the method takes; what is on them does not matter.
        config: Its settings.

    Raises:
        Stopped: After SIGINT or SIGTERM.
    """
    steps, rarely = (STEPS // 2, STEPS // 2 + STEPS), 10**9
    timed = replace(
        config,
        images=max(config.images, steps[1] * config.batch),
        tensorboard=False,
        preview_every_images=0,
        log_every_images=rarely,
        health_every_images=rarely,
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        Batches(archive, config.batch, config.seed, pick_device(config.device)) as batches,
    ):
        trainer = Trainer(method, batches, timed, Path(folder))
        marks = []
        for until in steps:
            if trainer.run(until * config.batch).interrupted:
                raise Stopped
            marks.append(time.perf_counter())
    return (marks[1] - marks[0]) / (STEPS * config.batch)


def fitting_factor(works: Sequence[Work], seconds: float, lowest: float, highest: float) -> float:
    """By how much to lengthen what scales so that all takes `seconds`; within bounds, so that it may take longer."""
    fixed = sum(work.seconds for work in works if not work.scales)
    scaled = sum(work.seconds for work in works if work.scales)
    return min(max((seconds - fixed) / max(scaled, 1e-9), lowest), highest)
