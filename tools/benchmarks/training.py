"""The adversarial step as we run it, the same step written naively, and those of peers, in turn in one process."""

import copy
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch

from benchmarks import training_peers
from benchmarks.clock import Clock
from benchmarks.multiply_adds import MultiplyAdds
from genstruct.data.archive import Archive
from genstruct.data.batches import Batches
from genstruct.data.sample import Sample
from genstruct.data.synthetic import make_scenes
from genstruct.segmentation.config import GeneratorConfig, ObjectiveConfig, PerturbedConfig
from genstruct.segmentation.perturbed import PerturbedSegmentation
from genstruct.train.average import ema_decay, update_average
from genstruct.train.config import TrainConfig
from genstruct.train.method import Phase, Step
from genstruct.train.randomness import Draws
from genstruct.train.trainer import Trainer

WIDTHS = (96, 64, 48, 24, 16, 16)
DISCRIMINATOR_WIDTHS = (96, 64, 48, 32, 16, 16)
PENALTY_EVERY = 8
"""Steps of a round: one penalty falls into it, as in training."""
IMAGES = 10**9  # the training is never over
Device = Literal["cpu", "cuda"]
Precision = Literal["auto", "bf16", "float32"]


class Training(Protocol):
    """Something that trains."""

    def step(self, clock: Clock) -> None:
        """One step, its parts marked on the clock."""
        ...

    def close(self) -> None:
        """End."""
        ...


class Ours:
    """The step of `Trainer`, phase by phase. Without its reading ahead, so that "data" holds all that data cost."""

    def __init__(
        self, config: PerturbedConfig, archive: Archive, batch: int, device: Device, precision: Precision
    ) -> None:
        self.folder = tempfile.TemporaryDirectory()
        train = TrainConfig(images=IMAGES, batch=batch, device=device, precision=precision, tensorboard=False)
        self.method = PerturbedSegmentation(config)
        self.batches = Batches(archive, batch, 0, device, prefetch=False)
        self.trainer = Trainer(self.method, self.batches, train, Path(self.folder.name))

    def step(self, clock: Clock) -> None:
        """See `Training`."""
        trainer, config = self.trainer, self.trainer.config
        clock.start()
        step = trainer.current_step()
        batch = self.batches.at(step.number)
        clock.mark("data")
        for phase in self.method.phases:
            if step.number % phase.every == 0:
                trainer.updates.run(phase, batch, step)
                clock.mark(phase.name)
        trainer.state.step += 1
        trainer.state.images += config.batch
        decay = ema_decay(config.ema_half_life_images, config.batch, trainer.state.images, config.ema_ramp)
        update_average(trainer.averaged["generator"], self.method.networks["generator"], decay)
        clock.mark("average")

    def close(self) -> None:
        """See `Training`."""
        self.batches.close()
        self.folder.cleanup()


class Naive:
    """The same networks, losses and augmentation as a first script would run them.

    Eager float32 in NCHW; the discriminator's update, then the generator's, each with a forward pass of the generator
    of its own; nothing frozen, so that the generator's update also computes gradients of the discriminator; plain Adam;
    a loop over weights for the average; images indexed and converted when they are needed.

    Args:
        config: Networks and losses.
        archive: Images.
        batch: Images of a step.
        device: Where to train.
        penalty_every: Steps between penalties, which then join the discriminator's loss.
    """

    def __init__(
        self, config: PerturbedConfig, archive: Archive, batch: int, device: str, penalty_every: int = 1
    ) -> None:
        objective = ObjectiveConfig(updates="alternating", penalty_every=penalty_every)
        self.method = PerturbedSegmentation(PerturbedConfig(config.generator, config.perturb, objective, config.rates))
        self.networks = self.method.networks.to(device)
        self.average = copy.deepcopy(self.networks["generator"])
        self.optimizers = {n: torch.optim.Adam(net.parameters(), 2e-3, (0.0, 0.99)) for n, net in self.networks.items()}
        self.archive, self.batch, self.device, self.penalty_every = archive, batch, torch.device(device), penalty_every
        self.number = 0

    def step(self, clock: Clock) -> None:
        """See `Training`."""
        clock.start()
        draws = Draws(0, self.number, 0, self.batch, self.batch, self.device)
        step = Step(self.number, self.number * self.batch, IMAGES, draws)
        batch = self._images()
        clock.mark("data")
        loss = self.method.compute(Phase("discriminator", ("discriminator",)), batch, step).loss
        if self.number % self.penalty_every == 0:
            loss = loss + self.method.compute(Phase("penalty", ("discriminator",)), batch, step).loss
        self._update("discriminator", loss)
        clock.mark("discriminator")
        self._update("generator", self.method.compute(Phase("generator", ("generator",)), batch, step).loss)
        clock.mark("generator")
        with torch.no_grad():
            for mean, new in zip(self.average.parameters(), self.networks["generator"].parameters(), strict=True):
                mean.copy_(0.999 * mean + 0.001 * new)
        clock.mark("average")
        self.number += 1

    def close(self) -> None:
        """See `Training`."""

    def _images(self) -> Sample:
        index = np.random.default_rng(self.number).integers(0, len(self.archive), self.batch)
        images = torch.stack([torch.from_numpy(self.archive.images[i].copy()).permute(2, 0, 1) for i in index])
        return Sample(images.float().div(255).contiguous().to(self.device), torch.from_numpy(index).to(self.device))

    def _update(self, name: str, loss: torch.Tensor) -> None:
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        self.optimizers[name].step()


