"""Edges between images: this one looks like that one, or like that one turned a little, found by intervention.

An image turned by +R that looks like image j, where j turned by -R looks like the image, makes an edge "+". Realism is
retrieval: a turned crop is real as far as the category holds such a crop. The opposite turn is its sham, equal in
distortion; a turned crop is never compared with one that was not turned.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

AGREE = math.radians(25)
"""How far the claimed turn and the views of both ends may be apart."""
BLOCK = 1024
"""Images compared with as many others at once: what bounds memory."""

Pairs = tuple[Tensor, Tensor]
"""Descriptors [images, features] of crops and of their mirror images."""


@dataclass(frozen=True)
class Edges:
    """Claims: the view of `end` (or of its mirror image) is that of `start` turned by `turn`.

    Args:
        start: Image numbers.
        end: Image numbers.
        mirrored: The claim is about the mirror image of `end`.
        turn: By which the azimuth grows from start to end, radians; 0 = "same".
        similarity: The lesser of both ways, cosines.
        agrees: Whether the views of both ends say so too, within `AGREE`.
    """

    start: Int[Tensor, " edges"]
    end: Int[Tensor, " edges"]
    mirrored: Bool[Tensor, " edges"]
    turn: Float[Tensor, " edges"]
    similarity: Float[Tensor, " edges"]
    agrees: Bool[Tensor, " edges"]

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, rows: Tensor) -> "Edges":
        """Some of the edges, by a mask or by numbers."""
        return Edges(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @staticmethod
    def cat(parts: "Sequence[Edges]") -> "Edges":
        """Several, one after the other."""
        return Edges(*(torch.cat([getattr(part, name) for part in parts]) for name in Edges.__dataclass_fields__))


def find_edges(plain: Pairs, turned: Mapping[float, Pairs], azimuth: Float[Tensor, " images"], count: int) -> Edges:
    """What images claim: of each turn, the most similar images, similar both ways.

    Each edge is there once, from its lower image number to its higher one, whether one end claims it or both.

    Args:
        plain: Of crops as they are.
        turned: Of turned crops, by the turn in radians; with each turn the opposite one.
        azimuth: Of the views found for the images.
        count: Claims of each image and turn.
    """
    claims = [_claimed(0.0, _alike(plain, count))]
    for turn, there in turned.items():
        if turn > 0:
            ahead, back = _most_similar(plain, there, turned[-turn], count)
            claims += [_claimed(turn, ahead), _claimed(-turn, back)]
    start, end, mirrored, turn, similarity = (torch.cat(part) for part in zip(*claims, strict=True))
    # Seen from the other end: plain claims turn the other way; mirrored ones, -b = a + turn, the same way.
    turn = torch.where((start > end) & ~mirrored, -turn, turn)
    start, end = torch.minimum(start, end), torch.maximum(start, end)
    once = _first(torch.stack([start, end, mirrored.long(), (turn * 1e6).round().long()], 1))
    found = Edges(start, end, mirrored, turn, similarity, torch.zeros_like(mirrored))[once]
    return verified(found, azimuth)


def verified(edges: Edges, azimuth: Float[Tensor, " images"]) -> Edges:
    """Edges with whether these views agree."""
    shown = torch.where(edges.mirrored, -azimuth[edges.end], azimuth[edges.end])
    off = shown - azimuth[edges.start] - edges.turn
    return replace(edges, agrees=torch.atan2(off.sin(), off.cos()).abs() <= AGREE)


class _Best:
    """The most similar partners of each image so far; mirror images are numbered on from the images."""

    def __init__(self, images: int, count: int) -> None:
        self.similarity = torch.full((images, count), -torch.inf)
        self.partner = torch.zeros((images, count), dtype=torch.long)

    def add(self, similarity: Float[Tensor, "rows columns"], row: int, partner: int) -> None:
        """Similarities of the images from `row` on with the partners from `partner` on."""
        rows, count = slice(row, row + len(similarity)), self.partner.shape[1]
        values, found = similarity.topk(min(similarity.shape[1], count), 1)
        values = torch.cat([self.similarity[rows], values.cpu()], 1)
        found = torch.cat([self.partner[rows], found.cpu() + partner], 1)
        self.similarity[rows], place = values.topk(count, 1)
        self.partner[rows] = found.gather(1, place)


def _alike(plain: Pairs, count: int) -> _Best:
    """Partners of each image as it is."""
    images = len(plain[0])
    best = _Best(images, min(count, 2 * (images - 1)))
    for rows, columns in _tiles(images):
        for side, ends in enumerate(plain):
            _add_both_ways(best, _without_itself(plain[0][rows] @ ends[columns].T, rows, columns), rows, columns, side)
    return best


def _most_similar(plain: Pairs, there: Pairs, back: Pairs, count: int) -> tuple[_Best, _Best]:
    """Partners of each image turned by +R (`there`) and by -R (`back`).

    Of i turned by R and j, both ways: min(there_i plain_j, plain_i back_j). That is also j turned by -R and i. Of i
    turned by R and the mirror image of j: min(there_i mirror_j, there_j mirror_i), the same for j and i. So each
    product serves two claims.
    """
    images = len(plain[0])
    ahead, behind = (_Best(images, min(count, 2 * (images - 1))) for _ in range(2))
    for rows, columns in _tiles(images):
        for a, b in [(rows, columns), (columns, rows)][: 1 if rows == columns else 2]:
            both = torch.minimum(there[0][a] @ plain[0][b].T, plain[0][a] @ back[0][b].T)
            both = _without_itself(both, a, b)
            ahead.add(both, a.start, b.start)
            behind.add(both.T, b.start, a.start)
        for turned, best in ((there[0], ahead), (back[0], behind)):
            across = torch.minimum(turned[rows] @ plain[1][columns].T, plain[1][rows] @ turned[columns].T)
            _add_both_ways(best, _without_itself(across, rows, columns), rows, columns, 1)
    return ahead, behind


def _tiles(images: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of images with themselves and with all later ones."""
    blocks = [slice(start, start + BLOCK) for start in range(0, images, BLOCK)]
    return ((a, b) for number, a in enumerate(blocks) for b in blocks[number:])


def _without_itself(similarity: Tensor, rows: slice, columns: slice) -> Tensor:
    """An image is not its own partner, nor is its mirror image."""
    return similarity.fill_diagonal_(-torch.inf) if rows == columns else similarity


def _add_both_ways(best: _Best, similarity: Tensor, rows: slice, columns: slice, side: int) -> None:
    """What holds for i and j holds for j and i; `side` 1 tells mirror images from images."""
    images = len(best.partner)
    best.add(similarity, rows.start, columns.start + side * images)
    if rows != columns:
        best.add(similarity.T, columns.start, rows.start + side * images)


def _claimed(turn: float, best: _Best) -> tuple[Tensor, ...]:
    """Start, end, mirrored, turn and similarity of what was found."""
    images, count = best.partner.shape
    start, partner = torch.arange(images).repeat_interleave(count), best.partner.flatten()
    return start, partner % images, partner >= images, torch.full(start.shape, turn), best.similarity.flatten()


def _first(keys: Int[Tensor, "rows columns"]) -> Int[Tensor, " some"]:
    """The first row of each key, in the order of the keys."""
    _, group = keys.unique(dim=0, return_inverse=True)
    order = group.argsort(stable=True)
    return order[group[order].diff(prepend=group.new_tensor([-1])) > 0]
