"""Realism: whether a turned crop could be a picture of the category, by looking for such pictures or by a critic.

Distortion alone makes a crop less real, so that of several hypotheses the one that changes least wins, right or not:
realism chooses among hypotheses that turn crops equally far, and among turns by one hypothesis.
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.descriptors import BINS, describe
from genstruct.viewpoint.interventions import Hypothesis, turned

Describe = Callable[[Tensor, Tensor], Tensor]
"""Images [batch, 3, size, size] and masks to features [batch, features]: HOG, or any encoder's."""
Parts = Callable[[Tensor], Tensor]
"""Features [batch, features] to parts of them [parts, batch, part]."""
PIECE = 256


@runtime_checkable
class Realism(Protocol):
    """How real crops are."""

    def __call__(self, crops: ObjectCrops) -> Float[Tensor, "*parts images"]:
        """Of turned crops of all images of the set, in their order; higher is more real. Parts of crops may be judged
        one by one."""
        ...


class Retrieval:
    """Mean similarity to the most similar crops of the set and their mirror images, never to the image itself.

    Args:
        crops: The set.
        features: What similarity is measured by; cosines.
        top: How many crops must be alike.
        parts: Takes features to parts of them [parts, batch, part], each judged by itself; one for all if left out.
    """

    def __init__(
        self, crops: ObjectCrops, features: Describe = describe, top: int = 5, parts: Parts | None = None
    ) -> None:
        self.features, self.parts, self.top = features, parts, min(top, 2 * (len(crops) - 1))
        flipped = ObjectCrops(crops.images.flip(-1), crops.masks.flip(-1), crops.squares)
        self.set = torch.cat([self._described(crops), self._described(flipped)], -2)

    def __call__(self, crops: ObjectCrops) -> Float[Tensor, "*parts images"]:
        """See `Realism`."""
        found = self._described(crops)
        pieces = torch.arange(len(crops)).split(PIECE)
        return torch.cat([self._score(found[..., rows, :], rows) for rows in pieces], -1)

    def _score(self, found: Tensor, rows: Int[Tensor, " piece"]) -> Tensor:
        similarity = found @ self.set.mT
        here, images = torch.arange(len(rows)), self.set.shape[-2] // 2
        similarity[..., here, rows] = similarity[..., here, rows + images] = -torch.inf
        return similarity.topk(self.top).values.mean(-1)

    @torch.no_grad()
    def _described(self, crops: ObjectCrops) -> Tensor:
        pieces = zip(crops.images.split(PIECE), crops.masks.split(PIECE), strict=True)
        features = torch.cat([self.features(*piece) for piece in pieces])
        return F.normalize(features if self.parts is None else self.parts(features), dim=-1)


def cells(count: int) -> Parts:
    """Parts of descriptors that know `count` x `count` cells of a crop each, row by row."""

    def parts(features: Float[Tensor, "batch features"]) -> Float[Tensor, "parts batch part"]:
        blocks = math.isqrt(features.shape[1] // (2 * BINS * 4))
        table = features.unflatten(1, (2 * BINS * 4, blocks, blocks))
        size = -(-blocks // count)
        starts = [round(cell * (blocks - size) / max(count - 1, 1)) for cell in range(count)]
        made = [table[:, :, row : row + size, column : column + size] for row in starts for column in starts]
        return torch.stack([part.flatten(1) for part in made])

    return parts


def realism_of(
    crops: ObjectCrops, alternatives: Sequence[Hypothesis], realism: Realism, turns: Sequence[float]
) -> Float[Tensor, "*parts images alternatives"]:
    """Mean realism of each image's crop after turns by each hypothesis, radians."""
    size = crops.images.shape[-1]

    def scores(hypothesis: Hypothesis) -> Tensor:
        made = (turned(crops, hypothesis.fields(turn, size), hypothesis.state) for turn in turns)
        return torch.stack([realism(each) for each in made]).mean(0)

    return torch.stack([scores(each) for each in alternatives], -1)
