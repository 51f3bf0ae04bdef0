"""The training loop. It knows methods, not GANs: phases, optimisers, averages, logs, checkpoints, roll-backs.

**Exactness.** Every random draw and every batch is a function of (seed, step, position in the global batch), and a
checkpoint holds all other state, so stopping and resuming repeats the uninterrupted run bit for bit on a CPU. Assumed:
the same versions of torch and of this package, the same kind of CPU, and the same number of threads (sums over threads
round differently). On a GPU, kernels that add atomically may differ in the last bits from run to run.
"""

import dataclasses
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from genstruct.data.sample import Sample
from genstruct.errors import ConfigError, OutputError
from genstruct.train import checkpoint, distributed
from genstruct.train.average import averaged_copy, ema_decay, update_average
from genstruct.train.config import TrainConfig
from genstruct.train.health import all_finite, check_limit, not_finite, salted_seed
from genstruct.train.method import Method, Step
from genstruct.train.randomness import Draws
from genstruct.train.report import LogSums, OnProgress, Progress, Report
from genstruct.train.signals import StopFlag, stop_on_signals
from genstruct.train.state import BatchesLike, RunResult, State, check_same_order, load_modules
from genstruct.train.updates import Updates


class Trainer:
    """Trains a method.

    Args:
        method: What to minimise. Its networks are moved to the device and hold the latest weights afterwards.
        batches: Batches of `config.batch` images over all ranks.
        config: The settings.
        out: Folder for checkpoints, log and previews; made if missing, shared by all ranks.
        on_progress: Called on rank 0 at each log line and event.
        resume: "auto" continues from the newest checkpoint in `out` if there is one, "never" refuses if there is one,
            a path continues from that checkpoint.

    Raises:
        ConfigError: Settings that do not fit the method, the ranks or the checkpoint.
        CheckpointError: The checkpoint to continue from cannot be used.
        OutputError: `out` cannot be written, or holds checkpoints although it should not.
    """

    def __init__(
        self,
        method: Method,
        batches: BatchesLike,
        config: TrainConfig,
        out: Path,
        on_progress: OnProgress | None = None,
        resume: Literal["auto", "never"] | Path = "auto",
    ) -> None:
        self.method, self.batches, self.config, self.out = method, batches, config, out
        self.ranks = distributed.current()
        self.local_batch = self.ranks.share(config.batch)
        self.on_progress = on_progress if self.ranks.main else None
        self.device = distributed.pick_device(config.device)
        _place(method.networks, self.device, config.channels_last)
        self.updates = Updates(method, self.device, config.precision)
        self.averaged = nn.ModuleDict({name: averaged_copy(method.networks[name]) for name in method.averaged})
        _compile(method.networks, config.compile)
        self.sums = LogSums()
        self.state = State()
        self.logs: dict[str, float] = {}
        self._report = Report(None, tensorboard=False)
        self._log_bytes: int | None = None
        self._resumed = self._resume(resume)

    def run(self, until_images: int | None = None) -> RunResult:
        """Train until `config.images`, or until `until_images` if that is fewer; a later call goes on.

        Returns early, with everything saved, after SIGINT or SIGTERM.

        Raises:
            TrainingFailed: Collapsed again after `config.max_rollbacks` roll-backs in a row.
            OutputError: A checkpoint cannot be written; the earlier ones are intact.
        """
        target = self.config.images if until_images is None else min(self.config.images, until_images)
        with self._session(), stop_on_signals() as stop:
            interrupted = self._loop(target, stop)
        at = self.state
        return RunResult(at.step, at.images, interrupted, at.salt, at.seconds, self.logs)

    def networks(self) -> nn.ModuleDict:
        """The networks to use: the moving average where there is one, else the latest weights."""
        return nn.ModuleDict({**dict(self.method.networks.items()), **dict(self.averaged.items())})

    def _loop(self, target: int, stop: StopFlag) -> bool:
        """Train to `target` images; whether a signal ended it early."""
        while self.state.images < target:
            before = self.state.images
            self._train_step()
            trouble = self._look(before)
            asked = distributed.any_rank(stop.wanted)
            due = self._crossed(before, self.config.save_every_images)
            if trouble is None and (due or asked or self.state.images >= target):
                trouble = self._save(scheduled=due)
            if trouble is not None:
                self._roll_back(trouble)
            elif self._crossed(before, self.config.preview_every_images):
                self._preview()
            if asked:
                self._say("stopped by a signal; saved, the same command continues")
                return True
        return False

    def _train_step(self) -> None:
        step = self._step(self.state.step)
        batch = self._batch(step.number)
        for phase in self.method.phases:
            if step.number % phase.every == 0:
                self.sums.add(self.updates.run(phase, batch, step))
        self.method.after_step(step)
        self.state.step += 1
        self.state.images += self.config.batch
        config = self.config
        decay = ema_decay(config.ema_half_life_images, config.batch, self.state.images, config.ema_ramp)
        for name, average in self.averaged.items():
            update_average(average, self.method.networks[name], decay)

    def _step(self, number: int) -> Step:
        seed = salted_seed(self.config.seed, self.state.salt)
        first = self.ranks.rank * self.local_batch
        draws = Draws(seed, number, first, self.local_batch, self.config.batch, self.device)
        return Step(number, self.state.images, self.config.images, draws)

    def _batch(self, number: int) -> Sample:
        batch = self.batches.at(number)
        if len(batch.images) != self.local_batch:
            raise ConfigError(
                f"batches give {len(batch.images)} images, but train.batch={self.config.batch} on "
                f"{self.ranks.world} processes means {self.local_batch}"
            )
        if not self.config.channels_last:
            return batch
        return dataclasses.replace(batch, images=batch.images.contiguous(memory_format=torch.channels_last))

    def _look(self, before: int) -> str | None:
        """Write the log line that is due and judge the run by it: what is wrong, or None."""
        if not self._crossed(before, self.config.log_every_images):
            return None
        health = self.state.health
        self.logs = self.sums.take()
        self._log_line()
        trouble = not_finite(self.logs)
        if trouble is not None:
            return trouble
        health.note(self.logs)
        every = self.config.health_every_images
        if self.state.images // every > health.checked_at // every:
            trouble = self.method.ailment(health.take_window(self.state.images), self._step(self.state.step))
            if trouble is None:
                health.passed()
        return trouble

    def _log_line(self) -> None:
        seconds = self._tick()
        images, mark = self.state.images, self._mark
        speed = (images - mark[0]) / max(seconds - mark[1], 1e-9)
        self._mark = (images, seconds)
        values = {"step": self.state.step, "seconds": round(seconds, 3), "images_per_second": round(speed, 3)}
        self._report.line(images, {**values, **self.logs})
        if self.on_progress:
            left = (self.config.images - images) / speed if speed > 0 else math.inf
            self.on_progress(Progress(images, self.config.images, speed, left, self.logs))

    def _say(self, event: str, **details: Any) -> None:
        self._report.line(self.state.images, {"event": event, **details})
        if self.on_progress:
            self.on_progress(Progress(self.state.images, self.config.images, event=event))

    def _save(self, scheduled: bool) -> str | None:
        """Write a checkpoint, unless weights are broken: then say so and write nothing."""
        modules = (self.method.networks, self.averaged)
        broken = not all_finite(t for module in modules for t in module.state_dict().values())
        if distributed.any_rank(broken):
            return "not finite: weights"
        if scheduled:
            self.state.health.waiting.append(checkpoint.file_for(self.out, self.state.images).name)
        self._write()
        return None

    def _write(self) -> None:
        self._tick()
        contents = {
            "networks": {name: net.state_dict() for name, net in self.method.networks.items()},
            "averaged": {name: net.state_dict() for name, net in self.averaged.items()},
            "optimizers": self.updates.state(),
            "state": self.state.plain(),
            "sums": self.sums.state(),
            "config": _plain_config(self.config),
            "log_bytes": self._report.size(),
        }
        if self.ranks.main:
            checkpoint.save(checkpoint.file_for(self.out, self.state.images), contents)
            checkpoint.prune(self.out, self.config.keep_checkpoints, self.state.health.needed())
        distributed.barrier()

    def _resume(self, resume: Literal["auto", "never"] | Path) -> bool:
        """Load the checkpoint to continue from; whether there was one."""
        newest = checkpoint.latest(self.out)
        if newest is not None and resume != "auto" and newest != resume:
            raise OutputError(f"{self.out} holds a training already ({newest.name}); give another folder")
        source = newest if isinstance(resume, str) else resume
        if source is None:
            return False
        contents = checkpoint.load(source)
        check_same_order(self.config, contents["config"])
        self._restore(contents)
        if source == newest:
            self._log_bytes = contents["log_bytes"]
        else:  # a branch of another run: its checkpoints are not here to go back to
            self.state.health.waiting = []
            self.state.health.confirmed = checkpoint.file_for(self.out, self.state.images).name
            self._write()
        return True

    def _restore(self, contents: checkpoint.Contents) -> None:
        load_modules(self.method.networks, contents["networks"], "networks")
        load_modules(self.averaged, contents["averaged"], "averaged")
        self.updates.restore(contents["optimizers"])
        self.sums.restore(contents["sums"], self.device)
        self.state = State.from_plain(contents["state"])
        self.batches.reseed(salted_seed(self.config.seed, self.state.salt))

    def _roll_back(self, why: str) -> None:
        """Return to the last healthy checkpoint under another seed; later checkpoints are deleted."""
        health, salt, images = self.state.health, self.state.salt, self.state.images
        self._tick()
        seconds = self.state.seconds
        if health.failures >= self.config.max_rollbacks:
            self._say("gave up", why=why)
        check_limit(health, why, self.config.max_rollbacks)
        healthy = self.out / checkpoint.FOLDER / health.confirmed
        distributed.barrier()
        if self.ranks.main:
            for path in reversed(checkpoint.all_in(self.out)):
                if path.name > healthy.name:
                    path.unlink()
        self._restore(checkpoint.load(healthy))
        self.state.salt, self.state.seconds = salt + 1, seconds
        self.state.health.failures, self.state.health.confirmed = health.failures + 1, healthy.name
        self.state.health.waiting = []
        self.batches.reseed(salted_seed(self.config.seed, self.state.salt))
        event = f"rolled back from {images} to {self.state.images} images ({why}); the seed changed"
        self._say(event, why=why, from_images=images, salt=self.state.salt)
        self._mark = (self.state.images, self.state.seconds)
        self._write()

    def _preview(self) -> None:
        if not self.ranks.main:
            return
        networks = self.networks()
        modes = [(module, module.training) for module in networks.modules()]
        count = self.config.preview_images
        draws = Draws(self.config.seed, -1, 0, count, count, self.device)  # the same for every preview
        step = dataclasses.replace(self._step(self.state.step), draws=draws)
        networks.eval()
        with torch.no_grad(), self.updates.autocast():
            self._report.pictures(self.state.images, self.method.preview(networks, step))
        for module, mode in modes:
            module.training = mode

    def _crossed(self, before: int, every: int) -> bool:
        """Whether a multiple of `every` images, or the end of the training, lies between `before` and now."""
        images = self.state.images
        return every > 0 and (images // every > before // every or images >= self.config.images)

    def _tick(self) -> float:
        """Seconds of training so far."""
        now = time.perf_counter()
        self.state.seconds += now - self._clock
        self._clock = now
        return self.state.seconds

    @contextmanager
    def _session(self) -> Iterator[None]:
        """Threads, log files and the clock, around the loop."""
        threads = torch.get_num_threads()
        if self.config.threads:
            torch.set_num_threads(self.config.threads)
        self._open()
        try:
            yield
        finally:
            self._report.close()
            self.updates.release()
            torch.set_num_threads(threads)

    def _open(self) -> None:
        self._clock = time.perf_counter()
        self._mark = (self.state.images, self.state.seconds)
        self._report = Report(self.out if self.ranks.main else None, self.config.tensorboard, self.state.images)
        if self._log_bytes is not None:
            self._report.rewind(self._log_bytes)
            self._log_bytes = None
        if self._resumed:
            self._say(f"continues from {self.state.images} images")
        elif self.state.step == 0:
            self.state.health.confirmed = checkpoint.file_for(self.out, 0).name
            self._write()
        self._resumed = False


def _place(networks: nn.ModuleDict, device: torch.device, channels_last: bool) -> None:
    networks.to(device)
    if channels_last:
        networks.to(memory_format=torch.channels_last)
    distributed.share_weights(networks)


def _compile(networks: nn.ModuleDict, names: tuple[str, ...]) -> None:
    unknown = set(names) - set(networks)
    if unknown:
        raise ConfigError(f"compile names {', '.join(sorted(unknown))}, but networks are {', '.join(networks)}")
    for name in names:
        networks[name].compile()


def _plain_config(config: TrainConfig) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(config).items()}
