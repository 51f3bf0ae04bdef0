"""Score whole sets: predicted masks against truth, generated images against real ones. Files are read by `data`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageOps
from torch import Tensor

from genstruct.data.source import Failure, Source, failures
from genstruct.data.sources import Root, open_masks, open_source
from genstruct.errors import DataError, ImageError
from genstruct.metrics import segmentation
from genstruct.metrics.bootstrap import interval, resampled_ratios
from genstruct.metrics.distribution import KernelDistance, kernel_distance
from genstruct.metrics.features import FeatureNetwork, extract, feature_network, whitened
from genstruct.metrics.matching import Truth, match, truths_of
from genstruct.pixels import resized, to_unit

MEANS = (
    "iou",
    "mean_iou",
    "dice",
    "accuracy",
    "precision",
    "recall",
    "boundary_f",
    "max_f_beta_each",
    "oracle_flip_iou",
)
"""Scores that are a mean over images."""


@dataclass(frozen=True)
class MaskProtocol:
    """How masks are scored.

    Args:
        threshold: A prediction above it, in [0, 1], is object.
        resize: Bring predictions of another size to the truth's (bilinear) instead of refusing them.
        boundary_tolerance: Reach of a boundary match as a share of the image diagonal.
        bootstrap: Resampled data sets for the intervals; 0 for none.
        confidence: Of the intervals.
        group_by: Metadata column whose equal values are resampled together, where every scored item has it.
        seed: Of the bootstrap.
    """

    threshold: float = 0.5
    resize: bool = False
    boundary_tolerance: float = segmentation.BOUNDARY_TOLERANCE
    bootstrap: int = 1000
    confidence: float = 0.95
    group_by: str | None = "instance"
    seed: int = 0


@dataclass(frozen=True)
class Score:
    """A score with its bootstrap interval, where one was asked for."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ImageScores:
    """What one image contributes. `counts` are true positives, false positives, false negatives, true negatives."""

    name: str
    values: dict[str, float]
    counts: Float[np.ndarray, " 4"]
    f_beta: Float[np.ndarray, " 255"]
    group: str | None


@dataclass(frozen=True)
class MaskReport:
    """Scores of a set of predictions, what could not be scored, and remarks on what was, one line each."""

    scores: dict[str, Score]
    images: list[ImageScores]
    failures: list[Failure]
    unused: int
    groups: int | None
    protocol: MaskProtocol
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Everything as plain values."""
        return {
            "kind": "masks",
            "scored": len(self.images),
            "failed": len(self.failures),
            "predictions_without_truth": self.unused,
            "protocol": {
                **asdict(self.protocol),
                "resolution": "truth",
                "polarity": "fixed, 1 = object; oracle_flip_* lets each image choose",
                "max_f_beta": "beta^2 = 0.3, 255 thresholds; max after averaging over images",
                "max_f_beta_each": "the same, each image at its own best threshold",
                "empty": "0/0 = 1 where prediction and truth are both empty, else 0",
                "resampled": "images" if self.groups is None else f"{self.groups} groups of {self.protocol.group_by}",
            },
            "scores": {name: asdict(score) for name, score in self.scores.items()},
            "failures": [asdict(failure) for failure in self.failures],
            "notes": list(self.notes),
            "images": [{"name": image.name, **image.values} for image in self.images],
        }


@dataclass(frozen=True)
class SampleReport:
    """Distance between generated and real images."""

    kid: KernelDistance
    features: str
    size: int
    samples: int
    real: int
    failures: list[Failure]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Everything as plain values."""
        return {"kind": "samples", **asdict(self)}


def score_mask(
    prediction: Float[Tensor, "1 1 height width"],
    truth: Float[Tensor, "1 1 height width"],
    protocol: MaskProtocol,
    name: str = "",
    group: str | None = None,
) -> ImageScores:
    """Every score of one prediction."""
    counts = segmentation.confusion(prediction, truth, protocol.threshold)
    curve = segmentation.f_beta_curve(prediction, truth)
    iou, flipped = counts.iou(), counts.flipped().iou()
    values = {key: getattr(counts, key)() for key in ("iou", "mean_iou", "dice", "accuracy", "precision", "recall")}
    values |= {
        "boundary_f": segmentation.boundary_f(prediction, truth, protocol.threshold, protocol.boundary_tolerance),
        "max_f_beta_each": curve.amax(1),
        "oracle_flip_iou": torch.maximum(iou, flipped),
        "oracle_flip_share": flipped > iou,
    }
    numbers = (counts.true_positive, counts.false_positive, counts.false_negative, counts.true_negative)
    tally = np.array([number.item() for number in numbers])
    return ImageScores(name, {key: float(value) for key, value in values.items()}, tally, curve[0].numpy(), group)


