"""Interventions: a crop as it would look if the object were turned a little, by a hypothesis of its shape.

A hypothesis gives, for a turn, fields that say where each pixel of the turned crop comes from. Fields belong to few
states that many crops share (views of a grid, planes), not to images, so that a turn of all images is one lookup and
one `grid_sample`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from genstruct.viewpoint.config import InterventionConfig
from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.descriptors import describe_both
from genstruct.viewpoint.edges import Edges, Pairs, find_edges

BATCH = 64

OnTurn = Callable[[int, int], None]
"""Called with steps done and steps in all."""


@dataclass(frozen=True)
class Fields:
    """Warps of one turn, a field for each state of a hypothesis.

    Args:
        source: Where each pixel of the turned crop comes from in the crop, in [-1, 1] as `grid_sample` has it.
        alpha: Where the turned object may be.
    """

    source: Float[Tensor, "states size size 2"]
    alpha: Float[Tensor, "states 1 size size"]


@runtime_checkable
class Hypothesis(Protocol):
    """What is assumed of the shape of each object."""

    def fields(self, turn: float, size: int) -> Fields:
        """Of a turn by which azimuths grow by `turn` radians, for crops of `size` pixels."""
        ...

    @property
    def states(self) -> int:
        """How many fields."""
        ...

    @property
    def state(self) -> Int[Tensor, "images *cells"]:
        """Which of the fields each image has, or each of rows and columns of cells of its turned crop."""
        ...


def intervene(
    crops: ObjectCrops,
    hypothesis: Hypothesis,
    azimuth: Float[Tensor, " images"],
    config: InterventionConfig | None = None,
    plain: Pairs | None = None,
    on_turn: OnTurn | None = None,
) -> Edges:
    """Edges between images: turn all by a hypothesis, and see which others look like that.

    Args:
        crops: Of the images.
        hypothesis: Of their shapes; `shape_hypothesis` for the category's own.
        azimuth: Of the views found for the images, radians: what edges are verified by.
        config: By how much to turn, and how many edges to claim.
        plain: Descriptors of the crops and of their mirror images, where these are known already.
        on_turn: Told of progress.
    """
    config = config or InterventionConfig()
    turns = [sign * math.radians(degrees) for degrees in config.degrees for sign in (1, -1)]
    plain = plain or describe_both(crops.images, crops.masks)
    made = {}
    for number, turn in enumerate(turns):
        there = turned(crops, hypothesis.fields(turn, crops.images.shape[-1]), hypothesis.state)
        made[turn] = describe_both(there.images, there.masks)
        if on_turn:
            on_turn(number + 1, len(turns) + 1)
    edges = find_edges(plain, made, azimuth, config.claims)
    if on_turn:
        on_turn(len(turns) + 1, len(turns) + 1)
    return edges


@torch.no_grad()
def turned(crops: ObjectCrops, fields: Fields, state: Int[Tensor, "images *cells"]) -> ObjectCrops:
    """Crops as they would look after the turn, each by the field of its state."""
    parts = [
        _warp(crops.images[rows], crops.masks[rows], fields, state[rows])
        for rows in torch.arange(len(crops)).split(BATCH)
    ]
    images, masks = (torch.cat(part) for part in zip(*parts, strict=True))
    return ObjectCrops(images, masks, crops.squares)


def _warp(images: Tensor, masks: Tensor, fields: Fields, state: Tensor) -> tuple[Tensor, Tensor]:
    both = torch.cat([images, masks], 1)
    source, alpha = _of_each(fields.source, state), _of_each(fields.alpha[:, 0], state)
    warped = F.grid_sample(both, source, padding_mode="border", align_corners=False)
    return warped[:, :3], warped[:, 3:] * alpha[:, None]


def _of_each(fields: Float[Tensor, "states size size *two"], state: Tensor) -> Tensor:
    """The field that each image has, put together from cells where each cell of it has one of its own."""
    if state.ndim == 1:
        return fields[state]
    pixel = torch.arange(fields.shape[1])
    row, column = (pixel * cells // len(pixel) for cells in state.shape[1:])
    return fields[state[:, row][:, :, column], pixel[:, None], pixel]
