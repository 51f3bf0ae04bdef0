"""What `tools/study_viewpoint.py` compares on: a labelled set whose labels score, and nothing else."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.data.sources import open_masks, open_source
from genstruct.errors import DataError
from genstruct.geometry.camera import Camera
from genstruct.metrics.viewpoint import score_views
from genstruct.train.config import TrainConfig
from genstruct.viewpoint.config import CriticConfig, FitConfig, GridConfig, GrowConfig, PriorConfig
from genstruct.viewpoint.critic import Critic, train_critic
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.em import Fit, Problem
from genstruct.viewpoint.fitting import category, finish, grow, narrowed, prepare, start
from genstruct.viewpoint.hypotheses import ShapeHypothesis, shape_hypothesis
from genstruct.viewpoint.nodes import components
from genstruct.viewpoint.photos import cut_photos, photos_key
from genstruct.viewpoint.selection import strongest
from genstruct.viewpoint.store import FitCodec, Kept, PhotosCodec

SIZE = 64
PER_IMAGE = 10
"""Edges for each image, on average, of which precision is told."""
CRITIC = 20_000
"""Images that a critic learns from."""
RIGHT = math.radians(30)

Figures = dict[str, float]


@dataclass(frozen=True)
class Subject:
    """Images with known views.

    Args:
        crops: Of the images.
        azimuth: True, radians; scores only.
        rotation: True, world to camera; scores only.
        seed: Of the start.
        folder: Where the common fit is kept, made from `made_from`.
    """

    crops: ObjectCrops
    azimuth: Float[Tensor, " images"]
    rotation: Float[Tensor, "images 3 3"]
    seed: int
    folder: Path
    made_from: tuple[str | int | None, ...]

    def __len__(self) -> int:
        return len(self.crops)

    def problem(self, crops: ObjectCrops | None = None) -> Problem:
        """What fits are made from."""
        problem = prepare(crops or self.crops, PriorConfig(), GridConfig(), FitConfig())
        return narrowed(problem, self.one(problem), GridConfig())

    def one(self, problem: Problem) -> Fit:
        """From one start with the first of the boxes: one shape."""
        prior = PriorConfig()
        return start(problem, prior, self.seed * len(prior.half_axes))

    def fitted(self, problem: Problem) -> Fit:
        """From one start to the last posteriors."""
        fit = self.one(problem)
        return finish(problem, grow(problem, fit, GrowConfig(), self.seed), GridConfig())

    @cached_property
    def fit(self) -> Fit:
        """That of the whole method, which several rows share."""
        kept = Kept(self.folder, "fit", list(self.made_from), FitCodec())
        found = kept.find()
        return kept.keep(self.fitted(self.problem())) if found is None else found

    @cached_property
    def critic(self) -> Critic:
        """Trained on the crops; continued where it stopped."""
        train = TrainConfig(images=CRITIC, batch=32, seed=self.seed, tensorboard=False, preview_every_images=0)
        return train_critic(self.crops, self.folder / f"critic-{len(self)}", CriticConfig(), train)

    @cached_property
    def views(self) -> tuple[Tensor, Tensor]:
        """Azimuth and elevation of the whole method, radians."""
        return self.fit.orbit.grid.mean_view(self.fit.q)

    @cached_property
    def shapes(self) -> ShapeHypothesis:
        """The category's own, each image in its view."""
        return shape_hypothesis(category(self.fit), *self.views, self.fit.shares.argmax(1))


def read_subject(data: Path, masks: Path | None, folder: Path, limit: int | None, seed: int) -> Subject:
    """A set, or evenly spaced images of it. Raises DataError for images without camera."""
    with open_source(data) as source:
        opened = None if masks is None else open_masks(str(masks), predicted=True)
        kept = Kept(folder, "crops" if masks else "bare", photos_key(source, opened, SIZE), PhotosCodec())
        photos = kept.find() or kept.keep(cut_photos(source, opened, SIZE))
        records = [source.records.get(name) for name in photos.names]
    azimuths, rotations = [], []
    for name, record in zip(photos.names, records, strict=True):
        if record is None or record.azimuth is None or record.world_to_camera is None:
            raise DataError(f"{name}: its metadata has no azimuth or world_to_camera, which are needed to score")
        azimuths.append(math.radians(record.azimuth))
        rotations.append(torch.tensor(record.world_to_camera)[:, :3])
    count = len(photos) if limit is None else min(limit, len(photos))
    rows = torch.linspace(0, len(photos) - 1, count).round().long()
    crops = ObjectCrops(photos.crops.images[rows], photos.crops.masks[rows], photos.crops.squares[rows])
    made_from = (kept.key, count, seed)
    return Subject(crops, torch.tensor(azimuths)[rows], torch.stack(rotations)[rows], seed, folder, made_from)


def view_figures(subject: Subject, azimuth: Tensor, elevation: Tensor | None = None) -> Figures:
    """Errors of views: median in degrees, shares within 15 and 30 degrees, and front for back.

    Where no elevation is known, all images get the middle of the range that is assumed of the category.
    """
    middle = math.radians((PriorConfig().lowest + PriorConfig().highest) / 2)
    elevation = torch.full_like(azimuth, middle) if elevation is None else elevation
    scores = score_views(Camera.orbit(azimuth, elevation, 1.0, 1.0, (1, 1)).rotation, subject.rotation)
    return {"median": scores.median, "<15": scores.within(15), "<30": scores.within(30), "flips": scores.flips}


def edge_figures(subject: Subject, edges: Edges) -> Figures:
    """Of the strongest edges that are verified: how many are right, how many images they join, and in how many of those
    that claim a turn it goes the way that is claimed."""
    best = edges[strongest(edges, len(subject), PER_IMAGE)]
    joined = (components(best, len(subject)) == 0).double().mean().item()
    moved = best[best.turn != 0]
    figures = {"precision": precision(subject, best), "edges": len(best) / len(subject), "joined": joined}
    if len(moved):
        figures["sign"] = (true_turn(subject, moved) * moved.turn > 0).double().mean().item()
    return {**figures, "precision of all": precision(subject, edges), "all edges": len(edges) / len(subject)}


def precision(subject: Subject, edges: Edges) -> float:
    """Share of edges whose claimed turn is true within 30 degrees of azimuth."""
    return (apart(true_turn(subject, edges), edges.turn) < RIGHT).double().mean().item()


def true_turn(subject: Subject, edges: Edges) -> Tensor:
    """By how much azimuth grows from start to end, radians in [-pi, pi]."""
    shown = torch.where(edges.mirrored, -subject.azimuth[edges.end], subject.azimuth[edges.end])
    off = shown - subject.azimuth[edges.start]
    return torch.atan2(off.sin(), off.cos())


def apart(one: Tensor, other: Tensor) -> Tensor:
    """Absolute difference of angles, radians."""
    off = one - other
    return torch.atan2(off.sin(), off.cos()).abs()


def believed(edges: Edges) -> Edges:
    """Edges that nothing verifies, taken as they are."""
    return replace(edges, agrees=torch.ones_like(edges.agrees))
