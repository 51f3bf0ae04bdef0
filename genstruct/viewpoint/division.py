"""Whether photos fall into two groups that hardly neighbour each other, as two categories do."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh
from torch import Tensor

from genstruct.viewpoint.neighbors import Neighbors

LEAST = 0.1
"""Share of the photos that the smaller group has."""


@dataclass(frozen=True)
class Division:
    """The best cut of the neighbour graph in two.

    Args:
        conductance: Weight between the groups over the weight of the smaller one's; 0 = two components.
        second: Which photos are in the smaller group.
    """

    conductance: float
    second: Bool[Tensor, " photos"]


def divide(neighbors: Neighbors) -> Division:
    """Sweep along the second eigenvector of the graph (Shi & Malik 2000); mirror images count as their photo."""
    weights = _matrix(neighbors)
    parts, label = connected_components(weights, directed=False)
    others = label != np.bincount(label).argmax()
    if parts > 1 and others.mean() >= LEAST:
        return Division(0.0, torch.from_numpy(others))
    degree = np.asarray(weights.sum(1)).ravel()
    scale = 1 / np.sqrt(degree)
    normal = weights.multiply(scale[:, None]).multiply(scale[None]).tocsr()
    start = np.random.default_rng(0).standard_normal(len(degree))
    values, vectors = eigsh(normal, k=2, which="LA", v0=start)
    order = np.argsort(vectors[:, values.argmin()] * scale)
    conductance, size = _best_cut(weights[order][:, order].tocsr(), degree[order])
    second = torch.zeros(len(order), dtype=torch.bool)
    smaller = order[:size] if size <= len(order) / 2 else order[size:]
    second[torch.from_numpy(smaller.copy())] = True
    return Division(conductance, second)


def _best_cut(weights: csr_array, degree: np.ndarray) -> tuple[float, int]:
    """The least conductance of the first so many photos against the others, and how many they are."""
    count = len(degree)
    edges = weights.tocoo()
    first, last = np.minimum(edges.row, edges.col), np.maximum(edges.row, edges.col)
    # An edge is cut by all places after its first end up to its last one.
    cut = np.cumsum(np.bincount(first, edges.data, count + 1) - np.bincount(last, edges.data, count + 1)) / 2
    before = np.cumsum(degree)
    places = np.arange(math.ceil(count * LEAST), math.floor(count * (1 - LEAST)) + 1)
    value = cut[places - 1] / np.minimum(before[places - 1], before[-1] - before[places - 1])
    best = int(value.argmin())
    return float(value[best]), int(places[best])


def _matrix(neighbors: Neighbors) -> csr_array:
    count, near = neighbors.index.shape
    rows = np.repeat(np.arange(count), near)
    values = (neighbors.weights.double().flatten().numpy(), (rows, neighbors.index.flatten().numpy()))
    directed = coo_array(values, (count, count)).tocsr()
    return directed + directed.T
