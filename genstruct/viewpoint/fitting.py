"""The views and shapes of a category found without labels, in steps whose results can be kept.

    problem = prepare(crops, prior, grid, fit)
    fits = [start(problem, prior, number) for number in range(4)]
    fit = grow(problem, fits[best(fits)], GrowConfig(), seed=0)
    last = finish(problem, fit, grid)  # posteriors on a finer grid
    category(last)

A `Fit` knows the orbit that it was found with, and `findings`: what was chosen without labels, and by which figure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from genstruct.viewpoint.appearance import Appearance, appearance
from genstruct.viewpoint.config import FitConfig, GridConfig, GrowConfig, PriorConfig
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.descriptors import describe_both
from genstruct.viewpoint.em import Fit, Images, OnRound, Problem, expect, fit_start, refit
from genstruct.viewpoint.graph import Category
from genstruct.viewpoint.neighbors import default_count, find_neighbors
from genstruct.viewpoint.template import Template
from genstruct.viewpoint.views import Orbit, ViewGrid

CHUNK = 500
"""Crops that are looked at together."""


def prepare(crops: ObjectCrops, prior: PriorConfig, grid: GridConfig, fit: FitConfig) -> Problem:
    """What all fits of these crops have in common: their maps, their neighbours, and the cameras' orbit."""
    plain, mirrored = describe_both(crops.images, crops.masks)
    near = find_neighbors(plain, plain, mirrored, default_count(len(crops)), own=True)
    return Problem(Images(maps(crops)), near, orbit(prior, grid), fit)


def orbit(prior: PriorConfig, grid: GridConfig) -> Orbit:
    """Where the cameras stand at first."""
    low, high, widest = map(math.radians, (prior.lowest, prior.highest, prior.widest))
    return Orbit(ViewGrid(grid.azimuths, low, high, grid.elevations, widest), prior.distance, prior.whole_circle)


def start(problem: Problem, prior: PriorConfig, number: int, on_round: OnRound | None = None) -> Fit:
    """One of several starts: random offsets of the shape by its number."""
    return fit_start(problem, Template(prior.half_axes, number), on_round)


def best(fits: Sequence[Fit]) -> int:
    """The one to go on with: of the lowest energy."""
    return min(range(len(fits)), key=lambda number: fits[number].energy)


def grow(problem: Problem, fit: Fit, config: GrowConfig, seed: int, on_round: OnRound | None = None) -> Fit:
    """Several shapes that share one frame: the one found, and slightly changed copies of it that grow apart."""
    rng = torch.Generator().manual_seed(seed)
    first = Template.of(fit.templates[0].state_dict())
    templates = [first, *(first.changed(rng) for _ in range(config.shapes - 1))]
    if config.shapes == 1:
        return fit
    grown = refit(replace(problem, orbit=fit.orbit), templates, config.rounds, config.bends, on_round)
    findings = {"shapes": config.shapes, "shares": [round(share, 3) for share in grown.shares.mean(0).tolist()]}
    return replace(grown, findings={**fit.findings, **findings})


def finish(problem: Problem, fit: Fit, grid: GridConfig) -> Fit:
    """The last posteriors, over finer views; the commonest shape comes first."""
    order = fit.shares.mean(0).argsort(descending=True).tolist()
    fine = replace(problem, orbit=fit.orbit.finer(grid.finer))
    last = expect(fine, [fit.templates[number] for number in order], problem.config.cold, steps=grid.last_steps)
    return replace(last, findings=fit.findings)


def category(fit: Fit) -> Category:
    """What the photos have in common."""
    place = fit.orbit
    return Category(fit.templates, place.grid, place.distance, place.whole_circle, fit.findings)


def pack_fit(fit: Fit) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (posteriors as float16) and plain values that `unpack_fit` makes the fit from again."""
    tensors = {"shares": fit.shares.half(), "q": fit.q.half()}
    for number, template in enumerate(fit.templates):
        tensors |= {f"templates.{number}.{name}": value for name, value in template.state_dict().items()}
    return tensors, {"energy": fit.energy, "orbit": asdict(fit.orbit), "findings": dict(fit.findings)}


def unpack_fit(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> Fit:
    """The fit that was packed. Raises KeyError where something is missing."""
    states: list[dict[str, Tensor]] = [{} for _ in range(tensors["shares"].shape[1])]
    for name, value in tensors.items():
        if name.startswith("templates."):
            _, number, part = name.split(".")
            states[int(number)][part] = value
    place = Orbit(**{**about["orbit"], "grid": ViewGrid(**about["orbit"]["grid"])})
    q = _shares(tensors["q"])
    return Fit(
        tuple(map(Template.of, states)), _shares(tensors["shares"]), q, about["energy"], place, about["findings"]
    )


def _shares(half: Tensor) -> Tensor:
    full = half.float()
    return full / full.sum(1, keepdim=True)


def maps(crops: ObjectCrops) -> Appearance:
    """Maps, in pieces."""
    pieces = [appearance(*piece) for piece in zip(crops.images.split(CHUNK), crops.masks.split(CHUNK), strict=True)]
    return Appearance(torch.cat([piece.mask for piece in pieces]), torch.cat([piece.maps for piece in pieces]))