def score_mask_folder(
    predictions: Root,
    truth: Root,
    protocol: MaskProtocol | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MaskReport:
    """Score the masks at `predictions` against those at `truth` (see `genstruct.metrics.matching`).

    Args:
        predictions: Masks named like the images: a folder, an archive, shards.
        truth: Masks, or metadata.jsonl, or a set that holds one; likewise.
        protocol: How to score.
        limit: Score the first so many truths only.
        progress: Told how many are done, of how many.

    Raises:
        DataError: A place does not exist or holds no masks. Items that fail are in the report.
    """
    protocol = protocol or MaskProtocol()
    with ExitStack() as stack:
        true = stack.enter_context(_opened("truth", truth, predicted=False))
        predicted = stack.enter_context(_opened("predictions", predictions, predicted=True))
        found = match(truths_of(true)[:limit], predicted.names)
        failed, images = failures(true) + failures(predicted) + found.failures, []
        for number, (item, name) in enumerate(found.pairs):
            try:
                images.append(_score_pair(item, true, predicted, name, protocol))
            except ImageError as error:
                failed.append(Failure(item.name, str(error)))
            if progress is not None:
                progress(number + 1, len(found.pairs))
        notes = [*found.notes, *_titled("truth", true), *_titled("predictions", predicted)]
        unused = len(predicted) - len(found.pairs) if limit is None else 0
    scores, groups = summarize(images, protocol)
    return MaskReport(scores, images, failed, unused, groups, protocol, tuple(notes))


def summarize(images: list[ImageScores], protocol: MaskProtocol) -> tuple[dict[str, Score], int | None]:
    """Scores of a set with intervals, and the number of groups that were resampled (None: images)."""
    if not images:
        return {}, None
    tops, bottoms = _sums(images)
    point = _derived(
        np.divide(tops.sum(0), bottoms.sum(0), out=np.ones(tops.shape[1]), where=bottoms.sum(0) != 0)[None]
    )
    groups = _group_numbers(images)
    bounds: dict[str, tuple[float, float]] = {}
    if protocol.bootstrap:
        draws = _derived(resampled_ratios(tops, bottoms, protocol.bootstrap, protocol.seed, groups))
        bounds = {name: interval(values, protocol.confidence) for name, values in draws.items()}
    scores = {name: Score(float(values[0]), *bounds.get(name, ())) for name, values in point.items()}
    scores["median_iou"] = Score(float(np.median([image.values["iou"] for image in images])))
    return scores, None if groups is None else int(groups.max()) + 1


def score_sample_folder(
    samples: Root,
    real: Root,
    features: str | FeatureNetwork = "random-conv",
    limit: int | None = None,
    batch: int = 32,
    progress: Callable[[int, int], None] | None = None,
    size: int | None = None,
) -> SampleReport:
    """KID between the pictures of two sets, the central square of each brought to the feature network's size.

    Args:
        samples: Generated pictures: whatever `open_source` opens.
        real: Real ones, likewise.
        features: A name, see `genstruct.metrics.features`, or a network.
        limit: Use the first so many of each set.
        batch: Pictures at a time.
        progress: Told how many are done, of how many.
        size: Bring all pictures to this many pixels first, so that small samples are not told from photos by the
            detail that they cannot have.

    Raises:
        DataError: Too few readable pictures. Single pictures that fail are in the report.
    """
    network = feature_network(features) if isinstance(features, str) else features
    done, failed, found = 0, [], []
    with ExitStack() as stack:
        places = {place: stack.enter_context(open_source(place)) for place in dict.fromkeys((samples, real))}
        sources = [places[samples], places[real]]  # one place is opened once, as an LMDB wants it
        counts = [min(len(source), len(source) if limit is None else limit) for source in sources]

        def count(images: int) -> None:
            nonlocal done
            done += images
            if progress is not None:
                progress(done, sum(counts))

        for source, number in zip(sources, counts, strict=True):
            failed += failures(source)
            pictures = _batches(source, number, size or network.size, batch, failed)
            found.append(extract(network, (_enlarged(rows, network.size) for rows in pictures), progress=count))
            if not len(found[-1]):
                raise DataError(f"{source.description} holds no readable pictures")
        notes = [line for source in sources for line in source.notes]
    sample_rows, real_rows = whitened(*found) if network.whiten else found
    distance = kernel_distance(sample_rows, real_rows)
    counts = len(sample_rows), len(real_rows)
    return SampleReport(distance, network.name, size or network.size, *counts, failed, tuple(notes))


def central_square(pixels: UInt8[np.ndarray, "height width 3"], size: int) -> Float[Tensor, "3 size size"]:
    """The central square of a picture at `size` pixels, sRGB in [0, 1] (area-averaged where it shrinks)."""
    image = ImageOps.fit(Image.fromarray(pixels), (size, size), Image.Resampling.BICUBIC)
    return to_unit(np.asarray(image)).contiguous()


def _opened(kind: str, place: Root, predicted: bool) -> Source:
    try:
        return open_masks(place, predicted)
    except DataError as error:
        raise DataError(f"{kind}: {error}") from error


def _titled(kind: str, source: Source) -> list[str]:
    return [f"{kind}: {line}" for line in (*source.notes, *source.masks.remarks)]


def _enlarged(pictures: Float[Tensor, "batch 3 height width"], size: int) -> Float[Tensor, "batch 3 size size"]:
    """Pictures at the size that a network wants."""
    return resized(pictures, (size, size))


def _score_pair(item: Truth, true: Source, predicted: Source, name: str, protocol: MaskProtocol) -> ImageScores:
    truth, prediction = _read("truth", true, item.mask), _read("prediction", predicted, name)
    if prediction.shape != truth.shape:
        if not protocol.resize:
            sizes = [f"{mask.shape[3]}x{mask.shape[2]}" for mask in (prediction, truth)]
            raise ImageError(f"{name}: is {sizes[0]}, the truth {sizes[1]}; --resize scores it all the same")
        prediction = resized(prediction, truth.shape[2:]).clamp(0, 1)
    group = item.record.get(protocol.group_by) if item.record and protocol.group_by else None
    return score_mask(prediction, truth, protocol, item.name, None if group is None else str(group))


def _read(kind: str, source: Source, path: str) -> Float[Tensor, "1 1 height width"]:
    try:
        return to_unit(source.masks[path][None, :, :, None])
    except ImageError as error:
        raise ImageError(f"{kind} {error}") from error


def _sums(images: list[ImageScores]) -> tuple[np.ndarray, np.ndarray]:
    """Numerators and denominators per image: means, pooled IoU of object and background, the F-beta curve."""
    means = np.array([[image.values[name] for name in (*MEANS, "oracle_flip_share")] for image in images])
    hits, alarms, misses, rest = np.array([image.counts for image in images]).T
    wrong = alarms + misses
    curves = np.array([image.f_beta for image in images])
    tops = np.column_stack([means, hits, rest, curves])
    return tops, np.column_stack([np.ones_like(means), hits + wrong, rest + wrong, np.ones_like(curves)])


def _derived(ratios: Float[np.ndarray, "draws columns"]) -> dict[str, np.ndarray]:
    """Named scores from the columns of `_sums`."""
    names = (*MEANS, "oracle_flip_share", "dataset_iou")
    scores = {name: ratios[:, column] for column, name in enumerate(names)}
    background = ratios[:, len(names)]
    return scores | {
        "dataset_mean_iou": (scores["dataset_iou"] + background) / 2,
        "max_f_beta": ratios[:, len(names) + 1 :].max(1),
    }


def _group_numbers(images: list[ImageScores]) -> np.ndarray | None:
    groups = [image.group for image in images if image.group is not None]
    return np.unique(groups, return_inverse=True)[1] if len(groups) == len(images) else None


def _batches(source: Source, count: int, size: int, batch: int, failed: list[Failure]) -> Iterator[Tensor]:
    """Readable pictures in batches; the others are added to `failed`."""
    rows = []
    for number in range(count):
        try:
            rows.append(central_square(source.image(number), size))
        except ImageError as error:
            failed.append(Failure(source.names[number], str(error)))
        if len(rows) == batch:
            yield torch.stack(rows)
            rows = []
    if rows:
        yield torch.stack(rows)
