"""Realism: whether a turned crop could be a picture of the category, by looking for such pictures or by a critic.

Distortion alone makes a crop less real, so that of several hypotheses the one that changes least wins, right or not:
realism chooses among hypotheses that turn crops equally far, and among turns by one hypothesis.
"""

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
PIECE = 256


@runtime_checkable
class Realism(Protocol):
    """How real crops are."""

    def __call__(self, crops: ObjectCrops) -> Float[Tensor, " images"]:
        """Of turned crops of all images of the set, in their order; higher is more real."""
        ...


class Retrieval:
    """Mean similarity to the most similar crops of the set and their mirror images, never to the image itself.

    Args:
        crops: The set.
        features: What similarity is measured by; cosines.
        top: How many crops must be alike.
    """

    def __init__(self, crops: ObjectCrops, features: Describe = describe, top: int = 5) -> None:
        self.features, self.top = features, min(top, 2 * (len(crops) - 1))
        flipped = ObjectCrops(crops.images.flip(-1), crops.masks.flip(-1), crops.squares)
        self.set = torch.cat([self._described(crops), self._described(flipped)])

    def __call__(self, crops: ObjectCrops) -> Float[Tensor, " images"]:
        """See `Realism`."""
        found = self._described(crops)
        return torch.cat([self._score(found[rows], rows) for rows in torch.arange(len(found)).split(PIECE)])

    def _score(self, found: Tensor, rows: Int[Tensor, " piece"]) -> Tensor:
        similarity = found @ self.set.T
        here = torch.arange(len(rows))
        similarity[here, rows] = similarity[here, rows + len(self.set) // 2] = -torch.inf
        return similarity.topk(self.top, 1).values.mean(1)

    @torch.no_grad()
    def _described(self, crops: ObjectCrops) -> Tensor:
        pieces = zip(crops.images.split(PIECE), crops.masks.split(PIECE), strict=True)
        return F.normalize(torch.cat([self.features(*piece) for piece in pieces]), dim=1)


def cell_features(row: int, column: int, cells: int) -> Describe:
    """Descriptors of one of `cells` x `cells` cells of a crop."""

    def features(images: Tensor, masks: Tensor) -> Tensor:
        table = describe(images, masks)
        blocks = round((table.shape[1] // (2 * BINS * 4)) ** 0.5)
        table = table.unflatten(1, (2 * BINS * 4, blocks, blocks))
        rows, columns = (slice(place * blocks // cells, -(-(place + 1) * blocks // cells)) for place in (row, column))
        return table[:, :, rows, columns].flatten(1)

    return features


def realism_of(
    crops: ObjectCrops, alternatives: Sequence[Hypothesis], realisms: Sequence[Realism], turns: Sequence[float]
) -> Float[Tensor, "realisms images alternatives"]:
    """Mean realism of each image's crop after turns by each hypothesis, radians, by one or several judges."""
    size = crops.images.shape[-1]

    def scores(hypothesis: Hypothesis) -> Tensor:
        made = [turned(crops, hypothesis.fields(turn, size), hypothesis.state) for turn in turns]
        return torch.stack([torch.stack([realism(each) for each in made]).mean(0) for realism in realisms])

    return torch.stack([scores(each) for each in alternatives], -1)
