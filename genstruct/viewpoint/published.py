"""A graph from interventions only: the published system, as far as it is known (Szabo, Vedaldi & Favaro, 3dRR 2015).

Planes are hypotheses of each image's shape; those are kept whose turned crops are most real; turned crops that look
like other images make edges; images of one view share a node; a maximum spanning tree over nodes carries views from one
to the next. Features, numbers of planes and turns were not published and are settings here; robust averaging over all
edges is a later addition. It stands beside `genstruct.viewpoint.fitting` as what that is compared with.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order
from torch import Tensor

from genstruct.geometry.camera import Camera
from genstruct.geometry.rotation import about_y
from genstruct.viewpoint.averaging import average_rotations
from genstruct.viewpoint.config import PaperConfig
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.descriptors import describe
from genstruct.viewpoint.edges import Edges, Pairs, find_edges
from genstruct.viewpoint.hypotheses import ChosenHypothesis, planes, proxy_hypothesis
from genstruct.viewpoint.interventions import Hypothesis, turned
from genstruct.viewpoint.nodes import Nodes, group, spanning_tree
from genstruct.viewpoint.realism import Retrieval, cells, realism_of


@dataclass(frozen=True)
class PublishedGraph:
    """A graph without category shape.

    Args:
        edges: Between images, by similarity alone.
        nodes: Groups of images that look alike.
        tree: Rows of `edges` that join nodes.
        azimuth: Views along the tree, radians; each component begins at 0.
        averaged: Views after robust averaging over all edges.
    """

    edges: Edges
    nodes: Nodes
    tree: Int[Tensor, " tree"]
    azimuth: Float[Tensor, " images"]
    averaged: Float[Tensor, " images"]


def published_graph(crops: ObjectCrops, config: PaperConfig | None = None) -> PublishedGraph:
    """Planes chosen by realism, and the graph of what they claim."""
    config = config or PaperConfig()
    return graph_by(crops, real_planes(crops, config), config)


def real_planes(crops: ObjectCrops, config: PaperConfig) -> ChosenHypothesis:
    """For each image, or each cell of it, the plane whose turned crops are most real."""
    turn = math.radians(config.degrees)
    made = [proxy_hypothesis(crops, depth) for depth in planes(config.pitches, config.yaws)]
    judge = Retrieval(crops, top=config.top, parts=cells(config.cells) if config.cells > 1 else None)
    best = realism_of(crops, made, judge, (turn, -turn)).argmax(-1)
    return ChosenHypothesis(made, best if config.cells == 1 else best.T.unflatten(1, (config.cells, config.cells)))


def graph_by(crops: ObjectCrops, hypothesis: Hypothesis, config: PaperConfig) -> PublishedGraph:
    """Edges by turning with a hypothesis, nodes, spanning tree, and the views that these give alone."""
    images = len(crops)
    edges = claimed(crops, hypothesis, config)
    nothing = torch.zeros(images)
    nodes = group(edges, nothing, nothing, nothing, 0.0)
    between = replace(edges, start=nodes.of[edges.start], end=nodes.of[edges.end])
    tree = spanning_tree(between, len(nodes.center))
    azimuth = walk(between[tree], len(nodes.center))
    averaged = averaged_azimuth(between[between.start != between.end], azimuth)
    return PublishedGraph(edges, nodes, tree, azimuth[nodes.of], averaged[nodes.of])


def claimed(crops: ObjectCrops, hypothesis: Hypothesis, config: PaperConfig) -> Edges:
    """Edges "same", "+" and "-" without mirror images; nothing verifies them."""
    turn = math.radians(config.degrees)
    made = {
        each: _without_mirrors(turned(crops, hypothesis.fields(each, crops.images.shape[-1]), hypothesis.state))
        for each in (turn, -turn)
    }
    edges = find_edges(_without_mirrors(crops), made, torch.zeros(len(crops)), config.claims)
    return replace(edges, agrees=torch.ones_like(edges.agrees))


def _without_mirrors(crops: ObjectCrops) -> Pairs:
    """Descriptors; those of mirror images are like nothing."""
    plain = describe(crops.images, crops.masks)
    return plain, torch.zeros_like(plain)


def walk(tree: Edges, nodes: int) -> Float[Tensor, " nodes"]:
    """Azimuths along the edges of a forest; the first node of each tree has 0."""
    number = torch.arange(1, len(tree) + 1).numpy()
    start, end = tree.start.numpy(), tree.end.numpy()
    row = coo_array((number, (start, end)), (nodes, nodes)).tocsr()
    both = (row + row.T).tocsr()
    azimuth, seen = [math.nan] * nodes, torch.zeros(nodes, dtype=torch.bool)
    for root in range(nodes):
        if seen[root]:
            continue
        order, before = breadth_first_order(both, root, directed=False)
        seen[torch.from_numpy(order).long()] = True
        azimuth[root] = 0.0
        for node in order[1:].tolist():
            edge = int(both[node, before[node]]) - 1
            sign = 1 if end[edge] == node else -1
            azimuth[node] = azimuth[before[node]] + sign * tree.turn[edge].item()
    return torch.tensor(azimuth) % math.tau


def averaged_azimuth(edges: Edges, azimuth: Float[Tensor, " nodes"]) -> Float[Tensor, " nodes"]:
    """Azimuths after robust averaging over all edges, from those given."""
    start = Camera.orbit(azimuth, torch.zeros_like(azimuth), 1.0, 1.0, (1, 1)).rotation
    found = average_rotations(start, edges.start, edges.end, about_y(-edges.turn))
    return torch.atan2(-found[:, 2, 0], -found[:, 2, 2]) % math.tau
