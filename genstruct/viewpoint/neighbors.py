"""The nearest neighbours of each image among all images and their mirror images, found block by block."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BLOCK = 1024
"""Images compared with all others at once: memory is this times the number of images."""
SOFTNESS = 0.3
"""Similarity by which a weight falls to 1 / e."""


@dataclass(frozen=True)
class Neighbors:
    """Of each image, the most similar first.

    Args:
        index: Image numbers.
        mirrored: Whether it is the neighbour's mirror image that is similar.
        similarity: Cosines in [-1, 1].
    """

    index: Int[Tensor, "images k"]
    mirrored: Bool[Tensor, "images k"]
    similarity: Float[Tensor, "images k"]

    @property
    def weights(self) -> Float[Tensor, "images k"]:
        """Shares that sum to 1 for each image."""
        return (self.similarity / SOFTNESS).softmax(1)

    def nearest(self, count: int) -> "Neighbors":
        """The first `count` of each image."""
        return Neighbors(*(part[:, :count] for part in (self.index, self.mirrored, self.similarity)))


def default_count(images: int) -> int:
    """How many neighbours: a fiftieth of the images, at least 10; near-duplicates alone must not fill the list."""
    return min(max(10, images // 50), max(images - 1, 1))


def find_neighbors(
    queries: Float[Tensor, "queries features"],
    plain: Float[Tensor, "images features"],
    mirrored: Float[Tensor, "images features"],
    count: int,
    own: bool,
) -> Neighbors:
    """Search by cosine, exact.

    Args:
        queries: Unit vectors.
        plain: Of the images to be found.
        mirrored: Of their mirror images.
        count: Neighbours of each.
        own: The queries are the images: an image and its own mirror image are not its neighbours.
    """
    parts = [_block(queries, plain, mirrored, count, start, own) for start in range(0, len(queries), BLOCK)]
    return Neighbors(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _block(
    queries: Tensor, plain: Tensor, mirrored: Tensor, count: int, start: int, own: bool
) -> tuple[Tensor, Tensor, Tensor]:
    rows = queries[start : start + BLOCK]
    similarity = torch.cat([rows @ plain.T, rows @ mirrored.T], 1)
    if own:
        here = torch.arange(len(rows), device=rows.device)
        similarity[here, here + start] = -torch.inf
        similarity[here, here + start + len(plain)] = -torch.inf
    values, found = similarity.topk(count, 1)
    return found % len(plain), found >= len(plain), values
