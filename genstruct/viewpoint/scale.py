"""How large turns are, where photos do not go round the object: by interventions with a shape of known depth.

A shape that is half as deep and turns twice as far looks much the same from the front (the bas-relief ambiguity,
Belhumeur et al. 1999). Where azimuths go round, they must add up to a whole turn and nothing is free. Where they do
not, an assumption decides: seen from the front, the object is about as deep as it is wide. Photos near the front are
turned by an ellipsoid of that depth; where they land among the views found says by how much these are too near each
other, and the shape's depth is changed by that. On 800 heads a turn of 10 and 20 degrees by the ellipsoid lands at
photos that are 9.8 and 22.1 degrees away in truth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.viewpoint.config import InterventionConfig, PriorConfig
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.em import Fit, Problem, expect, follow, refit
from genstruct.viewpoint.fitting import first_shape
from genstruct.viewpoint.hypotheses import ellipsoid, proxy_hypothesis
from genstruct.viewpoint.interventions import intervene
from genstruct.viewpoint.template import Template

ROUNDS = 3
REVERSED = 0.25
"""Share of turns on the right side below which all turns are the wrong way round."""
FOLLOWED = 6
"""Rounds in which a new shape follows the reversed views."""
NEAR = math.radians(25)
"""How far from the front photos are that are turned, by the views found."""
TURNS = InterventionConfig(degrees=(10.0, 20.0), claims=4)
FEWEST = 50
"""Claims below which nothing is concluded."""
RIGHT_SIDE = 0.75
"""Share of the turns that must land on the side they were made to; by chance half. Heads: .88 to .92."""


RIGHT = "turns_on_right_side"
"""Key of the findings."""


@dataclass(frozen=True)
class Landing:
    """Where turns land.

    Args:
        ratio: Of the turn found to the turn made, median.
        right_side: Share that land on the right side.
        claims: How many were counted.
    """

    ratio: float
    right_side: float
    claims: int


def convex(problem: Problem, prior: PriorConfig, fit: Fit, crops: ObjectCrops, number: int) -> Fit:
    """A start whose turns go the right way round, and how often they do so in `findings`.

    A hollow shape that turns the other way looks much like a solid one: two of three starts on 800 heads were so, with
    azimuths in the reverse order (rank correlation -.97). Turned as a convex object, photos then land on the wrong
    side. A new, convex shape follows the reversed views, and both are fitted on (rank correlation .96).

    Args:
        problem: What is fitted.
        prior: Of the category.
        fit: A start.
        crops: Of the photos.
        number: Of the start.
    """
    landed = land(crops, fit)
    if landed.claims >= FEWEST and landed.right_side < REVERSED:
        template = first_shape(prior, number)
        follow(problem, template, fit.q[:, problem.orbit.grid.mirror], FOLLOWED)
        fit = refit(problem, (template,), problem.config.iterations // 2, problem.config.bends)
        landed = land(crops, fit)
    return replace(fit, findings={**fit.findings, RIGHT: round(landed.right_side, 3)})


def best_convex(fits: Sequence[Fit]) -> int:
    """The one to go on with: of the lowest energy among those whose turns go the right way round, if any."""
    return min(range(len(fits)), key=lambda number: (fits[number].findings[RIGHT] < RIGHT_SIDE, fits[number].energy))


def with_known_depth(problem: Problem, fit: Fit, crops: ObjectCrops) -> Fit:
    """The shapes as deep as interventions by an ellipsoid say, and views by them; `findings` tells by how much.

    Nothing is changed where turns do not land on the right side often enough to conclude anything.
    """
    problem, factor = replace(problem, orbit=fit.orbit), 1.0
    landed = land(crops, fit)
    first = landed
    for _ in range(ROUNDS):
        if landed.claims < FEWEST or landed.right_side < RIGHT_SIDE:
            break
        factor *= landed.ratio
        fit = replace(
            expect(problem, _deepened(fit.templates, landed.ratio), problem.config.cold), findings=fit.findings
        )
        landed = land(crops, fit)
    told = {
        "depth_changed_by": round(factor, 3),
        "turns_landed_at": round(first.ratio, 3),
        "turns_land_at": round(landed.ratio, 3),
        RIGHT: round(first.right_side, 3),
    }
    return replace(fit, findings={**fit.findings, **told})


def land(crops: ObjectCrops, fit: Fit) -> Landing:
    """Turn photos near the front by an ellipsoid, and see where they land among the views found."""
    azimuth, _ = fit.orbit.grid.mean_view(fit.q)
    edges = intervene(crops, proxy_hypothesis(crops, ellipsoid), azimuth, TURNS)
    edges = edges[(edges.turn != 0) & (_signed(azimuth)[edges.start].abs() <= NEAR)]
    shown = torch.where(edges.mirrored, -azimuth[edges.end], azimuth[edges.end])
    ratio = _signed(shown - azimuth[edges.start]) / edges.turn
    if not len(ratio):
        return Landing(1.0, 0.0, 0)
    return Landing(ratio.median().item(), (ratio > 0).float().mean().item(), len(ratio))


def _deepened(templates: Sequence[Template], factor: float) -> tuple[Template, ...]:
    return tuple(template.deepened(factor) for template in templates)


def _signed(angle: Float[Tensor, " some"]) -> Float[Tensor, " some"]:
    """In (-pi, pi]."""
    return torch.atan2(angle.sin(), angle.cos())
