"""Layers of a picture: composite them, shift and scale them. Batched, differentiable, on any device.

Offsets are in pixels, +x to the right and +y downwards. What moves in from outside the frame is either empty ("zero":
right for masks, which then end at the frame) or the repeated border ("replicate": right for colours).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from genstruct.errors import ShapeError

Fill = Literal["zero", "replicate"]


@dataclass(frozen=True)
class Layer:
    """A picture with coverage.

    Args:
        colour: In [0, 1], not premultiplied.
        alpha: Coverage in [0, 1].
    """

    colour: Float[Tensor, "batch channels height width"]
    alpha: Float[Tensor, "batch 1 height width"]


def composite(
    background: Float[Tensor, "batch channels height width"], layers: Sequence[Layer]
) -> Float[Tensor, "batch channels height width"]:
    """Lay `layers` over `background`, the first one lowest ("over", Porter & Duff 1984)."""
    picture = background
    for layer in layers:
        picture = picture + layer.alpha * (layer.colour - picture)
    return picture


def shift(
    layer: Float[Tensor, "batch channels height width"], offset: Float[Tensor, "batch 2"], fill: Fill = "zero"
) -> Float[Tensor, "batch channels height width"]:
    """Move each picture by its own offset: output(x, y) = input(x - offset_x, y - offset_y).

    Whole offsets copy pixels exactly; fractions interpolate bilinearly and pass gradients to `offset`.

    Args:
        layer: Pictures, masks, or both stacked on channels.
        offset: (x, y) in pixels.
        fill: What appears where nothing was.
    """
    return affine(layer, offset, torch.ones_like(offset[:, 0]), fill)


def shift_whole(
    layer: Shaped[Tensor, "batch channels height width"], offset: Shaped[Tensor, "batch 2"], fill: Fill = "zero"
) -> Shaped[Tensor, "batch channels height width"]:
    """`shift` by whole pixels without interpolation: a gather, several times cheaper, of any dtype.

    Args:
        layer: Pictures or masks.
        offset: (x, y) in whole pixels, of any dtype.
        fill: What appears where nothing was.
    """
    height, width = layer.shape[-2:]
    columns = torch.arange(width, device=layer.device) - offset[:, :1].long()  # [batch, width]: where each comes from
    rows = torch.arange(height, device=layer.device) - offset[:, 1:].long()
    index = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    index = index.flatten(1)[:, None].expand(-1, layer.shape[1], -1)
    moved = layer.flatten(2).gather(2, index).view_as(layer)
    if fill == "replicate":
        return moved
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    return moved * inside[:, None].to(moved.dtype)


def affine(
    layer: Float[Tensor, "batch channels height width"],
    offset: Float[Tensor, "batch 2"],
    scale: Float[Tensor, " batch"],
    fill: Fill = "zero",
) -> Float[Tensor, "batch channels height width"]:
    """Scale each picture about its centre, then move it by its offset; bilinear, differentiable in all arguments.

    Enlarging only: shrinking by more than about 0.7 aliases, as the lookup is not prefiltered.

    Args:
        layer: Pictures or masks.
        offset: (x, y) in pixels.
        scale: Above 1 enlarges.
        fill: What appears where nothing was.
    """
    if offset.shape != (len(layer), 2) or scale.shape != (len(layer),):
        raise ShapeError(
            f"offset must be [{len(layer)}, 2] and scale [{len(layer)}] for {len(layer)} layers, "
            f"got {list(offset.shape)} and {list(scale.shape)}"
        )
    height, width = layer.shape[-2:]
    size = torch.tensor([width, height], device=layer.device, dtype=layer.dtype)
    x = torch.arange(width, device=layer.device, dtype=layer.dtype) + 0.5 - width / 2
    y = torch.arange(height, device=layer.device, dtype=layer.dtype) + 0.5 - height / 2
    centred = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # [height, width, 2], pixels from the centre
    source = (centred - offset[:, None, None]) / scale[:, None, None, None]
    mode = "zeros" if fill == "zero" else "border"
    return F.grid_sample(layer, source * 2 / size, padding_mode=mode, align_corners=False)
