"""The training loop. It knows methods, not GANs: phases, optimisers, averages, logs, checkpoints, roll-backs.

**Exactness.** Every random draw and every batch is a function of (seed, step, position in the global batch), and a
checkpoint holds all other state, so stopping and resuming repeats the uninterrupted run bit for bit on a CPU. Assumed:
the same versions of torch and of this package, the same kind of CPU, and the same number of threads (sums over threads
round differently). On a GPU, kernels that add atomically may differ in the last bits from run to run.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from genstruct.data.sample import Sample
from genstruct.errors import ConfigError, OutputError
from genstruct.train import checkpoint, distributed
from genstruct.train.average import averaged_copy, ema_decay, update_average
from genstruct.train.config import TrainConfig
from genstruct.train.health import Health, TrainingFailed, all_finite, not_finite, salted_seed
from genstruct.train.journal import Journal
from genstruct.train.method import Method, Step
from genstruct.train.randomness import Draws
from genstruct.train.report import LogSums, OnProgress
from genstruct.train.signals import StopFlag, stop_on_signals
from genstruct.train.state import BatchesLike, RunResult, State, check_same_order, load_modules
from genstruct.train.threads import cpu_threads
from genstruct.train.updates import Updates, compile_forward, place


class Trainer:
    """Trains a method.

    Args:
        method: What to minimise. Its networks are moved to the device and hold the latest weights afterwards.
        batches: Batches of `config.batch` images over all ranks; they are reseeded with `config.seed`.
        config: The settings.
        out: Folder for checkpoints, log and previews; made if missing, shared by all ranks.
        on_progress: Called on rank 0 at each log line and event.
        resume: "auto" continues from the newest checkpoint in `out` if there is one, "never" refuses if there is one,
            a path starts from that checkpoint (of this or another run) unless `out` holds one already.

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
        place(method.networks, self.device, config.channels_last)
        self.updates = Updates(method, self.device, config.precision)
        self.averaged = nn.ModuleDict({name: averaged_copy(method.networks[name]) for name in method.averaged})
        compile_forward(method.networks, config.compile)
        self.sums = LogSums()
        self.state = State()
        self.logs: dict[str, float] = {}
        self._journal = Journal(None, config.images, False, None, self.state)
        self._log_bytes: int | None = None
        batches.reseed(config.seed)
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

    def current_step(self) -> Step:
        """The step that comes next. With `updates.run` it lets a benchmark time one phase."""
        seed = salted_seed(self.config.seed, self.state.salt)
        first = self.ranks.rank * self.local_batch
        draws = Draws(seed, self.state.step, first, self.local_batch, self.config.batch, self.device)
        return Step(self.state.step, self.state.images, self.config.images, draws)

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
                self._journal.event(self.state, "stopped by a signal; saved, the same command continues")
                return True
        return False

    def _train_step(self) -> None:
        step = self.current_step()
        batch = self._batch(step.number)
        done = self.updates.run_due(batch, step)
        for update in done.values():
            self.sums.add(update.logs)
        with torch.no_grad():
            self.method.after_step(step, {name: update.kept for name, update in done.items()})
        self.state.step += 1
        self.state.images += self.config.batch
        config = self.config
        decay = ema_decay(config.ema_half_life_images, config.batch, self.state.images, config.ema_ramp)
        for name, average in self.averaged.items():
            update_average(average, self.method.networks[name], decay)

    def _batch(self, number: int) -> Sample:
        batch = self.batches.at(number)
        if len(batch.images) != self.local_batch:
            raise ConfigError(
                f"batches give {len(batch.images)} images, but train.batch={self.config.batch} on "
                f"{self.ranks.world} processes means {self.local_batch}"
            )
        return self._in_memory_order(batch)

    def _in_memory_order(self, batch: Sample) -> Sample:
        if not self.config.channels_last:
            return batch
        return dataclasses.replace(batch, images=batch.images.contiguous(memory_format=torch.channels_last))

    def _look(self, before: int) -> str | None:
        """Write the log line that is due and judge the run by it: what is wrong, or None."""
        if not self._crossed(before, self.config.log_every_images):
            return None
        health = self.state.health
        self.logs = self.sums.take()
        self._journal.logs(self.state, self.logs)
        trouble = not_finite(self.logs)
        if trouble is not None:
            return trouble
        health.note(self.logs)
        every = self.config.health_every_images
        if self.state.images // every > health.checked_at // every:
            trouble = self.method.collapse_reason(health.take_window(self.state.images), self.current_step())
            if trouble is None:
                health.passed()
        return trouble

    def _save(self, scheduled: bool) -> str | None:
        """Write a checkpoint, unless weights are broken: then say so and write nothing."""
        modules = (self.method.networks, self.averaged)
        tensors = [t for module in modules for t in module.state_dict().values()] + self.updates.moments()
        if distributed.any_rank(not all_finite(tensors)):
            return "not finite: weights or optimiser moments"
        if scheduled:
            self.state.health.waiting = checkpoint.file_for(self.out, self.state.images).name
        self._write()
        return None

    def _write(self) -> None:
        self._journal.tick(self.state)
        contents = {
            "networks": {name: net.state_dict() for name, net in self.method.networks.items()},
            "averaged": {name: net.state_dict() for name, net in self.averaged.items()},
            "optimizers": self.updates.state(),
            "state": self.state.plain(),
            "sums": self.sums.state(),
            "config": self.config.plain(),
            "log_bytes": self._journal.report.size(),
        }
        if self.ranks.main:
            checkpoint.save(checkpoint.file_for(self.out, self.state.images), contents)
            checkpoint.prune(self.out, self.config.keep_checkpoints, self.state.health.needed())
        distributed.barrier()

    def _resume(self, resume: Literal["auto", "never"] | Path) -> bool:
        """Load the checkpoint to continue from; whether there was one."""
        newest = checkpoint.latest(self.out)
        distributed.barrier()  # all ranks have looked before rank 0 writes the first checkpoint
        if newest is not None and resume == "never":
            raise OutputError(f"{self.out} holds a training already ({newest.name}); give another folder or resume it")
        if newest is not None:
            contents = checkpoint.load(newest, checkpoint.PARTS)
            check_same_order(self.config, contents["config"])
            self._restore(contents)
            self._log_bytes = contents["log_bytes"]
        elif isinstance(resume, Path):
            self._branch(resume)
        return newest is not None or isinstance(resume, Path)

    def _branch(self, source: Path) -> None:
        """Start from a checkpoint of another run, whose earlier checkpoints are not here to go back to."""
        self._restore(checkpoint.load(source, checkpoint.PARTS))
        images = self.state.images
        self.state.health = Health(confirmed=checkpoint.file_for(self.out, images).name, checked_at=images)
        self.sums = LogSums()
        self._write()

    def _restore(self, contents: checkpoint.Contents) -> None:
        load_modules(self.method.networks, contents["networks"], "networks")
        load_modules(self.averaged, contents["averaged"], "averaged")
        self.updates.restore(contents["optimizers"])
        self.sums.restore(contents["sums"], self.device)
        self.state = State.from_plain(contents["state"])
        self.batches.reseed(salted_seed(self.config.seed, self.state.salt))

    def _roll_back(self, why: str) -> None:
        """Return to the last healthy checkpoint under another seed; later checkpoints are deleted."""
        self._journal.tick(self.state)
        collapsed, health = self.state, self.state.health
        healthy = self.out / checkpoint.FOLDER / health.confirmed
        contents = checkpoint.load(healthy, checkpoint.PARTS)
        distributed.barrier()  # all ranks have read before rank 0 writes
        if self.ranks.main:
            checkpoint.delete_after(healthy)
        if health.failures >= self.config.max_rollbacks:
            self._journal.event(collapsed, "gave up", why=why)
            raise TrainingFailed(
                f"training failed ({why}) after {health.failures} roll-backs in a row; the last healthy checkpoint is "
                f"{healthy}: lower the learning rate or change the seed"
            )
        self._restore(contents)
        self.state.salt, self.state.seconds = collapsed.salt + 1, collapsed.seconds
        self.state.health = dataclasses.replace(
            self.state.health, confirmed=healthy.name, waiting="", failures=health.failures + 1
        )
        self.batches.reseed(salted_seed(self.config.seed, self.state.salt))
        event = f"rolled back from {collapsed.images} to {self.state.images} images ({why}); the seed changed"
        self._journal.event(self.state, event, why=why, from_images=collapsed.images, salt=self.state.salt)
        self._journal.mark(self.state)
        self._write()

    def _preview(self) -> None:
        if not self.ranks.main:
            return
        networks = self.networks()
        modes = [(module, module.training) for module in networks.modules()]
        count = self.config.preview_images
        draws = Draws(self.config.seed, -1, 0, count, count, self.device)  # the same for every preview
        step = dataclasses.replace(self.current_step(), draws=draws)
        batch = self._in_memory_order(self.batches.evenly(count))
        networks.eval()
        with torch.no_grad(), self.updates.autocast():
            self._journal.report.pictures(self.state.images, self.method.preview(networks, batch, step))
        for module, mode in modes:
            module.training = mode

    def _crossed(self, before: int, every: int) -> bool:
        """Whether a multiple of `every` images, or the end of the training, lies between `before` and now."""
        images = self.state.images
        return every > 0 and (images // every > before // every or images >= self.config.images)

    @contextmanager
    def _session(self) -> Iterator[None]:
        """Threads, log files and the clock, around the loop."""
        with cpu_threads(self.config.threads):
            self._open()
            try:
                yield
            finally:
                self._journal.close()
                self.updates.release()

    def _open(self) -> None:
        out = self.out if self.ranks.main else None
        config, state = self.config, self.state
        self._journal = Journal(out, config.images, config.tensorboard, self.on_progress, state)
        if self._log_bytes is not None:
            self._journal.report.rewind(self._log_bytes)
            self._log_bytes = None
        if self._resumed:
            self._journal.event(state, f"continues from {state.images} images")
        elif state.step == 0:
            state.health.confirmed = checkpoint.file_for(self.out, 0).name
            self._write()
        self._resumed = False
