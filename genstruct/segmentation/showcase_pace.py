"""How long the demo will take here, and how much of its training fits the time that it is given."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from genstruct.data.archive import Archive
from genstruct.errors import OutputError
from genstruct.files import write_json
from genstruct.nn.unet import UNet
from genstruct.run.stages import Reporter
from genstruct.segmentation.experiment import SegmentationExperiment
from genstruct.segmentation.labels import calibrate, label
from genstruct.segmentation.learning_config import StageConfig
from genstruct.segmentation.perturbed import PerturbedSegmentation
from genstruct.segmentation.segmenter import Segmenter
from genstruct.segmentation.supervise import MaskLearning
from genstruct.train.pace import Work, fitting_factor, seconds_per_image
from genstruct.train.progress import duration
from genstruct.train.report import OnProgress

LOWEST, HIGHEST = 0.4, 3.0
"""Least and most of the configuration's images. On drawn scenes 0.25 left no usable mask, 0.4 gave an IoU of 0.94."""
LABELED, CALIBRATED = 10, 120
"""Photos that are labelled to see how long one takes; those that `calibrate` looks at."""
SLACK = 0.1
"""Share of the time that is kept for what is not measured: drawn pairs, checkpoints, the page."""


@dataclass(frozen=True)
class Pace:
    """What a demo will do.

    Args:
        factor: Of the configuration's images.
        works: Its parts, in order, with the time that each will take.
    """

    factor: float
    works: tuple[Work, ...]

    @property
    def seconds(self) -> float:
        """All of it."""
        return sum(work.seconds for work in self.works)

    def describe(self) -> str:
        """The plan in a line."""
        parts = ", ".join(f"{work.name} {duration(work.seconds)}" for work in self.works if work.seconds >= 1)
        return f"{self.factor:.0%} of the configured images: {parts}; {duration(self.seconds)} in all"

    def left_from(self, name: str) -> float | None:
        """Seconds from the beginning of a part to the end of all; None for a part that is not planned."""
        names = [work.name for work in self.works]
        return sum(work.seconds for work in self.works[names.index(name) :]) if name in names else None


def kept_pace(file: Path) -> float | None:
    """The factor that `keep_pace` wrote, so that a demo that was stopped goes on with the training that it began.

    Raises:
        OutputError: The file is damaged.
    """
    if not file.exists():
        return None
    try:
        return float(json.loads(file.read_text())["factor"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OutputError(f"{file} is damaged ({error!r}); give another folder (OUT=...)") from error


def keep_pace(file: Path, pace: Pace) -> None:
    """Write the plan."""
    write_json(file, {"factor": pace.factor, "seconds": {work.name: round(work.seconds, 1) for work in pace.works}})


def telling(reporter: Reporter, pace: Pace, say: Callable[[str], None]) -> Reporter:
    """A reporter that also says, as each planned part begins, how long all that is left will take."""

    @contextmanager
    def report(stage: str) -> Iterator[OnProgress]:
        if (left := pace.left_from(stage)) is not None:
            say(f"{stage}: about {duration(left)} left of the whole demo")
        with reporter(stage) as progress:
            yield progress

    return report


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
