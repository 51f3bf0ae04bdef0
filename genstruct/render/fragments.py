"""What a rasterizer finds: for each pixel the nearest triangle, and how triangles were chosen."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor

Cull = Literal["none", "back"]

NEAR = 1e-3
"""Depth (object units) up to which triangles are dropped by default."""


@dataclass(frozen=True)
class Fragments:
    """The nearest triangle of each pixel centre. Holds no gradients: `interpolate` and the silhouettes carry those.

    Args:
        index: Row of `faces`, -1 where nothing is hit.
        inverse_depth: 1 / camera depth of the hit, 1 / object units; 0 where nothing is hit.
        orthographic: Whether depth (not its inverse) is linear over a triangle on the screen.
        cull: Which triangles were left out: "back" = those seen from behind.
        near: Triangles with a corner at or before this depth were left out.
        triangles: Length of `faces`, so that later functions notice another list; None if it is not known.
    """

    index: Int32[Tensor, "batch height width"]
    inverse_depth: Float[Tensor, "batch height width"]
    orthographic: bool = False
    cull: Cull = "none"
    near: float = NEAR
    triangles: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width), pixels."""
        return self.index.shape[1], self.index.shape[2]

    @property
    def mask(self) -> Bool[Tensor, "batch 1 height width"]:
        """Where something is hit."""
        return (self.index >= 0)[:, None]

    @property
    def depth(self) -> Float[Tensor, "batch 1 height width"]:
        """Camera depth of the hits, object units; infinite where nothing is hit."""
        infinite = torch.full_like(self.inverse_depth, torch.inf)
        return torch.where(self.index >= 0, 1 / self.inverse_depth, infinite)[:, None]
