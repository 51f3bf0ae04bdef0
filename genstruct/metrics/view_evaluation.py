"""Score a file of viewpoints against true cameras.

The frame is fitted on one half of the photos and judged on the other, and the other way round, so that each photo has
an error by a frame that it has no part in. Photos whose view is undetermined count as not covered; how far their
likeliest candidate would have been off is told apart, in the scores "of all" and in the table of confidences.
"""

import itertools
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from genstruct.data.source import Failure
from genstruct.errors import DataError
from genstruct.metrics.bootstrap import interval
from genstruct.metrics.evaluation import Score
from genstruct.metrics.view_files import (
    RIGHT,
    KnownViews,
    edge_precision,
    matched_views,
    read_lines,
    rotation_of,
    true_records,
    view_file,
)
from genstruct.metrics.viewpoint import score_views

FEWEST = 10
"""Photos below which half of them would not settle a frame."""
FLIP = 120.0
"""Error above which a view counts as flipped, degrees."""
SUREST = 0.75
BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Of the table of confidences."""
GRAPH = "graph.json"


@dataclass(frozen=True)
class ViewProtocol:
    """How viewpoints are scored.

    Args:
        bootstrap: Resampled data sets for the intervals; 0 for none.
        seed: Of the bootstrap.
    """

    bootstrap: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class SureShare:
    """The photos of a range of confidence.

    Args:
        low, high: The range.
        photos: How many.
        confidence: Their mean.
        right: Share within `RIGHT`.
        flips: Share above `FLIP`.
    """

    low: float
    high: float
    photos: int
    confidence: float
    right: float
    flips: float


@dataclass(frozen=True)
class ViewReport:
    """Scores of a file of viewpoints.

    Args:
        scores: By name.
        photos: That have a true view.
        scored: Those whose view was determined.
        undetermined: Those that say that theirs is not.
        mirrored: Whether the set came out as its mirror image.
        guesses: Share of the undetermined whose likeliest candidate was right; None without any.
        sure: The table of confidences, undetermined photos included.
        edges: Of a graph beside the file: how many were verified, and the share of those that is true.
        errors: Degrees, by name.
        failures: What could not be scored.
        notes: Remarks, one line each.
        protocol: How it was scored.
    """

    scores: dict[str, Score]
    photos: int
    scored: int
    undetermined: int
    mirrored: bool
    guesses: float | None
    sure: list[SureShare]
    edges: dict[str, float | int] | None
    errors: dict[str, float]
    failures: list[Failure]
    notes: tuple[str, ...]
    protocol: ViewProtocol

    def to_json(self) -> dict[str, object]:
        """Everything as plain values."""
        return {
            "kind": "viewpoints",
            "scored": self.scored,
            "failed": len(self.failures),
            "photos": self.photos,
            "undetermined": self.undetermined,
            "mirrored": self.mirrored,
            "undetermined_right": self.guesses,
            "protocol": {
                **asdict(self.protocol),
                "frame": "one rotation of the object, fitted on the other half of the photos",
                "right": f"within {RIGHT:g} degrees",
                "flip": f"above {FLIP:g} degrees",
            },
            "scores": {name: asdict(score) for name, score in self.scores.items()},
            "by_confidence": [asdict(share) for share in self.sure],
            "edges": self.edges,
            "failures": [asdict(failure) for failure in self.failures],
            "notes": list(self.notes),
            "images": [{"name": name, "degrees": round(value, 3)} for name, value in self.errors.items()],
        }


def score_view_file(predictions: Path | str, truth: Path | str, protocol: ViewProtocol | None = None) -> ViewReport:
    """Score the lines of `predictions` by the cameras of `truth`.

    Args:
        predictions: A .jsonl file, or a folder with viewpoints.jsonl (and graph.json, whose edges are scored, too).
        truth: A set whose metadata have `world_to_camera`, or azimuth and elevation; or that metadata file.
        protocol: How to score.

    Raises:
        DataError: One of them cannot be read, the names do not match, or fewer than `FEWEST` views are determined.
    """
    protocol, file = protocol or ViewProtocol(), view_file(Path(predictions))
    lines, true = read_lines(file, "predictions"), true_records(Path(truth))
    views = {name: view for name, record in true.items() if (view := rotation_of(record)) is not None}
    if not views:
        raise DataError(f"truth: {truth} has no world_to_camera, nor azimuth and elevation; it cannot score views")
    failed = [Failure("predictions", problem) for problem in lines.problems]
    known = matched_views(lines, views, failed)
    if known.determined.sum() < FEWEST:
        raise DataError(_too_few(known, len(lines.records), len(views), str(file), str(truth)))
    errors, mirrored, notes = _errors(known)
    sure = errors[known.determined]
    far = known.determined.nonzero()[0].tolist()
    scores = _scores(known, errors, mirrored, len(views), protocol)
    guessed = errors[~known.determined]
    return ViewReport(
        scores,
        len(views),
        len(sure),
        int((~known.determined).sum()),
        mirrored,
        float((guessed <= RIGHT).mean()) if len(guessed) else None,
        _by_confidence(known.confidence, errors),
        edge_precision(file.with_name(GRAPH), true, mirrored),
        {known.names[row]: float(errors[row]) for row in far},
        failed,
        tuple(notes),
        protocol,
    )


def circular_rank_correlation(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]) -> float:
    """Of angles, radians: 1 where both go round in the same order, -1 where in opposite ones (Fisher & Lee 1982)."""
    ranks = [angles.argsort().argsort() * (math.tau / len(angles)) for angles in (first % math.tau, second % math.tau)]
    along, against = (abs(np.exp(1j * (ranks[0] + sign * ranks[1])).mean()) for sign in (-1, 1))
    return float(along**2 - against**2)


def _errors(known: KnownViews) -> tuple[Float[np.ndarray, " photos"], bool, list[str]]:
    """Of each photo, degrees; whether the set is mirrored; and remarks. Frames are fitted on determined photos."""
    errors, mirrored = np.zeros(len(known.names)), []
    sure = torch.from_numpy(known.determined)
    place = torch.cumsum(sure, 0) % 2 == 0  # every other of the determined ones
    for half in (place, ~place):
        fit = half & sure
        rows = fit | ~half
        scores = score_views(known.found[rows], known.true[rows], fit[rows])
        errors[(~half).numpy()] = scores.degrees.numpy()
        mirrored.append(scores.mirrored)
    notes = (
        [] if mirrored[0] == mirrored[1] else ["the halves disagree whether the set is mirrored: few views are right"]
    )
    return errors, mirrored[0], notes


def _scores(
    known: KnownViews, errors: Float[np.ndarray, " photos"], mirrored: bool, photos: int, protocol: ViewProtocol
) -> dict[str, Score]:
    sure = errors[known.determined]
    measures = {
        "median": np.median,
        "mean": np.mean,
        "within_15": lambda values, axis: (values <= RIGHT / 2).mean(axis),
        "within_30": lambda values, axis: (values <= RIGHT).mean(axis),
        "flips": lambda values, axis: (values > FLIP).mean(axis),
    }
    scores = {name: Score(float(measure(sure, axis=0))) for name, measure in measures.items()}
    if protocol.bootstrap:
        rng = np.random.default_rng(protocol.seed)
        drawn = sure[rng.integers(0, len(sure), (protocol.bootstrap, len(sure)))]
        for name, measure in measures.items():
            scores[name] = Score(scores[name].value, *interval(np.asarray(measure(drawn, axis=1))))
    scores["median_of_all"] = Score(float(np.median(errors)))
    scores["within_30_of_all"] = Score(float((errors <= RIGHT).mean()))
    scores["coverage"] = Score(len(sure) / photos)
    scores["azimuth_order"] = Score(_azimuth_order(known, mirrored))
    if not np.isnan(known.confidence).any():
        order = (-known.confidence).argsort(kind="stable")[: round(SUREST * len(errors))]
        scores["surest_flips"] = Score(float((errors[order] > FLIP).mean()))
    return scores


def _azimuth_order(known: KnownViews, mirrored: bool) -> float:
    """Circular rank correlation of azimuths in the frame of the truth, of determined photos."""
    rows = torch.from_numpy(known.determined)
    found, true = known.found[rows], known.true[rows]
    flip = torch.diag(found.new_tensor([-1.0 if mirrored else 1.0, 1, 1]))
    mine = flip @ found @ flip
    gauge = score_views(mine, true, torch.arange(len(mine)) % 2 == 0).gauge
    angles = [torch.atan2(-views[:, 2, 0], -views[:, 2, 2]).numpy() for views in (mine @ gauge.mT, true)]
    return circular_rank_correlation(*angles)


def _by_confidence(confidence: Float[np.ndarray, " photos"], errors: Float[np.ndarray, " photos"]) -> list[SureShare]:
    table = []
    for low, high in itertools.pairwise(BINS):
        rows = (confidence >= low) & ((confidence < high) | (high == BINS[-1]) & (confidence <= high))
        if rows.any():
            off, mean = errors[rows], float(confidence[rows].mean())
            right, flips = float((off <= RIGHT).mean()), float((off > FLIP).mean())
            table.append(SureShare(low, high, int(rows.sum()), mean, right, flips))
    return table


def _too_few(known: KnownViews, lines: int, photos: int, file: str, truth: str) -> str:
    if not known.names:
        return f"none of the {lines} lines of {file} has the name of one of the {photos} photos of {truth} and a view"
    return (
        f"{file}: {int(known.determined.sum())} of {photos} photos have a determined view, scoring needs at least "
        f"{FEWEST}: half of them settle the frame"
    )
