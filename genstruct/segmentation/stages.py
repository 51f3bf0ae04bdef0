"""From a folder of photos to a segmenter, in stages that each resume where they stopped.

```text
pack images ─► starts ─► generator ─► generated pairs ─► distil ─► [label ─► learn] x rounds ─► segmenter.safetensors
                             └──────► invert (off by default) ─► inverter.safetensors
```
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from genstruct.data.archive import Archive
from genstruct.nn.discriminator import Discriminator
from genstruct.nn.named import named
from genstruct.nn.unet import UNet
from genstruct.run.ranks import made_once
from genstruct.run.stages import Stage, StageRunner, Start, counted, healthiest, kept
from genstruct.segmentation.inversion import Inversion, StyleEncoder
from genstruct.segmentation.invert import RUN_FILE as INVERTER_FILE
from genstruct.segmentation.invert import Inverter
from genstruct.segmentation.labels import Labels, calibrate, label, load_labels, save_labels
from genstruct.segmentation.layered import LayeredGenerator
from genstruct.segmentation.learning_config import StageConfig
from genstruct.segmentation.pairs import make_pairs
from genstruct.segmentation.perturbed import PerturbedSegmentation
from genstruct.segmentation.segmenter import RUN_FILE, Segmenter
from genstruct.segmentation.settings import SegmentationSettings
from genstruct.segmentation.starts import health_score
from genstruct.segmentation.supervise import MaskLearning
from genstruct.train import checkpoint
from genstruct.train.method import Step
from genstruct.train.randomness import seeded
from genstruct.train.report import OnProgress, Progress

Photos = Stage[Archive]
DISTILLED = f"distil/{RUN_FILE}"
"""The first segmenter, in the folder of a run."""


def run_stages(settings: SegmentationSettings, runner: StageRunner) -> None:
    """Do all stages that are not done yet. Raises `Stopped` when a signal ended one."""
    stages = Stages(settings, runner)
    photos = runner.photos(settings.data)
    generator = stages.generator(photos)
    segmenter = stages.distil(generator, photos)
    for number, stage in enumerate(settings.rounds, 1):
        segmenter = stages.round(number, stage, segmenter, photos)
    runner.result(photos)  # also where all is done: photos that have changed since are told
    runner.write(RUN_FILE, runner.result(segmenter).encode())
    if settings.invert.images:
        runner.result(stages.invert(generator, photos))


class Stages:
    """The stages of one run; each method makes one, which is done when it is asked for its result.

    Args:
        settings: Of the run.
        runner: Does the stages.
    """

    def __init__(self, settings: SegmentationSettings, runner: StageRunner) -> None:
        self.settings, self.runner, self.out = settings, runner, runner.out

    def generator(self, photos: Photos) -> Stage[LayeredGenerator]:
        """The adversarial stage; gives the averaged generator."""
        folder, settings = self.out / "generator", self.settings

        def method(seed: int) -> PerturbedSegmentation:
            return PerturbedSegmentation(settings.perturbed, seed)

        def health(networks: nn.ModuleDict, step: Step) -> float:
            generator, size = named(networks, "generator", LayeredGenerator), settings.generator.size_at(step.images)
            return health_score(generator.eval(), size, settings.objective, step.fraction)

        def learn(progress: OnProgress, archive: Archive, *starts: Start) -> LayeredGenerator:
            ours, resume = method(settings.train.seed), healthiest(starts)
            networks = self.runner.train(progress, ours, archive, settings.train, folder, resume)
            return named(networks, "generator", LayeredGenerator).eval()

        begun = checkpoint.latest(folder) is not None
        starts = () if begun else self.runner.starts(settings.starts, photos, method, health)
        return Stage("generator", learn, (photos, *starts))

    def pairs(self, generator: Stage[LayeredGenerator], prior: torch.Tensor | float = 0.0) -> Stage[Archive]:
        """Generated pictures with masks, in memory; `prior` is the centre prior of a generator in training."""
        size, seed = self.settings.generator.size, self.settings.train.seed

        def make(progress: OnProgress, made: LayeredGenerator) -> Archive:
            pairs, passed = made_once(lambda: make_pairs(made, size, self.settings.pairs, seed, prior=prior))
            progress(Progress(len(pairs), len(pairs), event=f"{passed:.0%} of generated masks are usable"))
            return pairs

        return Stage("pairs", make, (generator,), stays=False)

    def distil(
        self, generator: Stage[LayeredGenerator], photos: Photos, prior: torch.Tensor | float = 0.0
    ) -> Stage[Segmenter]:
        """A segmenter that has learned from generated pairs."""
        stage = self.settings.distil

        def learn(progress: OnProgress, pairs: Archive, archive: Archive) -> Segmenter:
            return self._learn(progress, "distil", "distil", stage, pairs, self._fresh(0), None, archive)

        return Stage("distil", learn, (self.pairs(generator, prior), photos), self._found("distil"))

    def round(self, number: int, stage: StageConfig, before: Stage[Segmenter], photos: Photos) -> Stage[Segmenter]:
        """A segmenter that has learned from pseudo-labels by the one before."""
        folder, name = f"round-{number}", f"round {number}"

        def learn(progress: OnProgress, labels: Labels, archive: Archive, *teacher: Segmenter) -> Segmenter:
            network = teacher[0].network.requires_grad_(True).train() if teacher else self._fresh(number)
            weights = labels.weights(stage.keep)
            return self._learn(progress, name, folder, stage, labels.archive, network, weights, archive)

        needs = (self.labels(self.out / folder, name, before, photos), photos, *([] if stage.fresh else [before]))
        return Stage(name, learn, needs, self._found(folder))

    def labels(self, folder: Path, name: str, segmenter: Stage[Segmenter], photos: Photos) -> Stage[Labels]:
        """Pseudo-labels of the photos, made once and then read by every rank."""

        def found() -> Labels | None:
            return load_labels(folder, self.runner.result(photos))

        def make(progress: OnProgress, teacher: Segmenter, archive: Archive) -> Labels:
            def once() -> None:
                made = label(teacher, archive, on_progress=counted(progress))
                progress(Progress(0, 1, event=f"confidence {made.confidence.mean():.3f}"))
                save_labels(folder, made)

            made_once(once)
            labels = load_labels(folder, archive)
            assert labels is not None
            return labels

        return Stage(f"{name}: label", make, (segmenter, photos), found, stays=False)

    def invert(self, generator: Stage[LayeredGenerator], photos: Photos) -> Stage[Inverter]:
        """An encoder that has learned to find codes of photos, with its generator."""
        settings, config = self.settings, self.settings.invert

        def learn(progress: OnProgress, made: LayeredGenerator, archive: Archive) -> Inverter:
            discriminator = self._discriminator() if config.features > 0 else None
            method = Inversion(made, settings.generator.size, config, discriminator, settings.train.seed)
            train = self.runner.later(config.images, config.batch)
            networks = self.runner.train(progress, method, archive, train, self.out / "invert")
            card = {**self._card("invert"), "inverter_images": config.images}
            inverter = Inverter(named(networks, "encoder", StyleEncoder), made, settings.generator, config, card)
            self.runner.write(INVERTER_FILE, inverter.encode())
            return inverter

        found = kept(self.out / INVERTER_FILE, lambda file: Inverter.load(file, str(self.runner.device)))
        return Stage("invert", learn, (generator, photos), found)

    def _learn(
        self,
        progress: OnProgress,
        name: str,
        folder: str,
        stage: StageConfig,
        archive: Archive,
        network: UNet,
        weights: torch.Tensor | None,
        photos: Archive,
    ) -> Segmenter:
        """Train a segmenter on an archive with masks, calibrate it on the photos, and write it."""
        config = self.runner.later(stage.images, stage.batch)
        method = MaskLearning(network, stage.size, stage.learning, weights)
        networks = self.runner.train(progress, method, archive, config, self.out / folder)
        segmenter = Segmenter(named(networks, "segmenter", UNet), stage.size)
        segmenter.card = {**self._card(name), **calibrate(segmenter, photos)}
        self.runner.write(f"{folder}/{RUN_FILE}", segmenter.encode())
        return segmenter

    def _found(self, folder: str) -> Callable[[], Segmenter | None]:
        return kept(self.out / folder / RUN_FILE, lambda file: Segmenter.load(file, str(self.runner.device)))

    def _discriminator(self) -> Discriminator:
        networks = PerturbedSegmentation(self.settings.perturbed).networks
        network = named(networks, "discriminator", Discriminator)
        network.load_state_dict(checkpoint.load_networks(self.out / "generator")["discriminator"])
        return network.to(self.runner.device)

    def _fresh(self, number: int) -> UNet:
        with seeded(self.settings.train.seed * 1000 + number):
            return UNet(3, 1, self.settings.widths)

    def _card(self, stage: str) -> dict[str, Any]:
        settings = self.settings
        return {
            "data": settings.data.root,
            "stage": stage,
            "seed": settings.train.seed,
            "generator_images": settings.train.images,
            "segmenter_images": [settings.distil.images, *(stage.images for stage in settings.rounds)],
        }
