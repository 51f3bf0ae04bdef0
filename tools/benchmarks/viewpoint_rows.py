"""The rows of `tools/study_viewpoint.py`: the method, what it is compared with, and what it is without a part."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from benchmarks.viewpoints import Figures, Subject, believed, edge_figures, view_figures
from genstruct.geometry.camera import Camera
from genstruct.metrics.viewpoint import score_views
from genstruct.viewpoint.config import FitConfig, GridConfig, PaperConfig
from genstruct.viewpoint.descriptors import describe_both
from genstruct.viewpoint.edges import find_edges
from genstruct.viewpoint.em import Problem
from genstruct.viewpoint.fitting import finish
from genstruct.viewpoint.hypotheses import PROXIES, ChosenHypothesis, planes, proxy_hypothesis
from genstruct.viewpoint.interventions import Fields, Hypothesis, intervene
from genstruct.viewpoint.neighbors import default_count, find_neighbors
from genstruct.viewpoint.published import graph_by, real_planes
from genstruct.viewpoint.realism import realism_of
from genstruct.viewpoint.selection import confidence

SURE = 0.75
TURN = math.radians(PaperConfig().degrees)
CLAIMS = 20

Row = Callable[[Subject], Figures]


def chance(subject: Subject) -> Figures:
    """Views of other images, drawn at random."""
    rng = torch.Generator().manual_seed(subject.seed)
    order = torch.randperm(len(subject), generator=rng)
    return view_figures(subject, subject.azimuth[order])


def retrieval(subject: Subject) -> Figures:
    """The most similar images, without interventions: edges "same" only, and so no views."""
    plain = describe_both(subject.crops.images, subject.crops.masks)
    return edge_figures(subject, believed(find_edges(plain, {}, torch.zeros(len(subject)), CLAIMS)))


def published(config: PaperConfig) -> Row:
    """Planes that realism chose."""
    return lambda subject: by_hypothesis(subject, real_planes(subject.crops, config))


def planes_by_critic(subject: Subject) -> Figures:
    """Planes that a critic chose."""
    made = [proxy_hypothesis(subject.crops, depth) for depth in planes(PaperConfig().pitches, PaperConfig().yaws)]
    best = realism_of(subject.crops, made, subject.critic, (TURN, -TURN)).argmax(-1)
    return by_hypothesis(subject, ChosenHypothesis(made, best))


def proxy(name: str) -> Row:
    """One convex stand-in for all images."""
    return lambda subject: by_hypothesis(subject, proxy_hypothesis(subject.crops, *PROXIES[name]))


def template(subject: Subject) -> Figures:
    """The published system with the learned shape for its hypothesis: views are used to turn, not to claim."""
    return by_hypothesis(subject, subject.shapes)


def by_hypothesis(subject: Subject, hypothesis: Hypothesis) -> Figures:
    """A graph from interventions only."""
    graph = graph_by(subject.crops, hypothesis, PaperConfig())
    along = view_figures(subject, graph.azimuth)
    tree = {"tree median": along["median"], "tree <30": along["<30"]}
    return {**view_figures(subject, graph.averaged), **tree, **edge_figures(subject, graph.edges)}


def full(subject: Subject) -> Figures:
    """The whole method from one start."""
    return _whole(subject, subject.shapes)


def sham(subject: Subject) -> Figures:
    """The whole method, but crops are turned the other way than is claimed."""
    return _whole(subject, Opposite(subject.shapes))


def one_shape(subject: Subject) -> Figures:
    """One shape for all objects of the category: the fit that the next rows take a part from."""
    return _one_shape(subject, subject.problem())


def without_graph(subject: Subject) -> Figures:
    """Each image judges its view for itself."""
    return _one_shape(subject, replace(subject.problem(), config=FitConfig(neighbors=0.0, last_strength=0.0)))


def without_mirrors(subject: Subject) -> Figures:
    """Images are neighbours, their mirror images are not."""
    plain, _ = describe_both(subject.crops.images, subject.crops.masks)
    near = find_neighbors(plain, plain, torch.zeros_like(plain), default_count(len(plain)), own=True)
    return _one_shape(subject, replace(subject.problem(), neighbors=near))


def silhouettes(subject: Subject) -> Figures:
    """Masks only, in neighbours, fit and shape."""
    crops = replace(subject.crops, images=torch.full_like(subject.crops.images, 0.5))
    return _one_shape(subject, subject.problem(crops))


def bare(subject: Subject) -> Figures:
    """Without masks: an ellipse in the middle of each photo; `subject` is one whose crops were cut so."""
    return one_shape(subject)


@dataclass(frozen=True)
class Opposite:
    """A hypothesis that turns the other way: its pictures are as much distorted, and wrong."""

    of: Hypothesis

    @property
    def states(self) -> int:
        """See `Hypothesis`."""
        return self.of.states

    @property
    def state(self) -> torch.Tensor:
        """See `Hypothesis`."""
        return self.of.state

    def fields(self, turn: float, size: int) -> Fields:
        """See `Hypothesis`."""
        return self.of.fields(-turn, size)


ROWS: dict[str, Row] = {
    "chance": chance,
    "retrieval, no intervention": retrieval,
    "planes, as published": published(PaperConfig()),
    "planes, chosen by a critic": planes_by_critic,
    "planes cell by cell (3 x 3)": published(PaperConfig(cells=3)),
    **{name: proxy(name) for name in PROXIES},
    "learned shape, interventions only": template,
    "one shape": one_shape,
    "one shape, no masks": bare,
    "one shape, silhouettes only": silhouettes,
    "one shape, no neighbours": without_graph,
    "one shape, no mirror images among neighbours": without_mirrors,
    "full, sham turns": sham,
    "full": full,
}
"""In the order of the table."""


def _one_shape(subject: Subject, problem: Problem) -> Figures:
    fit = finish(problem, subject.one(problem), GridConfig())
    return view_figures(subject, *fit.orbit.grid.mean_view(fit.q))


def _whole(subject: Subject, hypothesis: Hypothesis) -> Figures:
    """Views and verified edges, and how wrong the surest views are."""
    azimuth, elevation = subject.views
    claims = intervene(subject.crops, hypothesis, azimuth)
    sure = confidence(claims, len(subject))[1::2]  # the images that scores are of; the others settle the frame
    scores = score_views(Camera.orbit(azimuth, elevation, 1.0, 1.0, (1, 1)).rotation, subject.rotation)
    flips = (scores.degrees[sure >= sure.quantile(1 - SURE)] > 120).double().mean().item()
    told = {"verified": claims.agrees.double().mean().item(), "surest flips": flips}
    return {**view_figures(subject, azimuth, elevation), **edge_figures(subject, claims[claims.agrees]), **told}
