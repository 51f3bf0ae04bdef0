"""How long the demo of masks will take here, and how much of its training fits the time that it is given."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from genstruct.data.archive import Archive
from genstruct.nn.unet import UNet
from genstruct.run.pace import Pace
from genstruct.segmentation.experiment import SegmentationExperiment
from genstruct.segmentation.labels import calibrate, label
from genstruct.segmentation.learning_config import StageConfig
from genstruct.segmentation.perturbed import PerturbedSegmentation
from genstruct.segmentation.segmenter import Segmenter
from genstruct.segmentation.supervise import MaskLearning
from genstruct.train.pace import Work, fitting_factor, seconds_per_image

LOWEST, HIGHEST = 0.4, 3.0
"""Least and most of the configuration's images. On drawn scenes 0.25 left no usable mask, 0.4 gave an IoU of 0.94."""
LABELED, CALIBRATED = 10, 120
"""Photos that are labelled to see how long one takes; those that `calibrate` looks at."""
SLACK = 0.1
"""Share of the time that is kept for what is not measured: drawn pairs, checkpoints, the page."""


def find_pace(experiment: SegmentationExperiment, photos: int, masks: int, seconds: float) -> Pace:
    """Measure this machine (some seconds) and choose the length of the training.

    Args:
        experiment: The training at full length.
        photos: Photos to learn from.
        masks: Masks to make in the end, all models together.
        seconds: All that may pass from now on.
    """
    start = time.perf_counter()
    works = measure(experiment, photos, masks)
    left = (1 - SLACK) * (seconds - (time.perf_counter() - start))
    factor = fitting_factor(works, left, LOWEST, HIGHEST)
    return Pace(factor, tuple(work.times(factor) for work in works))


def measure(experiment: SegmentationExperiment, photos: int, masks: int) -> list[Work]:
    """The parts of a training at full length, and of the masks after it."""
    noise = np.random.default_rng(0).integers(0, 256, (64, experiment.data.size, experiment.data.size, 3), np.uint8)
    archive = Archive.from_arrays(noise, noise[..., 0])
    size = experiment.distil.size
    pairs = Archive.from_arrays(noise[:, :size, :size], noise[:, :size, :size, 0])
    adversarial = PerturbedSegmentation(experiment.perturbed, experiment.train.seed)
    works = [Work("generator", experiment.train.images * seconds_per_image(adversarial, archive, experiment.train))]
    labeling, calibrating = _judging(experiment, archive)
    for name, stage, images in _segmenters(experiment, pairs, archive):
        if stage is not experiment.distil:
            works.append(Work(f"{name}: label", photos * labeling, scales=False))
        works.append(Work(name, _learning(experiment, stage, images)))
        works.append(Work(f"{name}: cut", min(photos, CALIBRATED) * calibrating, scales=False))
    return [*works, Work("masks", masks * labeling, scales=False)]


def shortened(experiment: SegmentationExperiment, factor: float) -> SegmentationExperiment:
    """The experiment with its images times `factor`; whole steps, and averages that forget as much sooner."""
    train = experiment.train
    return replace(
        experiment,
        train=replace(
            train,
            images=_steps(train.images * factor, train.batch),
            ema_half_life_images=train.ema_half_life_images * factor,
        ),
        distil=_shorter(experiment.distil, factor),
        rounds=tuple(_shorter(stage, factor) for stage in experiment.rounds),
    )


def _shorter(stage: StageConfig, factor: float) -> StageConfig:
    return replace(stage, images=_steps(stage.images * factor, stage.batch))


def _steps(images: float, batch: int) -> int:
    return max(round(images / batch), 1) * batch


def _segmenters(
    experiment: SegmentationExperiment, pairs: Archive, photos: Archive
) -> Sequence[tuple[str, StageConfig, Archive]]:
    rounds = [(f"round {number}", stage, photos) for number, stage in enumerate(experiment.rounds, 1)]
    return [("distil", experiment.distil, pairs), *rounds]


def _learning(experiment: SegmentationExperiment, stage: StageConfig, images: Archive) -> float:
    """Seconds of the training of a segmenter."""
    config = replace(experiment.train, images=stage.images, batch=stage.batch, compile=())
    method = MaskLearning(UNet(3, 1, experiment.widths), stage.size, stage.learning)
    return stage.images * seconds_per_image(method, images, config)


def _judging(experiment: SegmentationExperiment, archive: Archive) -> tuple[float, float]:
    """Seconds to label one photo, and to look at one for where masks are best cut."""
    network = UNet(3, 1, experiment.widths)
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - torch's annotations forget it
    segmenter = Segmenter(network, experiment.rounds[-1].size if experiment.rounds else experiment.distil.size)
    few = replace(archive, images=archive.images[:LABELED], masks=None)
    label(segmenter, few)  # the first time is slower
    start = time.perf_counter()
    label(segmenter, few)
    labeled = time.perf_counter()
    calibrate(segmenter, few)
    return (labeled - start) / LABELED, (time.perf_counter() - labeled) / LABELED
