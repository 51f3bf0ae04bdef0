"""What the stages of a run share: its folder, its device, how a training is run and reported, and where weights go."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar

import torch.distributed as dist
from torch import nn

from genstruct.data.archive import Archive
from genstruct.data.batches import Batches
from genstruct.errors import GenstructError
from genstruct.segmentation.invert import Inverter
from genstruct.segmentation.segmenter import RUN_FILE, Segmenter
from genstruct.train import distributed
from genstruct.train.config import TrainConfig
from genstruct.train.method import Method
from genstruct.train.report import OnProgress, Progress, writing
from genstruct.train.trainer import Trainer

T = TypeVar("T")
Reporter = Callable[[str], AbstractContextManager[OnProgress]]
"""Given the name of a stage, what shows its progress."""


class Workshop:
    """Where the stages of one run work.

    Args:
        config: Of the adversarial stage; device, precision, seed and threads hold for all.
        out: Folder of the run.
        reporter: Shows progress.
    """

    def __init__(self, config: TrainConfig, out: Path, reporter: Reporter) -> None:
        self.config, self.out, self.reporter = config, out, reporter
        self.device = distributed.pick_device(config.device)

    def batches(self, archive: Archive, config: TrainConfig) -> Batches:
        """Those of this rank, on its device."""
        ranks = distributed.current()
        return Batches(archive, config.batch, config.seed, self.device, ranks.rank, ranks.world)

    def train(
        self,
        name: str,
        method: Method,
        archive: Archive,
        config: TrainConfig,
        folder: Path,
        resume: Path | Literal["auto"] = "auto",
    ) -> nn.ModuleDict | None:
        """The networks to use once trained; None when a signal stopped it."""
        with self.batches(archive, config) as batches, self.reporter(name) as progress:
            trainer = Trainer(method, batches, config, folder, progress, resume)
            return None if trainer.run().interrupted else trainer.networks()

    def later(self, images: int, batch: int) -> TrainConfig:
        """Settings of a training after the adversarial one, whose networks have other names and are not compiled."""
        half_life = images / 20
        return replace(self.config, images=images, batch=batch, ema_half_life_images=half_life, compile=())

    def done(self, folder: Path) -> Segmenter | None:
        """The segmenter of a stage that has ended."""
        file = folder / RUN_FILE
        return Segmenter.load(file, str(self.device)) if file.exists() else None

    def publish(self, model: Segmenter | Inverter, name: str) -> None:
        """Write the weights of a stage: its sign that it has ended."""
        if distributed.current().main:
            file = self.out / name
            partial = file.with_suffix(".partial")
            with writing(file):
                partial.write_bytes(model.encode())
                partial.replace(file)
        distributed.barrier()


def counted(progress: OnProgress) -> Callable[[int, int], None]:
    """Report items done as progress."""

    def report(done: int, total: int) -> None:
        progress(Progress(done, total))

    return report


def made_once(make: Callable[[], T]) -> T:
    """What `make` gives on rank 0, on every rank: for work that would only be repeated. The others wait for it.

    Raises:
        GenstructError: On every rank, if it was raised on rank 0: no rank is left waiting.
    """
    ranks = distributed.current()
    if ranks.world == 1:
        return make()
    message: list[T | GenstructError | None] = [None]
    if ranks.main:
        try:
            message = [make()]
        except GenstructError as error:
            message = [error]
    dist.broadcast_object_list(message, 0)
    result = message[0]
    if isinstance(result, GenstructError):
        raise result
    return result
