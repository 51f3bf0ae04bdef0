"""A capability in a hundred lines, built on `genstruct.run`: what photos have in the middle and not at their frame.

It learns the color of backgrounds; its mask of a photo is how far each pixel is from that color. The experiment, the
command and the publication are all that a capability needs to be a product.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genstruct.cli import prediction
from genstruct.data.sample import Sample
from genstruct.export.images import to_uint8, write_png
from genstruct.run.experiment import run_experiment
from genstruct.run.predict import Photo
from genstruct.run.publish import Published, half_precision, history, publish, read_scores, score_lines
from genstruct.run.settings import DataConfig
from genstruct.run.stages import Reporter, Stage, StageRunner, kept
from genstruct.run.weights import encode_weights, fingerprint_of, fitting, read_weights, weights_file
from genstruct.settings import settings
from genstruct.train.config import TrainConfig
from genstruct.train.method import Phase, Step, Update
from genstruct.train.optimizer_config import AdamSettings

KIND, FILE, SCORES = "toy finder", "toy.safetensors", {"iou": "IoU"}


class Background(nn.Module):
    """The color of backgrounds."""

    def __init__(self) -> None:
        super().__init__()
        self.color = nn.Parameter(torch.zeros(3))

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
        """Distance to that color, in [0, 1]."""
        return (3 * (images - self.color[:, None, None]).abs().mean(1, keepdim=True)).clamp(max=1)


class FrameMethod:
    """Frames of photos are near the color."""

    phases, averaged, optimizers = (Phase("frame", ("finder",)),), (), {"finder": AdamSettings(lr=0.05)}

    def __init__(self) -> None:
        self.networks = nn.ModuleDict({"finder": Background()})

    def compute(self, phase: Phase, batch: Sample, step: Step) -> Update:
        """See `Method`."""
        frame = torch.cat([batch.images[..., :2, :], batch.images[..., -2:, :]], -2)
        return Update(self.networks["finder"](frame).mean())

    def lr_multiplier(self, network: str, step: Step) -> float:
        """See `Method`."""
        return 1 - 0.9 * step.fraction

    def after_step(self, step: Step, kept: Mapping[str, Mapping[str, Tensor]]) -> None:
        """See `Method`."""

    def preview(self, networks: nn.ModuleDict, batch: Sample, step: Step) -> dict[str, Tensor]:
        """See `Method`."""
        return {}

    def collapse_reason(self, logs: Mapping[str, float], step: Step) -> None:
        """See `Method`."""


class Finder:
    """A `genstruct.run.weights.Model`, and a `genstruct.run.predict.Task`."""

    name, files = "toys", {"mask": "{}.png"}

    def __init__(self, network: Background, card: Mapping[str, object]) -> None:
        self.network, self.card, self.fingerprint = network.requires_grad_(False), card, fingerprint_of(network)
        self.made_by = {"model": self.fingerprint}

    @staticmethod
    def load(path: Path) -> "Finder":
        """From a file or a run."""
        file, network = weights_file(path, FILE), Background()
        weights, about = read_weights(file, KIND)
        with fitting(file):
            network.load_state_dict(weights)
            return Finder(network, about["card"])

    def encode(self, half: bool = False) -> bytes:
        """See `Model`."""
        return encode_weights(self.network, {"kind": KIND, "card": dict(self.card)}, half)

    def predict(self, photos: Sequence[Photo]) -> list[Tensor]:
        """See `Task`."""
        return [self.network(photo.image[None])[0] for photo in photos]

    def write(self, photo: Photo, result: Tensor) -> Mapping[str, object]:
        """See `Task`."""
        write_png(photo.files["mask"], to_uint8(result))
        return {"mask_file_name": photo.names["mask"], "area": round(result.mean().item(), 4)}

    def bytes_for(self, size: int) -> int:
        """See `Task`."""
        return size


@settings
class ToyExperiment:
    """See the module."""

    data: DataConfig = DataConfig(size=16)
    train: TrainConfig = TrainConfig(images=400, batch=8, device="cpu", threads=1, tensorboard=False)

    def run(self, out: Path, reporter: Reporter) -> bool:
        """See `genstruct.experiments.Experiment`."""
        return run_experiment("toy", self, out, reporter, lambda runner: runner.result(self.finder(runner)))

    def finder(self, runner: StageRunner) -> Stage[Finder]:
        """The only stage beside the photos."""

        def learn(progress, archive):
            networks = runner.train(progress, FrameMethod(), archive, self.train, runner.out / "learn")
            finder = Finder(networks["finder"], {"data": self.data.root})
            runner.write(FILE, finder.encode())
            return finder

        return Stage("learn", learn, (runner.photos(self.data),), kept(runner.out / FILE, Finder.load))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `genstruct.cli.main`."""
    prediction.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """See `genstruct.cli.main`."""
    return prediction.predict(args, Finder.name, lambda: Finder.load(args.model))


def publish_finder(run: Path, name: str, out: Path, scores: Mapping[str, Path]) -> Published:
    """Weights with their card."""
    found = {name: read_scores(file, "masks", SCORES) for name, file in scores.items()}
    finder = Finder(half_precision(Finder.load(run).network), {**history(run), "scores": found})
    return publish(finder, name, out, {"Kind": KIND}, score_lines(found, SCORES))
