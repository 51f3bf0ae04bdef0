"""The views and shapes of a category found without labels, in steps whose results can be kept.

    problem = prepare(crops, prior, grid, fit)
    problem = narrowed(problem, start(problem, prior, 0), grid)  # where prior.narrow
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

COMMON = 1 / 2
"""Of the images at the commonest elevation: as many must be at another for it to be kept."""
CHUNK = 500
"""Crops that are looked at together."""


def prepare(crops: ObjectCrops, prior: PriorConfig, grid: GridConfig, fit: FitConfig, neighbors: int = 0) -> Problem:
    """What all fits of these crops have in common: their maps, their neighbours (0 = as many as the set asks for), and
    the cameras' orbit."""
    plain, mirrored = describe_both(crops.images, crops.masks)
    near = find_neighbors(plain, plain, mirrored, min(neighbors or default_count(len(crops)), len(crops) - 1), own=True)
    return Problem(Images(maps(crops)), near, orbit(prior, grid), fit)


def orbit(prior: PriorConfig, grid: GridConfig) -> Orbit:
    """Where the cameras stand at first."""
    low, high, widest = map(math.radians, (prior.lowest, prior.highest, prior.widest))
    return Orbit(replace(view_grid(low, high, grid), widest=widest), prior.distance, prior.whole_circle)


def view_grid(lowest: float, highest: float, grid: GridConfig) -> ViewGrid:
    """Views between two elevations (radians)."""
    steps = max(1, round(math.degrees(highest - lowest) / grid.step))
    return ViewGrid(grid.azimuths, lowest, highest, steps + 1)


def start(problem: Problem, prior: PriorConfig, number: int, on_round: OnRound | None = None) -> Fit:
    """One of several starts: by its number it begins with one of the boxes, and with random offsets."""
    found = fit_start(problem, first_shape(prior, number), on_round)
    return replace(found, findings={**problem.findings, "half_axes": list(_box(prior, number))})


def first_shape(prior: PriorConfig, number: int) -> Template:
    """What a start begins with."""
    return Template(_box(prior, number), number)


def _box(prior: PriorConfig, number: int) -> tuple[float, float, float]:
    return prior.half_axes[number % len(prior.half_axes)]


def best(fits: Sequence[Fit]) -> int:
    """The one to go on with: of the lowest energy."""
    return min(range(len(fits)), key=lambda number: fits[number].energy)


def narrowed(problem: Problem, scout: Fit, grid: GridConfig) -> Problem:
    """The problem between the elevations that photos show, as a first start found them between all.

    Elevations that are thought of but not there draw images to them, and energies no longer tell good starts from bad
    ones. Which are there is seen even by a start that went wrong: of 3000 cars, between -10 and 45 degrees, four of
    four starts from one seed turned a whole car model round and had .80 to .85 within 30 degrees; the first saw 4 to 31
    degrees (true: 0 to 30), between which three of the four have .91 to .92, one .80, and energy tells these apart.
    """
    lowest, highest, shares = shown_elevations(scout)
    views = replace(view_grid(lowest, highest, grid), widest=problem.orbit.grid.widest)
    ends = [round(math.degrees(end), 1) for end in (lowest, highest)]
    findings = {**problem.findings, "elevations": ends, "shares_of_elevations": shares}
    return replace(problem, orbit=replace(problem.orbit, grid=views), findings=findings)


def shown_elevations(fit: Fit) -> tuple[float, float, list[float]]:
    """Lowest and highest elevation (radians), and the share of the images at each of the grid: those round the
    commonest one that at least `COMMON` times as many images show, with half a step at both ends."""
    grid = fit.orbit.grid
    share = fit.q.mean(0).unflatten(0, (grid.azimuths, grid.elevations)).sum(0)
    rare = (share < COMMON * share.max()).tolist()
    top = int(share.argmax())
    low = max((number + 1 for number in range(top) if rare[number]), default=0)
    high = min((number - 1 for number in range(top, len(rare)) if rare[number]), default=len(rare) - 1)
    step = (grid.highest - grid.lowest) / (grid.elevations - 1)
    rounded = [round(value, 3) for value in share.tolist()]
    return grid.lowest + (low - 0.5) * step, grid.lowest + (high + 0.5) * step, rounded


def grow(problem: Problem, fit: Fit, config: GrowConfig, seed: int, on_round: OnRound | None = None) -> Fit:
    """Several shapes that share one frame: the one found, and slightly changed copies of it that grow apart."""
    if config.shapes == 1:
        return fit
    rng = torch.Generator().manual_seed(seed)
    problem, rounds, tries = replace(problem, orbit=fit.orbit), config.rounds, []
    for done in range(config.tries):
        first = Template.of(fit.templates[0].state_dict())
        templates = [first, *(first.changed(rng) for _ in range(config.shapes - 1))]
        report = _after(done * rounds, config.tries, on_round)
        tries.append(refit(problem, templates, rounds, config.bends, config.hot, report))
    grown = tries[best(tries)]
    energies = [round(one.energy, 4) for one in tries]
    shares = [round(share, 3) for share in grown.shares.mean(0).tolist()]
    findings = {"shapes": config.shapes, "shares_of_shapes": shares, "energies_of_growing": energies}
    return replace(grown, findings={**fit.findings, **findings})


def _after(before: int, times: int, on_round: OnRound | None) -> OnRound | None:
    """Rounds of one of several `times`, after others."""
    if on_round is None:
        return None
    report = on_round
    return lambda done, rounds, energy: report(before + done, times * rounds, energy)


def finish(problem: Problem, fit: Fit, grid: GridConfig) -> Fit:
    """The last posteriors, over finer views, by the nearest neighbours alone; the commonest shape comes first."""
    config = problem.config
    order = fit.shares.mean(0).argsort(descending=True).tolist()
    near = problem.neighbors.nearest(config.last_neighbors)
    fine = replace(problem, orbit=fit.orbit.finer(grid.finer), neighbors=near)
    templates = [fit.templates[number] for number in order]
    last = expect(fine, templates, config.cold, strength=config.last_strength, steps=grid.last_steps)
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
