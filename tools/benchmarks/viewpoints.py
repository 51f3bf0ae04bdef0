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
from genstruct.viewpoint.appearance import Appearance, appearance
from genstruct.viewpoint.config import FitConfig, GridConfig, GrowConfig, PriorConfig
from genstruct.viewpoint.crops import ObjectCrops, crop_object
from genstruct.viewpoint.descriptors import describe
from genstruct.viewpoint.edges import Edges, agreement, find_edges
from genstruct.viewpoint.em import Fit, Images, Problem, expect, fit_start, grown, image_energies
from genstruct.viewpoint.interventions import mesh_fields, turned
from genstruct.viewpoint.neighbors import default_count, find_neighbors
from genstruct.viewpoint.nodes import components
from genstruct.viewpoint.template import Template
from genstruct.viewpoint.views import ViewGrid

SIZE = 64
CHUNK = 500
EDGES = 6  # of each image and turn
BINS = (1, -1, 2, -2)
BEST, SURE = 10, 0.75

Row = tuple[str, ViewScores, dict[str, float]]


def study(data: Path, masks: Path, seed: int, most: int, limit: int | None = None) -> Iterator[Row]:
    """Rows of one start: a name, scores of all or of the surest images, and further figures."""
    crops, azimuth, true = read(data, masks, limit)
    plain, mirrored = (described(some) for some in (crops, flipped(crops)))
    near = find_neighbors(plain, plain, mirrored, default_count(len(crops)), own=True)
    grid, prior, grow = GridConfig(), PriorConfig(), GrowConfig(most=most)
    views = ViewGrid(grid.azimuths, math.radians(prior.lowest), math.radians(prior.highest), grid.elevations)
    problem = Problem(Images(maps(crops)), near, views, prior.distance, prior.whole_circle, FitConfig())
    fit = fit_start(problem, Template(prior.half_axes, seed))
    yield "one shape", scored(problem, fit, true), {"energy": fit.energy}
    one = fit
    for one, held_out in shapes(problem, fit, grow, seed):
        fine = problem.finer(grid.finer)
        more = {"shapes": float(len(one.templates)), "held-out energy": held_out}
        yield "finer views", scored(fine, expect(fine, one.templates, problem.config.cold), true), more
    fine = problem.finer(grid.finer)
    last = expect(fine, one.templates, problem.config.cold)
    found, _ = fine.grid.mean_view(last.q)
    edges = intervened(crops, (plain, mirrored), problem, one, found)
    confidence = agreement(edges, len(crops))
    sure = confidence >= confidence.quantile(1 - SURE)
    yield f"surest {sure.float().mean():.0%}", scored(fine, last, true, sure), edge_figures(edges, azimuth)


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


def flipped(crops: ObjectCrops) -> ObjectCrops:
    """Mirror images."""
    return ObjectCrops(crops.images.flip(-1), crops.masks.flip(-1), crops.squares)


def described(crops: ObjectCrops) -> Float[Tensor, "images features"]:
    """Descriptors, in pieces."""
    pieces = zip(crops.images.split(CHUNK), crops.masks.split(CHUNK), strict=True)
    return torch.cat([describe(*piece) for piece in pieces])


def maps(crops: ObjectCrops) -> Appearance:
    """Maps, in pieces."""
    pieces = [appearance(*piece) for piece in zip(crops.images.split(CHUNK), crops.masks.split(CHUNK), strict=True)]
    return Appearance(torch.cat([piece.mask for piece in pieces]), torch.cat([piece.maps for piece in pieces]))


def shapes(problem: Problem, fit: Fit, grow: GrowConfig, seed: int) -> Iterator[tuple[Fit, float]]:
    """One shape, two, four, ..., with the energy of held-out images; ends where that no longer falls enough."""
    rng = torch.Generator().manual_seed(seed)
    train = torch.rand(len(problem.images), generator=rng) >= grow.held_out
    energy = image_energies(problem, fit)[~train].mean().item()
    yield fit, energy
    while 2 * len(fit.templates) <= grow.most:
        fit, before = grown(problem, fit, grow.rounds, train, rng), energy
        energy = image_energies(problem, fit)[~train].mean().item()
        if energy > before - grow.gain:
            return
        yield fit, energy


def scored(problem: Problem, fit: Fit, true: Tensor, only: Bool[Tensor, " images"] | None = None) -> ViewScores:
    """Errors of the views of a fit; the frame is always fitted on every other image."""
    azimuth, elevation = problem.grid.mean_view(fit.q)
    found = Camera.orbit(azimuth, elevation, problem.distance, 1.0, (1, 1)).rotation
    scores = score_views(found, true)
    if only is None:
        return scores
    return ViewScores(scores.degrees[only[1::2]], scores.gauge, scores.mirrored)


def intervened(
    crops: ObjectCrops, plain: tuple[Tensor, Tensor], problem: Problem, fit: Fit, azimuth: Float[Tensor, " images"]
) -> Edges:
    """Edges by turning each image with the shape that it has."""
    view, shape = fit.q.argmax(1), fit.shares.argmax(1)
    there = {}
    for bins in BINS:
        fields = [mesh_fields(t.mesh(), problem.grid, bins, problem.distance, SIZE) for t in fit.templates]
        made = turned(crops, fields[0], view)
        for number, field in enumerate(fields[1:], 1):
            mine = shape == number
            own = turned(ObjectCrops(crops.images[mine], crops.masks[mine], crops.squares[mine]), field, view[mine])
            made.images[mine], made.masks[mine] = own.images, own.masks
        there[fields[0].turn] = described(made), described(flipped(made))
    return find_edges(plain, there, azimuth, EDGES)


def edge_figures(edges: Edges, azimuth: Float[Tensor, " images"]) -> dict[str, float]:
    """Share of true claims among verified edges: all, and the most similar ones; images in the largest component."""
    good = edges[edges.agrees]
    best = good[good.similarity.argsort(descending=True)[: BEST * len(azimuth)]]
    joined = (components(good, len(azimuth)) == 0).float().mean().item()
    return {"precision": precision(best, azimuth), "of all edges": precision(good, azimuth), "joined": joined}


def precision(edges: Edges, azimuth: Float[Tensor, " images"]) -> float:
    """Share of edges whose claimed turn is true within 30 degrees of azimuth."""
    shown = torch.where(edges.mirrored, -azimuth[edges.end], azimuth[edges.end])
    off = shown - azimuth[edges.start] - edges.turn
    return (torch.atan2(off.sin(), off.cos()).abs() < math.radians(30)).float().mean().item()
