"""Edges between images: this one looks like that one, or like that one turned a little, found by intervention.

An image turned by +R that looks like image j, where j turned by -R looks like the image, makes an edge "+". Realism is
retrieval: a turned crop is real as far as the category holds such a crop. The opposite turn is its sham, equal in
distortion; a turned crop is never compared with one that was not turned.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genstruct.viewpoint.neighbors import find_neighbors

CANDIDATES = 30
AGREE = math.radians(25)
"""How far the claimed turn and the views of both ends may be apart."""
BLOCK = 128

Pairs = tuple[Tensor, Tensor]
"""Descriptors [images, features] of crops and of their mirror images."""


@dataclass(frozen=True)
class Edges:
    """Directed claims: the view of `end` (or of its mirror image) is that of `start` turned by `turn`.

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


def find_edges(plain: Pairs, turned: Mapping[float, Pairs], azimuth: Float[Tensor, " images"], count: int) -> Edges:
    """The most similar images of each turn, both ways, with whether the views agree.

    Args:
        plain: Of crops as they are.
        turned: Of turned crops, by the turn in radians; with each turn the opposite one.
        azimuth: Of the views found for the images.
        count: Edges of each image and turn.
    """
    parts = [_claims(plain, plain, plain, 0.0, count)]
    parts += [_claims(plain, there, turned[-turn], turn, count) for turn, there in turned.items()]
    start, end, mirrored, turn, similarity = (torch.cat(part) for part in zip(*parts, strict=True))
    shown = torch.where(mirrored, -azimuth[end], azimuth[end])
    off = shown - azimuth[start] - turn
    agrees = torch.atan2(off.sin(), off.cos()).abs() <= AGREE
    return Edges(start, end, mirrored, turn, similarity, agrees)


def _claims(plain: Pairs, there: Pairs, back: Pairs, turn: float, count: int) -> tuple[Tensor, ...]:
    """Of one turn: `there` are crops turned by it, `back` crops turned the other way."""
    found = find_neighbors(there[0], *plain, min(CANDIDATES, len(there[0]) - 1), own=True)
    rows = zip(found.index.split(BLOCK), found.mirrored.split(BLOCK), plain[0].split(BLOCK), strict=True)
    # The mirror image of j turned back by R is the mirror image of (j turned on by R): `there`, mirrored.
    backwards = torch.cat(
        [
            (torch.where(mirrored[..., None], there[1][index], back[0][index]) @ own[..., None])[..., 0]
            for index, mirrored, own in rows
        ]
    )
    similarity, place = torch.minimum(found.similarity, backwards).topk(min(count, found.index.shape[1]), 1)
    start = torch.arange(len(place)).repeat_interleave(place.shape[1])
    end, mirrored = (part.gather(1, place).flatten() for part in (found.index, found.mirrored))
    return start, end, mirrored, torch.full(start.shape, turn), similarity.flatten()


def agreement(edges: Edges, images: int) -> Float[Tensor, " images"]:
    """Share of the edges of each image, of both ends, on which intervention and views agree: its confidence."""
    ends = torch.cat([edges.start, edges.end])
    said = edges.agrees.double().repeat(2)
    total = torch.zeros(images, dtype=torch.double).index_add(0, ends, torch.ones_like(said))
    return (torch.zeros(images, dtype=torch.double).index_add(0, ends, said) / total.clamp(min=1)).float()
