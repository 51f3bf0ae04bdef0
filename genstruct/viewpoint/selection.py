"""What the claims of interventions are worth: the edges to keep, and how sure each image's view is."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genstruct.viewpoint.edges import Edges

STRONGEST = 10
"""Claims of an image that tell how alike others can be to it at all."""
LOCAL = 0.9
"""How far similarity counts relative to what is usual for both images. 0 leaves images that are like no other without
edges (.71 of 3000 cars in one component), 1 gives them wrong ones."""
SOFTNESS = 0.05
"""Similarity by which the weight of a claim falls to 1 / e."""


def strongest(edges: Edges, images: int, count: int) -> Int[Tensor, " kept"]:
    """Rows of the verified edges to keep, `count` for each image on average.

    By similarity less `LOCAL` times the likeness of the two images: by similarity alone, all edges would go to images
    that look like many; by a fixed number for each image, odd ones would get what little they have, mostly wrong.
    """
    near = likeness(edges, images)
    rows = edges.agrees.nonzero()[:, 0]
    score = edges.similarity - LOCAL / 2 * (near[edges.start] + near[edges.end])
    return rows[score[rows].argsort(descending=True, stable=True)[: count * images]].sort().values


def confidence(edges: Edges, images: int) -> Float[Tensor, " images"]:
    """How far the view of each image may be relied on, in [0, 1]: how far its claims agree, times its likeness.

    An image that is like no other has claims that mean little, even where they agree.
    """
    return agreement(edges, images) * likeness(edges, images).clamp(0, 1)


def agreement(edges: Edges, images: int) -> Float[Tensor, " images"]:
    """Share of the claims about each image, at both ends, on which intervention and views agree, by similarity."""
    ends = torch.cat([edges.start, edges.end])
    weight = (edges.similarity.double() / SOFTNESS).exp().repeat(2)
    said, total = (
        torch.zeros(images, dtype=torch.double).index_add(0, ends, part)
        for part in (weight * edges.agrees.repeat(2), weight)
    )
    return (said / total.clamp(min=torch.finfo(torch.double).tiny)).float()


def likeness(edges: Edges, images: int) -> Float[Tensor, " images"]:
    """Mean similarity of the `STRONGEST` claims about each image, verified or not; 0 where there is none."""
    ends, similarity = torch.cat([edges.start, edges.end]), edges.similarity.repeat(2)
    order = similarity.argsort(descending=True, stable=True)
    order = order[ends[order].argsort(stable=True)]  # image by image, the most similar first
    first = torch.searchsorted(ends[order], torch.arange(images))
    best = order[torch.arange(len(order)) - first[ends[order]] < STRONGEST]
    total = torch.zeros(images).index_add(0, ends[best], similarity[best])
    return total / torch.bincount(ends[best], minlength=images).clamp(min=1)