def perturbed_config(size: int) -> PerturbedConfig:
    """The default method at one resolution, without growing."""
    return PerturbedConfig(
        GeneratorConfig(
            size, widths=WIDTHS, discriminator_widths=DISCRIMINATOR_WIDTHS, start_size=size, stage_images=()
        ),
        objective=ObjectiveConfig(penalty_every=PENALTY_EVERY),
    )


def make_archive(config: PerturbedConfig, batch: int) -> Archive:
    """Four batches of images, as much larger than what is made as the method wants."""
    return Archive.from_arrays(make_scenes(4 * batch, round(config.generator.size * config.perturb.real_frame)).images)


def measure_training(
    size: int, batch: int, rounds: int, device: Device, precision: Precision = "auto", peers: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Speed of a full step at one resolution: ours, naive with rare penalties, naive with penalties every step, peers'.

    Rounds of `PENALTY_EVERY` steps alternate between them; the figures are medians over rounds.

    Args:
        size: Resolution, pixels.
        batch: Images of a step.
        rounds: How many of each; one more of each goes before, to warm up.
        device: cpu or cuda.
        precision: Of ours; see `TrainConfig.precision`.
        peers: Other packages, see `training_peers`; those that are there.
    """
    config = perturbed_config(size)
    archive = make_archive(config, batch)
    trainings: dict[str, Training] = {
        "ours": Ours(config, archive, batch, device, precision),
        "naive, penalties every 8": Naive(config, archive, batch, device, PENALTY_EVERY),
        "naive, penalties every step": Naive(config, archive, batch, device, 1),
        **training_peers.trainings(peers, size, archive, batch, device),
    }
    try:
        clocks, counts = interleaved(trainings, rounds, lambda: Clock(torch.device(device)))
    finally:
        for training in trainings.values():
            training.close()
    return {name: summarized(clocks[name], batch, counts[name]) for name in trainings}


def interleaved(
    trainings: Mapping[str, Training], rounds: int, new_clock: Callable[[], Clock]
) -> tuple[dict[str, list[Clock]], dict[str, int]]:
    """Rounds of each training in turn, so that all see the same weather.

    The first round of each only warms up: its multiply-adds are counted instead of its time. Returns clocks of the
    other rounds and multiply-adds of one, by name.
    """
    counts: dict[str, int] = {}
    for name, training in trainings.items():
        with MultiplyAdds() as counter:
            run_round(training, new_clock())
        counts[name] = counter.total
    clocks: dict[str, list[Clock]] = {name: [] for name in trainings}
    for _ in range(rounds):
        for name, training in trainings.items():
            clocks[name].append(run_round(training, new_clock()))
    return clocks, counts


def run_round(training: Training, clock: Clock) -> Clock:
    """The steps from one penalty to the next."""
    for _ in range(PENALTY_EVERY):
        training.step(clock)
    return clock


def summarized(clocks: Sequence[Clock], batch: int, multiply_adds: int) -> dict[str, Any]:
    """Medians over rounds: images/s, images per processor second, and the share of each part.

    Shares are of processor time, or of wall time where a GPU does the work. Of the multiply-adds of a round, billions
    for each image, and billions a second and a processor second.
    """
    images = batch * PENALTY_EVERY
    wall = statistics.median(sum(clock.wall.values()) for clock in clocks)
    cpu = statistics.median(sum(clock.cpu.values()) for clock in clocks)
    spent = [clock.wall if clock.device.type == "cuda" else clock.cpu for clock in clocks]
    parts = {part: statistics.median(seconds[part] for seconds in spent) for part in spent[0]}
    whole = sum(parts.values()) or 1.0
    return {
        "images_per_second": images / wall,
        "images_per_processor_second": images / cpu if cpu else 0.0,
        "giga_multiply_adds_per_image": multiply_adds / 1e9 / images,
        "giga_multiply_adds_per_second": multiply_adds / 1e9 / wall,
        "giga_multiply_adds_per_processor_second": multiply_adds / 1e9 / cpu if cpu else 0.0,
        "wall_spread": [images / sum(clock.wall.values()) for clock in clocks],
        "share": {part: seconds / whole for part, seconds in parts.items()},
    }
