"""From a folder of photos to a segmenter, in stages that each resume where they stopped.

```text
pack images ─► starts ─► generator ─► generated pairs ─► distil ─► [label ─► learn] x rounds ─► segmenter.safetensors
                             └──────► invert (off by default) ─► inverter.safetensors
```
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from genstruct.data.archive import Archive
from genstruct.data.pack import pack
from genstruct.data.sources import open_source
from genstruct.nn.discriminator import Discriminator
from genstruct.nn.unet import UNet
from genstruct.segmentation.experiment import PHOTOS, SegmentationExperiment
from genstruct.segmentation.inversion import Inversion
from genstruct.segmentation.invert import RUN_FILE as INVERTER_FILE
from genstruct.segmentation.invert import Inverter
from genstruct.segmentation.labels import Labels, calibrate, label, load_labels, save_labels
from genstruct.segmentation.layered import LayeredGenerator
from genstruct.segmentation.learning_config import StageConfig
from genstruct.segmentation.pairs import make_pairs
from genstruct.segmentation.perturbed import PerturbedSegmentation
from genstruct.segmentation.segmenter import RUN_FILE, Segmenter
from genstruct.segmentation.starts import health_score
from genstruct.segmentation.supervise import MaskLearning
from genstruct.segmentation.workshop import Reporter, Workshop, counted, made_once
from genstruct.train import checkpoint
from genstruct.train.report import Progress
from genstruct.train.signals import Stopped, interrupted_by_signals
from genstruct.train.trainer import Trainer


class Stages:
    """The stages of one run, in order; each raises `Stopped` when a signal ended it.

    Args:
        experiment: The settings.
        out: Folder of the run.
        reporter: Shows progress.
    """

    def __init__(self, experiment: SegmentationExperiment, out: Path, reporter: Reporter) -> None:
        self.experiment, self.out = experiment, out
        self.workshop = Workshop(experiment.train, out, reporter)

    def run(self) -> bool:
        """Whether all stages are done; False when a signal ended one, which the reporter was told."""
        try:
            with interrupted_by_signals():
                self._run()
        except Stopped:
            return False
        return True

    def _run(self) -> None:
        archive = self.pack()
        generator = self.generate(archive)
        segmenter = self.distil(generator, archive)
        for number, stage in enumerate(self.experiment.rounds, 1):
            segmenter = self.round(number, stage, segmenter, archive)
        self.workshop.publish(segmenter, RUN_FILE)
        if self.experiment.invert.images:
            self.invert(generator, archive)

    def pack(self) -> Archive:
        """The photos as an archive, made once and then read by every rank."""
        data, place = self.experiment.data, self.out / PHOTOS

        def make() -> None:
            with open_source(data.root) as source:
                report = pack(source, place, data.size, data.crop, on_progress=counted(progress))
                lost = [*source.problems, *(f"{name}: {reason}" for name, reason in report.skipped)]
            if lost and not report.reused:
                progress(Progress(0, 1, event=f"{len(lost)} files or lines left out ({'; '.join(lost[:3])})"))

        with self.workshop.stage("pack") as progress:
            made_once(make)
        return Archive.open(place)

    def generate(self, archive: Archive) -> LayeredGenerator:
        """The adversarial stage; the averaged generator."""
        folder, config = self.out / "generator", self.experiment.train
        resume = self._best_start(archive) if checkpoint.latest(folder) is None else "auto"
        method = PerturbedSegmentation(self.experiment.perturbed, config.seed)
        with self.workshop.stage("generator") as progress:
            networks = self.workshop.train(progress, method, archive, config, folder, resume)
        return networks["generator"].eval()

    def _best_start(self, archive: Archive) -> Path | Literal["auto"]:
        """The checkpoint of the healthiest of several short trainings; "auto" if there is to be only one."""
        starts, experiment = self.experiment.starts, self.experiment
        if starts.count < 2:
            return "auto"
        scores: dict[Path, float] = {}
        for number in range(starts.count):
            config = replace(experiment.train, seed=experiment.train.seed + number)
            folder = self.out / "starts" / f"seed-{config.seed}"
            method = PerturbedSegmentation(experiment.perturbed, config.seed)
            with (
                self.workshop.batches(archive, config) as batches,
                self.workshop.stage(f"start {number + 1}") as progress,
            ):
                trainer = Trainer(method, batches, config, folder, progress)
                result = trainer.run(starts.images)
                if result.interrupted:
                    raise Stopped
                size = experiment.generator.size_at(result.images)
                generator = trainer.networks()["generator"].eval()
                newest = checkpoint.latest(folder)
                assert newest is not None
                scores[newest] = health_score(generator, size, experiment.objective, trainer.current_step().fraction)
                progress(Progress(result.images, config.images, event=f"health {scores[newest]:.3f}"))
        return max(scores, key=scores.__getitem__)

    def distil(self, generator: LayeredGenerator, photos: Archive, prior: torch.Tensor | float = 0.0) -> Segmenter:
        """A segmenter that has learned from generated pairs; `prior` is the centre prior of a generator in training."""
        experiment, stage = self.experiment, self.experiment.distil
        folder = self.out / "distil"
        if (done := self.workshop.done(folder)) is not None:
            return done
        with self.workshop.stage("pairs") as progress:
            size, seed = experiment.generator.size, experiment.train.seed
            pairs, passed = made_once(lambda: make_pairs(generator, size, experiment.pairs, seed, prior=prior))
            progress(Progress(len(pairs), len(pairs), event=f"{passed:.0%} of generated masks are usable"))
        return self._learn("distil", folder, stage, pairs, self._fresh(0), None, photos)

    def round(self, number: int, stage: StageConfig, segmenter: Segmenter, archive: Archive) -> Segmenter:
        """A segmenter that has learned from pseudo-labels by the one before."""
        folder, name = self.out / f"round-{number}", f"round {number}"
        if (done := self.workshop.done(folder)) is not None:
            return done
        labels = self._labels(folder, name, segmenter, archive)
        network = self._fresh(number) if stage.fresh else segmenter.network.requires_grad_(True).train()
        return self._learn(name, folder, stage, labels.archive, network, labels.weights(stage.keep), archive)

    def invert(self, generator: LayeredGenerator, archive: Archive) -> Inverter:
        """An encoder that has learned to find codes of photos, with its generator."""
        experiment, settings = self.experiment, self.experiment.invert
        if (self.out / INVERTER_FILE).exists():
            return Inverter.load(self.out / INVERTER_FILE, str(self.workshop.device))
        discriminator = self._discriminator() if settings.features > 0 else None
        method = Inversion(generator, experiment.generator.size, settings, discriminator, experiment.train.seed)
        config = self.workshop.later(settings.images, settings.batch)
        card = {**self._card("invert"), "inverter_images": settings.images}
        with self.workshop.stage("invert") as progress:
            networks = self.workshop.train(progress, method, archive, config, self.out / "invert")
            inverter = Inverter(networks["encoder"], generator, experiment.generator, settings, card)
            self.workshop.publish(inverter, INVERTER_FILE)
        return inverter

    def _labels(self, folder: Path, name: str, segmenter: Segmenter, archive: Archive) -> Labels:
        """Pseudo-labels of the photos, made once and then read by every rank."""

        def make() -> None:
            if load_labels(folder, archive) is None:
                with self.workshop.stage(f"{name}: label") as progress:
                    made = label(segmenter, archive, on_progress=counted(progress))
                    progress(Progress(0, 1, event=f"confidence {made.confidence.mean():.3f}"))
                    save_labels(folder, made)

        made_once(make)
        labels = load_labels(folder, archive)
        assert labels is not None
        return labels

    def _learn(
        self,
        name: str,
        folder: Path,
        stage: StageConfig,
        archive: Archive,
        network: UNet,
        weights: torch.Tensor | None,
        photos: Archive,
    ) -> Segmenter:
        """Train a segmenter on an archive with masks, calibrate it on the photos, and write it."""
        config = replace(self.workshop.later(stage.images, stage.batch), preview_every_images=0)
        method = MaskLearning(network, stage.size, stage.learning, weights)
        with self.workshop.stage(name) as progress:
            networks = self.workshop.train(progress, method, archive, config, folder)
            segmenter = Segmenter(networks["segmenter"], stage.size)
            segmenter.card = {**self._card(name), **calibrate(segmenter, photos)}
            self.workshop.publish(segmenter, f"{folder.name}/{RUN_FILE}")
        return segmenter

    def _discriminator(self) -> Discriminator:
        network = PerturbedSegmentation(self.experiment.perturbed).networks["discriminator"]
        network.load_state_dict(checkpoint.load_networks(self.out / "generator")["discriminator"])
        assert isinstance(network, Discriminator)
        return network.to(self.workshop.device)

    def _fresh(self, number: int) -> UNet:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.experiment.train.seed * 1000 + number)
            return UNet(3, 1, self.experiment.widths)

    def _card(self, stage: str) -> dict[str, Any]:
        experiment = self.experiment
        return {
            "data": experiment.data.root,
            "stage": stage,
            "seed": experiment.train.seed,
            "generator_images": experiment.train.images,
            "segmenter_images": [experiment.distil.images, *(stage.images for stage in experiment.rounds)],
        }
