"""The smallest training that has everything: two networks, three phases, a lazy penalty, growth, a moving average.

Run as a script it trains in a process of its own: `python tiny_training.py OUT [key=value ...] [-- OUT ...]`.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.data.sample import Sample
from genstruct.train import checkpoint
from genstruct.train.config import TrainConfig
from genstruct.train.distributed import current, joined
from genstruct.train.method import Kept, Phase, Step, Update
from genstruct.train.optimizer_config import AdamSettings, AdamWSettings
from genstruct.train.randomness import generator_for, seeded
from genstruct.train.report import Progress
from genstruct.train.trainer import Trainer

SIZE = 8
LATENT = 4
CONFIG = {
    "images": 96,
    "batch": 4,
    "device": "cpu",
    "precision": "float32",
    "ema_half_life_images": 16.0,
    "save_every_images": 24,
    "preview_every_images": 0,
    "log_every_images": 8,
    "health_every_images": 16,
    "tensorboard": False,
    "threads": 1,
}


class Generator(nn.Module):
    """Latent to picture; `late` is a level that grows in half-way."""

    def __init__(self) -> None:
        super().__init__()
        self.early = nn.Linear(LATENT, 3 * SIZE * SIZE)
        self.late = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, latent: Float[Tensor, "b k"], grown: bool) -> Float[Tensor, "b 3 h w"]:
        """Pictures in [0, 1]."""
        pictures = self.early(latent).view(-1, 3, SIZE, SIZE)
        return (pictures + self.late(pictures) if grown else pictures).sigmoid()


class TinyGan:
    """A GAN in three phases. `break_at` = (step, salt) of a loss that becomes NaN, for tests of roll-backs."""

    phases = (
        Phase("critic", ("critic",)),
        Phase("penalty", ("critic",), every=3),
        Phase("generator", ("generator",)),
    )
    averaged = ("generator",)

    def __init__(self, seed: int = 5, break_when: Callable[[Step], bool] = lambda _: False) -> None:
        with seeded(seed):
            critic = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.SiLU(), nn.Flatten(), nn.Linear(36, 1))
            self.networks = nn.ModuleDict({"generator": Generator(), "critic": critic})
        self.optimizers = {"generator": AdamSettings(lr=1e-3), "critic": AdamWSettings(lr=2e-3, weight_decay=0.01)}
        self.break_when = break_when
        self.seeds: list[int] = []
        self.collapse: Callable[[Step], str | None] = lambda _: None

    def compute(self, phase: Phase, batch: Sample, step: Step) -> Update:
        """See `Method`."""
        fake = self._fake(step)
        critic = self.networks["critic"]
        if phase.name == "penalty":
            images = batch.images.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
            loss = 3 * gradient.square().sum((1, 2, 3)).mean()
            return Update(loss, {"penalty": loss.detach()})
        if phase.name == "critic":
            self.seeds.append(step.draws.seed)
            loss = nn.functional.softplus(critic(fake.detach())).mean()
            loss = loss + nn.functional.softplus(-critic(batch.images)).mean()
        else:
            loss = nn.functional.softplus(-critic(fake)).mean()
        if self.break_when(step):
            loss = loss * float("nan")
        return Update(loss, {"brightness": fake.detach().mean()})

    def lr_multiplier(self, network: str, step: Step) -> float:
        """See `Method`."""
        return 1.0 - 0.5 * step.fraction

    def after_step(self, step: Step, kept: Kept) -> None:
        """See `Method`."""

    def preview(self, networks: nn.ModuleDict, batch: Sample, step: Step) -> dict[str, Float[Tensor, "n 3 h w"]]:
        """See `Method`."""
        return {"fake": networks["generator"](step.draws.normal("latent", LATENT), True)}

    def collapse_reason(self, logs: Mapping[str, float], step: Step) -> str | None:
        """See `Method`."""
        return self.collapse(step)

    def _fake(self, step: Step) -> Float[Tensor, "b 3 h w"]:
        return self.networks["generator"](step.draws.normal("latent", LATENT), step.fraction >= 0.5)


class TinyBatches:
    """Images that are a function of (seed, step, position in the global batch)."""

    def __init__(self, batch: int = 4, seed: int = 0) -> None:
        self.batch, self.seed = batch, seed
        self.before_step: Callable[[int], None] = lambda _: None

    def at(self, step: int) -> Sample:
        """See `BatchesLike`."""
        self.before_step(step)
        local = current().share(self.batch)
        rows = slice(current().rank * local, (current().rank + 1) * local)
        images = torch.rand(self.batch, 3, SIZE, SIZE, generator=generator_for(self.seed, step, "images"))
        return Sample(images[rows], torch.arange(self.batch)[rows])

    def evenly(self, count: int) -> Sample:
        """See `BatchesLike`."""
        images = torch.rand(count, 3, SIZE, SIZE, generator=generator_for("evenly"))
        return Sample(images, torch.arange(count))

    def reseed(self, seed: int) -> None:
        """See `BatchesLike`."""
        self.seed = seed


def trainer(
    out: Path, method: TinyGan | None = None, on_progress: Callable[[Progress], None] | None = None, **config: object
) -> Trainer:
    """A trainer of the tiny GAN."""
    settings = TrainConfig(**{**CONFIG, **config})
    batches = TinyBatches(settings.batch, settings.seed)
    return Trainer(method or TinyGan(), batches, settings, out, on_progress)


def weights(of: Trainer) -> dict[str, Tensor]:
    """Every tensor that training changes: latest weights, averages, optimiser moments."""
    tensors = {f"latest.{name}": t for name, t in of.method.networks.state_dict().items()}
    tensors |= {f"averaged.{name}": t for name, t in of.averaged.state_dict().items()}
    for network, state in of.updates.state().items():
        for number, moments in state["state"].items():
            tensors |= {f"adam.{network}.{number}.{name}": t for name, t in moments.items()}
    return {name: tensor.clone() for name, tensor in tensors.items()}


def train(out: str, *pairs: str) -> None:
    """Train from the command line; `until=N` stops there, `pause=N` waits N milliseconds before each step."""
    settings = {name: int(value) for name, value in (pair.split("=") for pair in pairs)}
    until, pause = settings.pop("until", None), settings.pop("pause", 0)
    run = trainer(Path(out), **settings)
    run.batches.before_step = lambda _: time.sleep(pause / 1000)
    result = run.run(until)
    sys.stdout.write(f"{'interrupted' if result.interrupted else 'done'} {result.images}\n")


def main() -> None:
    """Trainings one after the other, separated by `--`."""
    with joined() as ranks:
        look = checkpoint.latest
        # Rank 1 looks late: it must not find what rank 0 has written in the meantime.
        checkpoint.latest = lambda out: (time.sleep(0.3 * ranks.rank), look(out))[1]
        for words in " ".join(sys.argv[1:]).split(" -- "):
            train(*words.split())


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # all is done and saved; threads of gloo now and then abort the interpreter's own exit (torch)
