"""The steps of `tools/study_viewpoint.py`: crops, neighbours, starts, shapes, interventions, each scored."""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from genstruct.data.masks import decode_mask
from genstruct.data.sources import open_source
from genstruct.errors import DataError
from genstruct.geometry.camera import Camera
from genstruct.metrics.viewpoint import ViewScores, score_views
from genstruct.viewpoint.config import FitConfig, GridConfig, GrowConfig, PriorConfig
from genstruct.viewpoint.crops import ObjectCrops, crop_object
from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.em import Fit
from genstruct.viewpoint.fitting import category, finish, grow, prepare, start
from genstruct.viewpoint.hypotheses import shape_hypothesis
from genstruct.viewpoint.interventions import intervene
from genstruct.viewpoint.nodes import components
from genstruct.viewpoint.selection import confidence, strongest

SIZE = 64
BEST, SURE = 10, 0.75

Row = tuple[str, ViewScores, dict[str, float]]


def study(data: Path, masks: Path, seed: int, shapes: int, limit: int | None = None) -> Iterator[Row]:
    """Rows of one start: a name, scores of all or of the surest images, and further figures."""
    crops, azimuth, true = read(data, masks, limit)
    grid, prior = GridConfig(), PriorConfig()
    problem = prepare(crops, prior, grid, FitConfig())
    fit = start(problem, prior, seed)
    yield "one shape", scored(fit, true), {"energy": fit.energy}
    yield "finer views", scored(finish(problem, fit, grid), true), {}
    fit = grow(problem, fit, GrowConfig(shapes=shapes), seed)
    last = finish(problem, fit, grid)
    yield "several shapes", scored(last, true), {"shapes": float(len(last.templates))}
    found, elevation = last.orbit.grid.mean_view(last.q)
    hypothesis = shape_hypothesis(category(last), found, elevation, last.shares.argmax(1))
    edges = intervene(crops, hypothesis, found)
    certain = confidence(edges, len(crops))
    sure = certain >= certain.quantile(1 - SURE)
    yield f"surest {sure.float().mean():.0%}", scored(last, true, sure), edge_figures(edges, azimuth)


def read(data: Path, masks: Path, limit: int | None) -> tuple[ObjectCrops, Tensor, Tensor]:
    """Crops, and the true azimuths and rotations. Raises DataError for an image without a camera."""
    crops, azimuths, rotations = [], [], []
    with open_source(data) as source:
        for number, name in enumerate(source.names[:limit]):
            record = source.records.get(name)
            if record is None or record.azimuth is None or record.world_to_camera is None:
                raise DataError(f"{name}: its metadata has no azimuth or world_to_camera, which are needed to score")
            file = (masks / name).with_suffix(".png")
            crops.append(crop_object(source.image(number), decode_mask(file), SIZE))
            azimuths.append(math.radians(record.azimuth))
            rotations.append(torch.tensor(record.world_to_camera)[:, :3])
    images, cut, squares = (torch.stack(part) for part in zip(*crops, strict=True))
    return ObjectCrops(images, cut, squares), torch.tensor(azimuths), torch.stack(rotations)


def scored(fit: Fit, true: Tensor, only: Bool[Tensor, " images"] | None = None) -> ViewScores:
    """Errors of the views of a fit; the frame is always fitted on every other image."""
    azimuth, elevation = fit.orbit.grid.mean_view(fit.q)
    found = Camera.orbit(azimuth, elevation, fit.orbit.distance, 1.0, (1, 1)).rotation
    scores = score_views(found, true)
    if only is None:
        return scores
    return ViewScores(scores.degrees[only[1::2]], scores.gauge, scores.mirrored)


def edge_figures(edges: Edges, azimuth: Float[Tensor, " images"]) -> dict[str, float]:
    """Share of true claims among verified edges: all, and the most similar ones; images in the largest component."""
    good = edges[edges.agrees]
    best = edges[strongest(edges, len(azimuth), BEST)]
    joined = (components(best, len(azimuth)) == 0).float().mean().item()
    return {"precision": precision(best, azimuth), "of all edges": precision(good, azimuth), "joined": joined}


def precision(edges: Edges, azimuth: Float[Tensor, " images"]) -> float:
    """Share of edges whose claimed turn is true within 30 degrees of azimuth."""
    shown = torch.where(edges.mirrored, -azimuth[edges.end], azimuth[edges.end])
    off = shown - azimuth[edges.start] - edges.turn
    return (torch.atan2(off.sin(), off.cos()).abs() < math.radians(30)).float().mean().item()
