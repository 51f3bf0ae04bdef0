"""Work in stages that resume where they stopped. See `genstruct.run` for the whole story.

```python
photos = runner.photos(experiment.data)
model = Stage("learn", learn, needs=(photos,), found=kept(out / "model.safetensors", Model.load))
runner.result(model)  # loads the model where it is there, otherwise packs the photos and learns
```
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from torch import nn

from genstruct.data.archive import Archive
from genstruct.data.batches import Batches
from genstruct.data.pack import pack
from genstruct.data.sources import open_source
from genstruct.files import write_bytes
from genstruct.run.ranks import made_once
from genstruct.run.settings import DataConfig, StartConfig
from genstruct.train import checkpoint, distributed
from genstruct.train.config import TrainConfig
from genstruct.train.method import Method, Step
from genstruct.train.report import OnProgress, Progress
from genstruct.train.signals import Stopped, interrupted_by_signals
from genstruct.train.trainer import Trainer

T = TypeVar("T")
Reporter = Callable[[str], AbstractContextManager[OnProgress]]
"""Given the name of a stage, what shows its progress."""
PHOTOS = "photos"
"""Archive of the packed photos, in the folder of a run."""
STOPPED = "stopped by a signal; all before this stage is saved, and the same command continues with it"


def _nothing() -> None:
    return None


@dataclass(frozen=True, eq=False)
class Stage(Generic[T]):
    """A piece of work whose result a later session finds.

    Args:
        name: For people.
        make: Does the work, given what shows its progress and the results of the stages that it needs. What marks it as
            done is written last.
        needs: The stages that it is made from; they are asked only when it must be made.
        found: Its result if it is done, None otherwise. Left out for work that finds out itself what is done, such as a
            training, and for work that is made anew.
        stays: Whether the result is kept in memory for other stages.
    """

    name: str
    make: Callable[..., T]
    needs: tuple["Stage[Any]", ...] = ()
    found: Callable[[], T | None] = _nothing
    stays: bool = True


@dataclass(frozen=True)
class Start:
    """A short training that may go on.

    Args:
        checkpoint: Its newest.
        health: The more, the better.
    """

    checkpoint: Path
    health: float


class StageRunner:
    """Runs the stages of one run: knows its folder, its device, what is done, and how a training is reported.

    Args:
        config: Of the first training; device, precision, seed and threads hold for all.
        out: Folder of the run.
        reporter: Shows progress.
    """

    def __init__(self, config: TrainConfig, out: Path, reporter: Reporter) -> None:
        self.config, self.out, self._reporter = config, out, reporter
        self.device = distributed.pick_device(config.device)
        self._results: dict[Stage[Any], Any] = {}

    def run(self, work: Callable[[], object]) -> bool:
        """Whether `work` went to its end; False when a signal ended a stage, which the reporter was told."""
        try:
            with interrupted_by_signals():
                work()
        except Stopped:
            return False
        return True

    def result(self, stage: Stage[T]) -> T:
        """The result of a stage: found, or made now from those that it needs. Raises `Stopped` after a signal."""
        if stage in self._results:
            return self._results[stage]
        result = stage.found()
        if not distributed.any_rank(result is not None and distributed.current().main):  # ranks must not disagree
            inputs = [self.result(needed) for needed in stage.needs]
            with self.stage(stage.name) as progress:
                result = stage.make(progress, *inputs)
        assert result is not None
        if stage.stays:
            self._results[stage] = result
        return result

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

    def photos(self, data: DataConfig) -> Stage[Archive]:
        """The photos as an archive, packed once and then read by every rank."""
        place = self.out / PHOTOS

        def make(progress: OnProgress) -> Archive:
            made_once(lambda: _pack(data, place, progress))
            return Archive.open(place)

        return Stage("pack", make)

    def starts(
        self,
        starts: StartConfig,
        photos: Stage[Archive],
        method: Callable[[int], Method],
        health: Callable[[nn.ModuleDict, Step], float],
    ) -> tuple[Stage[Start], ...]:
        """Short trainings with seeds of their own, for `healthiest` to choose from; none if `count` is 1.

        Args:
            starts: How many, and how long.
            photos: What they learn from.
            method: What they learn, given the seed.
            health: Judges, without labels, the networks to use at the step that would come next.
        """

        def make(config: TrainConfig) -> Callable[[OnProgress, Archive], Start]:
            def start(progress: OnProgress, archive: Archive) -> Start:
                folder = self.out / "starts" / f"seed-{config.seed}"
                with self.batches(archive, config) as batches:
                    trainer = Trainer(method(config.seed), batches, config, folder, progress)
                    result = trainer.run(starts.images)
                if result.interrupted:
                    raise Stopped
                newest = checkpoint.latest(folder)
                assert newest is not None
                made = Start(newest, health(trainer.networks(), trainer.current_step()))
                progress(Progress(result.images, config.images, event=f"health {made.health:.3f}"))
                return made

            return start

        seeds = [self.config.seed + number for number in range(starts.count)] if starts.count > 1 else []
        configs = [replace(self.config, seed=seed) for seed in seeds]
        return tuple(Stage(f"start {n}", make(config), (photos,)) for n, config in enumerate(configs, 1))

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
        """Settings of a training after the first one, whose networks have other names and are not compiled."""
        half_life = images / 20
        return replace(self.config, images=images, batch=batch, ema_half_life_images=half_life, compile=())

    def write(self, name: str, contents: bytes) -> None:
        """Write a file of the run, whole or not at all; ranks wait until it is there."""
        if distributed.current().main:
            write_bytes(self.out / name, contents)
        distributed.barrier()


def given(name: str, result: T) -> Stage[T]:
    """A stage that is done: its result came from elsewhere."""
    return Stage(name, lambda progress: result, found=lambda: result)


def kept(file: Path, load: Callable[[Path], T]) -> Callable[[], T | None]:
    """What finds the result of a stage in a file whose presence means that the stage is done."""
    return lambda: load(file) if file.exists() else None


def healthiest(starts: Sequence[Start]) -> Path | Literal["auto"]:
    """The checkpoint to go on with; "auto" where there were no starts."""
    return max(starts, key=lambda start: start.health).checkpoint if starts else "auto"


def silent(stage: str) -> AbstractContextManager[OnProgress]:
    """A `Reporter` that shows nothing."""
    return nullcontext(lambda progress: None)


def counted(progress: OnProgress) -> Callable[[int, int], None]:
    """Report items done as progress."""

    def report(done: int, total: int) -> None:
        progress(Progress(done, total))

    return report


def _pack(data: DataConfig, place: Path, progress: OnProgress) -> None:
    with open_source(data.root) as source:
        report = pack(source, place, data.size, data.crop, on_progress=counted(progress))
        lost = [*source.problems, *(f"{name}: {reason}" for name, reason in report.skipped)]
    if report.reused:
        return
    if lost:
        progress(Progress(0, 1, event=f"{len(lost)} files or lines left out ({'; '.join(lost[:3])})"))
    for note in report.notes:
        progress(Progress(0, 1, event=note))
