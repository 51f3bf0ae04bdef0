"""Viewpoints: what is known of the view that each photo shows."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

CANDIDATES = 4
"""Views that an answer names, the likeliest first."""
SURE = 0.5
"""Confidence below which a view counts as undetermined."""


@dataclass(frozen=True)
class Viewpoints:
    """One viewpoint for each photo, in the frame of the category's shape.

    Args:
        azimuth: Radians in [0, 2 pi); 0 looks at the front, growing counter-clockwise seen from above.
        elevation: Radians; above 0 from above.
        confidence: In [0, 1]; below `SURE` the view is undetermined.
        shape: Which of the category's templates the object is most like.
        candidates: Azimuth, elevation (radians) and probability of the likeliest views, rows of zeros where there are
            fewer.
    """

    azimuth: Float[Tensor, " photos"]
    elevation: Float[Tensor, " photos"]
    confidence: Float[Tensor, " photos"]
    shape: Int[Tensor, " photos"]
    candidates: Float[Tensor, "photos candidates 3"]

    def __len__(self) -> int:
        return len(self.azimuth)

    def __getitem__(self, rows: Tensor) -> "Viewpoints":
        """Some of them, by a mask or by numbers."""
        return Viewpoints(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def to(self, device: torch.device | str) -> "Viewpoints":
        """On a device."""
        return Viewpoints(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    @property
    def determined(self) -> Bool[Tensor, " photos"]:
        """Whether the confidence is enough to say so."""
        return self.confidence >= SURE

    @staticmethod
    def cat(parts: "list[Viewpoints]") -> "Viewpoints":
        """Several batches as one."""
        names = Viewpoints.__dataclass_fields__
        return Viewpoints(*(torch.cat([getattr(part, name) for part in parts]) for name in names))
