"""Do pictures turned by a hypothesis know the direction of the turn, and does realism choose the right hypothesis?"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.viewpoints import Subject, apart
from genstruct.viewpoint.config import PriorConfig
from genstruct.viewpoint.descriptors import describe_both
from genstruct.viewpoint.hypotheses import PROXIES, WEAK, ShapeHypothesis, plane, proxy_hypothesis
from genstruct.viewpoint.interventions import Hypothesis, turned
from genstruct.viewpoint.neighbors import find_neighbors
from genstruct.viewpoint.realism import Realism, realism_of

TURN = math.radians(15)
NEAR, FAR = math.radians(8), math.radians(28)
"""True turns between the images of a pair of which the direction is asked."""
NEIGHBORS = 20
WITHIN = math.radians(60)
"""Best matches further off than this are of another side: they say nothing of the size of a turn."""

Make = Callable[[Subject], Hypothesis]


def upright(yaw: float, distance: float = WEAK) -> Make:
    """A plane with an upright axis, degrees."""
    return lambda subject: proxy_hypothesis(subject.crops, plane(math.radians(yaw), 0.0), distance=distance)


def pitched(subject: Subject) -> Hypothesis:
    """A plane that faces the side and the sky."""
    return proxy_hypothesis(subject.crops, plane(math.radians(35), math.radians(30)))


def proxy(name: str) -> Make:
    """A convex stand-in."""
    return lambda subject: proxy_hypothesis(subject.crops, *PROXIES[name])


def learned(change: Callable[[Tensor], Tensor]) -> Make:
    """The category's shapes, each seen from the changed azimuth of its image."""

    def make(subject: Subject) -> ShapeHypothesis:
        shapes, (azimuth, elevation) = subject.shapes, subject.views
        shape = shapes.state // len(shapes.grid)
        return replace(
            shapes, state=shape * len(shapes.grid) + shapes.grid.nearest(change(azimuth) % math.tau, elevation)
        )

    return make


def drawn(azimuth: Tensor) -> Tensor:
    """Azimuths at random."""
    return torch.rand(len(azimuth), generator=torch.Generator().manual_seed(0)) * math.tau


HYPOTHESES: dict[str, Make] = {
    "frontal plane": upright(0),
    "frontal plane, in perspective": upright(0, PriorConfig().distance),
    "upright plane, yaw 35": upright(35),
    "upright plane, yaw -60": upright(-60),
    "plane, yaw 35, pitched 30": pitched,
    **{name: proxy(name) for name in PROXIES},
    "learned shape, own view": learned(lambda azimuth: azimuth),
    "learned shape, front for back": learned(lambda azimuth: azimuth + math.pi),
    "learned shape, mirrored view": learned(lambda azimuth: -azimuth),
    "learned shape, random view": learned(drawn),
}


def direction(subject: Subject, make: Make) -> dict[str, float]:
    """Share of pairs of neighbours of which the direction of the turn is told right: from one end, from both; and how
    far the best match of a turn by 15 degrees is from the image, median in degrees."""
    hypothesis, size = make(subject), subject.crops.images.shape[-1]
    made = [turned(subject.crops, hypothesis.fields(turn, size), hypothesis.state) for turn in (TURN, -TURN)]
    ahead, back = (describe_both(crops.images, crops.masks)[0] for crops in made)
    plain = describe_both(subject.crops.images, subject.crops.masks)
    one, other = _pairs(subject, plain)
    # The other end lies ahead of the first: the first turned ahead should look more like it than turned back.
    first = ((ahead - back)[one] * plain[0][other]).sum(1)
    second = ((back - ahead)[other] * plain[0][one]).sum(1)
    best = find_neighbors(ahead, *plain, 1, own=True)
    found, mirrored = best.index[:, 0], best.mirrored[:, 0]
    shown = torch.where(mirrored, -subject.azimuth[found], subject.azimuth[found]) - subject.azimuth
    shown = torch.atan2(shown.sin(), shown.cos())
    return {
        "one-way": torch.cat([first, second]).gt(0).double().mean().item(),
        "mutual": (first + second > 0).double().mean().item(),
        "best match": shown[shown.abs() < WITHIN].rad2deg().median().item(),
        "pairs": float(len(one)),
    }


def chosen(subject: Subject, realism: Realism) -> dict[str, dict[str, float]]:
    """Of each hypothesis: the mean realism of its turned crops, and the share of images for which it is the best."""
    alternatives = [make(subject) for make in HYPOTHESES.values()]
    scores = realism_of(subject.crops, alternatives, realism, (TURN, -TURN))
    best = torch.bincount(scores.argmax(1), minlength=len(alternatives)) / len(scores)
    rows = zip(HYPOTHESES, scores.mean(0).tolist(), best.tolist(), strict=True)
    return {name: {"realism": mean, "chosen": share} for name, mean, share in rows}


def _pairs(subject: Subject, plain: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Neighbours of which the second is seen from further on, counter-clockwise, by a moderate turn."""
    nothing: Float[Tensor, "images features"] = torch.zeros_like(plain[0])
    near = find_neighbors(plain[0], plain[0], nothing, NEIGHBORS, own=True)
    one = torch.arange(len(subject)).repeat_interleave(NEIGHBORS)
    other = near.index.flatten()
    off = subject.azimuth[other] - subject.azimuth[one]
    size = apart(subject.azimuth[other], subject.azimuth[one])
    keep = (size > NEAR) & (size < FAR) & (torch.atan2(off.sin(), off.cos()) > 0)
    return one[keep], other[keep]
