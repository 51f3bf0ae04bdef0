"""How well masks follow their photos: along an outline that is real, colours change across it, not along it."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genstruct.viewpoint.crops import ObjectCrops

CHUNK = 256


def outline_support(crops: ObjectCrops) -> Float[Tensor, " photos"]:
    """Share of the change of colours on a mask's outline that goes across it, in [0, 1].

    Medians over sets: true masks of aircraft and heads .80 and .82, a segmenter's of cars .78; ellipses .52, masks of
    other photos .55. A direction at random gives 1/2.
    """
    pieces = zip(crops.images.split(CHUNK), crops.masks.split(CHUNK), strict=True)
    return torch.cat([_support(*piece) for piece in pieces])


def _support(images: Tensor, masks: Tensor) -> Tensor:
    (right, down), (out_x, out_y) = _gradient(images), _gradient(masks)
    strength = (out_x.square() + out_y.square()).sqrt()
    across, along = (
        (part.square().sum(1, keepdim=True).sqrt() * strength).sum((1, 2, 3))  # strength cancels the norm of the normal
        for part in (right * out_x + down * out_y, down * out_x - right * out_y)
    )
    return across / (across + along).clamp(min=1e-9)


def _gradient(values: Tensor) -> tuple[Tensor, Tensor]:
    padded = F.pad(values, (1, 1, 1, 1), mode="replicate")
    return padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2], padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
