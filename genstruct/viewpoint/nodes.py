"""Nodes and components of a view graph: images that verified edges join."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from torch import Tensor

from genstruct.viewpoint.edges import Edges

REACH = math.radians(10)
"""How far the views of a node's images may be from those of its first."""


@dataclass(frozen=True)
class Nodes:
    """Groups of images with one view.

    Args:
        of: The node of each image, -1 for undetermined ones.
        center: The image each node began with.
        component: Of each image: 0 is the largest.
    """

    of: Int[Tensor, " images"]
    center: Int[Tensor, " nodes"]
    component: Int[Tensor, " images"]


def group(
    edges: Edges,
    azimuth: Float[Tensor, " images"],
    elevation: Float[Tensor, " images"],
    confidence: Tensor,
    sure: float,
) -> Nodes:
    """Greedy nodes: the image with the most verified "same" edges and its unclaimed partners, and so on.

    Args:
        edges: Verified ones are used.
        azimuth, elevation: Of the images, radians.
        confidence: Of the images; those below `sure` belong to no node.
        sure: Least confidence.
    """
    images = len(azimuth)
    good = edges[edges.agrees]
    close = edge_matrix(good[(good.turn == 0) & ~good.mirrored], images)
    eligible = (confidence >= sure).numpy()
    order = np.argsort(-(np.diff(close.indptr)), kind="stable")
    of, centers = np.full(images, -1), []
    for image in order[eligible[order]].tolist():
        if of[image] >= 0:
            continue
        partners = close.indices[close.indptr[image] : close.indptr[image + 1]]
        near = partners[_near(image, partners, azimuth.numpy(), elevation.numpy()) & (of[partners] < 0)]
        of[near[eligible[near]]] = len(centers)
        of[image] = len(centers)
        centers.append(image)
    return Nodes(torch.from_numpy(of), torch.tensor(centers, dtype=torch.long), components(good, images))


def components(edges: Edges, images: int) -> Int[Tensor, " images"]:
    """Connected component of each image by edges of any turn, the largest first."""
    _, label = connected_components(edge_matrix(edges, images), directed=False)
    rank = np.empty(label.max(initial=-1) + 1, np.int64)
    rank[np.argsort(-np.bincount(label), kind="stable")] = np.arange(len(rank))
    return torch.from_numpy(rank[label])


def spanning_tree(edges: Edges, images: int) -> Int[Tensor, " tree"]:
    """Rows of the edges of a maximum spanning forest by similarity (Kruskal 1956)."""
    order = edges.similarity.argsort(descending=True, stable=True).numpy()
    ends = np.stack([edges.start.numpy(), edges.end.numpy()], 1)[order]
    # Edges as places in the order: integers that no two share, so that the tree's own say which edges they are.
    low, high = ends.min(1), ends.max(1)
    _, first = np.unique(low * images + high, return_index=True)
    first = first[low[first] != high[first]]
    cost = coo_array((first + 1.0, (low[first], high[first])), (images, images)).tocsr()
    tree = minimum_spanning_tree(cost)
    return torch.from_numpy(order[np.sort(tree.data.astype(np.int64)) - 1].copy())


def edge_matrix(edges: Edges, images: int) -> csr_array:
    """Symmetric [images, images], 1 where an edge is."""
    start, end = edges.start.numpy(), edges.end.numpy()
    places = np.concatenate([start, end]), np.concatenate([end, start])
    matrix = coo_array((np.ones(2 * len(start)), places), (images, images)).tocsr()
    matrix.data[:] = 1
    return matrix


def _near(image: int, partners: np.ndarray, azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    apart = np.abs((azimuth[partners] - azimuth[image] + np.pi) % (2 * np.pi) - np.pi)
    return (apart <= REACH) & (np.abs(elevation[partners] - elevation[image]) <= REACH)
