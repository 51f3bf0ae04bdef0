"""Whether a graph may be relied on, judged by its own measures: nothing here reads a label.

Fits that begin with different random shapes end with the same views, up to the frame, where photos determine them: on
3000 cars any two starts agree within 30 degrees on 99 % of the photos. Where they do not, the views are an accident of
the start: objects without a front, masks that miss the object, views that are all alike, categories that were mixed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from genstruct.geometry.camera import Camera
from genstruct.geometry.rotation import geodesic_distance
from genstruct.metrics.viewpoint import common_frame
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.division import Division, divide
from genstruct.viewpoint.em import Fit
from genstruct.viewpoint.graph import Graph
from genstruct.viewpoint.neighbors import Neighbors
from genstruct.viewpoint.outlines import outline_support

CONFIRMED = 0.7
"""Share of the photos that a second start must confirm. Cars: .92 of 600, .99 of 3000; bottles and balls: .2 to .3."""
MIRRORED = 0.3
"""Share of mirror images among neighbours below which azimuths cannot go round: all around .49 to .51, half of the
circle .14, a quarter and single views .01 to .03."""
DETERMINED = 0.5
"""Share of the photos whose view must be determined."""
SUPPORT = 0.65
"""Support of the typical mask's outline: true and learned masks .78 to .82, of other photos .55, ellipses .52."""
APART = 0.005
"""Conductance below which photos are two sets: cars and heads together .002; cars .06, aircraft .06, heads .018."""
FITS = -0.25
"""Lowest energy of the starts above which no shape is that of the photos. Cars -.38, heads -.50; cars with heads -.24,
masks of other photos -.21, aircraft by poor masks -.07, whose wrong views a second start confirms (.93)."""
SAME = math.radians(30)
"""Views nearer than this are the same answer."""


@dataclass(frozen=True)
class Evidence:
    """What a set says of itself.

    Args:
        energy: Of each start.
        agreement: Of each start, the share of photos on which it and the chosen one say the same.
        mirrored: Share of mirror images among the neighbours of photos.
        support: Of the typical mask: how far it follows its photo, see `outline_support`.
        division: The best cut of the neighbour graph in two.
        confirmed: `agreement` of the other start that agrees most: one wrong start among several speaks against
            nothing.
    """

    energy: tuple[float, ...]
    agreement: tuple[float, ...]
    mirrored: float
    support: float
    division: Division
    confirmed: float

    def told(self) -> dict[str, Any]:
        """For files: plain values."""
        starts = zip(self.energy, self.agreement, strict=True)
        return {
            "starts": [{"energy": round(energy, 4), "agreement": round(share, 3)} for energy, share in starts],
            "confirmed": round(self.confirmed, 3),
            "mirrored_neighbors": round(self.mirrored, 3),
            "outline_support": round(self.support, 3),
            "conductance": round(self.division.conductance, 4),
        }


def look(fits: Sequence[Fit], chosen: int, neighbors: Neighbors, crops: ObjectCrops) -> Evidence:
    """The chosen fit against the others, each in its best common frame; neighbours and masks by themselves."""
    rotations = [_rotations(fit) for fit in fits]
    agreement = [_same(rotations[chosen], other) for other in rotations]
    others = [share for number, share in enumerate(agreement) if number != chosen]
    return Evidence(
        tuple(fit.energy for fit in fits),
        tuple(agreement),
        neighbors.mirrored.float().mean().item(),
        outline_support(crops).median().item(),
        divide(neighbors),
        max(others, default=1.0),
    )


def reason_against(graph: Graph, evidence: Evidence) -> str:
    """Why the graph as a whole must not be relied on; empty where nothing speaks against it."""
    reasons = (of_masks(evidence), of_groups(evidence), of_sides(graph, evidence))
    reasons += (of_shape(evidence), of_starts(evidence), of_edges(graph))
    return "; ".join(reason for reason in reasons if reason)


def of_masks(evidence: Evidence) -> str:
    """Whether the masks belong to the photos."""
    if evidence.support >= SUPPORT:
        return ""
    return (
        f"masks do not follow the photos (of the change of colour on outlines {evidence.support:.0%} goes across, "
        "of true masks about 80%, by chance 50%): are they those of other photos?"
    )


def of_groups(evidence: Evidence) -> str:
    """Whether it is one category."""
    found = evidence.division
    if found.conductance >= APART:
        return ""
    return (
        f"the photos fall into groups of {int((~found.second).sum())} and {int(found.second.sum())} that hardly "
        f"neighbour each other (conductance {found.conductance:.4f}): are they two categories?"
    )


def of_sides(graph: Graph, evidence: Evidence) -> str:
    """Whether the object is seen from all around where it should be."""
    if not graph.category.whole_circle or evidence.mirrored >= MIRRORED:
        return ""
    return (
        f"{evidence.mirrored:.0%} of the photos' neighbours are mirror images, of photos from all around about half: "
        "they show the object from few sides; say so by prior.whole_circle=false, or add photos"
    )


def of_shape(evidence: Evidence) -> str:
    """Whether the photos look like the shape that was found."""
    lowest = min(evidence.energy)
    if lowest <= FITS:
        return ""
    return (
        f"no shape fits the photos (energy {lowest:.2f}, of sound sets below {FITS}): are the masks good, and do "
        "elevations and half axes of the prior suit the category?"
    )


def of_starts(evidence: Evidence) -> str:
    """Whether another start says the same."""
    if len(evidence.energy) == 1 or evidence.confirmed >= CONFIRMED:
        return ""
    return (
        f"fits from different starts agree on {evidence.confirmed:.0%} of the photos only, not on {CONFIRMED:.0%}: the "
        "photos do not determine views. Has the object a front, do the masks show it, is it seen from many sides?"
    )


def of_edges(graph: Graph) -> str:
    """Whether interventions confirm enough of the views."""
    sure = graph.views.determined.float().mean().item()
    if sure >= DETERMINED:
        return ""
    return f"interventions confirm the views of {sure:.0%} of the photos only, not of {DETERMINED:.0%}"


def _same(own: Tensor, other: Tensor) -> float:
    return (geodesic_distance(own, other @ common_frame(own, other)) <= SAME).float().mean().item()


def _rotations(fit: Fit) -> Float[Tensor, "photos 3 3"]:
    return Camera.orbit(*fit.orbit.grid.mean_view(fit.q), 1.0, 1.0, (1, 1)).rotation
