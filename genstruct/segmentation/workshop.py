"""What the stages of a run share: its folder, its device, how a training is run and reported, and where weights go."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar

import torch.distributed as dist
from torch import nn

from genstruct.data.archive import Archive
from genstruct.data.batches import Batches
from genstruct.errors import GenstructError
from genstruct.files import write_bytes
from genstruct.segmentation.invert import Inverter
from genstruct.segmentation.segmenter import RUN_FILE, Segmenter
from genstruct.train import distributed
from genstruct.train.config import TrainConfig
from genstruct.train.method import Method
from genstruct.train.report import OnProgress, Progress
from genstruct.train.signals import Stopped, interrupted_by_signals, stop_on_signals
from genstruct.train.trainer import Trainer

T = TypeVar("T")
Reporter = Callable[[str], AbstractContextManager[OnProgress]]
"""Given the name of a stage, what shows its progress."""
STOPPED = "stopped by a signal; all before this stage is saved, and the same command continues with it"


class Workshop:
    """Where the stages of one run work.

    Args:
        config: Of the adversarial stage; device, precision, seed and threads hold for all.
        out: Folder of the run.
        reporter: Shows progress.
    """

    def __init__(self, config: TrainConfig, out: Path, reporter: Reporter) -> None:
        self.config, self.out, self._reporter = config, out, reporter
        self.device = distributed.pick_device(config.device)

    @contextmanager
    def stage(self, name: str) -> Iterator[OnProgress]:
        """What shows the progress of a stage. A signal that interrupts it is told, and becomes `Stopped`."""
        with self._reporter(name) as progress:
            try:
                yield progress
            except KeyboardInterrupt as interrupt:
                if not isinstance(interrupt, Stopped):
                    progress(Progress(0, 1, event=STOPPED))
                raise Stopped from interrupt

    def batches(self, archive: Archive, config: TrainConfig) -> Batches:
        """Those of this rank, on its device."""
        ranks = distributed.current()
        return Batches(archive, config.batch, config.seed, self.device, ranks.rank, ranks.world)

    def train(
        self,
        progress: OnProgress,
        method: Method,
        archive: Archive,
        config: TrainConfig,
        folder: Path,
        resume: Path | Literal["auto"] = "auto",
    ) -> nn.ModuleDict:
        """The networks to use once trained. Raises `Stopped` where a signal ended it: the trainer has told."""
        with self.batches(archive, config) as batches:
            trainer = Trainer(method, batches, config, folder, progress, resume)
            if trainer.run().interrupted:
                raise Stopped
            return trainer.networks()

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
            write_bytes(self.out / name, model.encode())
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
        KeyboardInterrupt: On every rank, after a signal to any of them.
    """
    ranks = distributed.current()
    if ranks.world == 1:
        return make()
    message: list[T | GenstructError | KeyboardInterrupt | None] = [None]
    with stop_on_signals() as stop:
        if ranks.main:
            try:
                with interrupted_by_signals():
                    message = [make()]
            except (GenstructError, KeyboardInterrupt) as error:
                message = [error]
        dist.broadcast_object_list(message, 0)
        stopped = distributed.any_rank(stop.wanted)
    result = message[0]
    if isinstance(result, GenstructError | KeyboardInterrupt):
        raise result
    if stopped:
        raise KeyboardInterrupt
    return result
