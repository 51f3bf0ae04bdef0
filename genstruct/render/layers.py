"""Layers of a picture: composite them, shift and scale them. Batched, differentiable, on any device.

Offsets are in pixels, +x to the right and +y downwards. What moves in from outside the frame is either empty ("zero":
right for masks, which then end at the frame) or the repeated border ("replicate": right for colours).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from genstruct.errors import ConfigError, ShapeError
from genstruct.geometry.checks import check_finite, check_float, check_shape, check_together
from genstruct.geometry.precision import full_precision

Fill = Literal["zero", "replicate"]

SMALLEST = 1e-6
"""Scale of a picture."""


@dataclass(frozen=True)
class Layer:
    """A picture with coverage.

    Args:
        color: In [0, 1], not premultiplied.
        alpha: Coverage in [0, 1].

    Raises:
        ShapeError: Other shapes or types, or mixed devices.
    """

    color: Float[Tensor, "batch channels height width"]
    alpha: Float[Tensor, "batch 1 height width"]

    def __post_init__(self) -> None:
        check_float("color", self.color, "batch channels height width")
        check_float("alpha", self.alpha, "batch 1 height width")
        check_together({"color": self.color, "alpha": self.alpha})
        if len(self.color) != len(self.alpha) or self.color.shape[2:] != self.alpha.shape[2:]:
            wanted = [len(self.color), 1, *self.color.shape[2:]]
            raise ShapeError(f"alpha must be {wanted} like color, got {list(self.alpha.shape)}")


def composite(
    background: Float[Tensor, "backgrounds channels height width"], layers: Sequence[Layer]
) -> Float[Tensor, "batch channels height width"]:
    """Lay `layers` over `background`, the first one lowest ("over", Porter & Duff 1984). A batch of one is shared.

    Raises:
        ShapeError: Shapes, types or devices that do not fit.
    """
    check_float("background", background, "batch channels height width")
    picture = background
    for number, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise ShapeError(f"layers must be Layer(color, alpha), got {type(layer).__name__} as number {number}")
        check_together({"background": background, "layer": layer.color})
        sizes = {len(picture), len(layer.color)} - {1}
        if len(sizes) > 1 or layer.color.shape[1:] != background.shape[1:]:
            raise ShapeError(
                f"layers must be [1 or {len(picture)}, {', '.join(map(str, background.shape[1:]))}] like the "
                f"background, got {list(layer.color.shape)} as number {number}"
            )
        picture = picture + layer.alpha * (layer.color - picture)
    return picture


@full_precision
def shift(
    layer: Float[Tensor, "batch channels height width"], offset: Float[Tensor, "batch 2"], fill: Fill = "zero"
) -> Float[Tensor, "batch channels height width"]:
    """Move each picture by its own offset: output(x, y) = input(x - offset_x, y - offset_y).

    Whole offsets copy pixels exactly; fractions interpolate bilinearly and pass gradients to `offset`.

    Args:
        layer: Pictures, masks, or both stacked on channels.
        offset: (x, y) in pixels.
        fill: What appears where nothing was.

    Raises:
        ShapeError: Shapes, types or devices that do not fit, or (on the CPU) offsets that are NaN or infinite.
        ConfigError: An unknown `fill`.
    """
    _check(layer, {"offset": offset}, fill)
    size = torch.tensor([layer.shape[3], layer.shape[2]], device=layer.device, dtype=layer.dtype)
    source = torch.stack(torch.meshgrid(*(_centers(side, layer) for side in layer.shape[:1:-1]), indexing="xy"), -1)
    source = (source - offset[:, None, None]) * 2 / size - 1  # [batch, height, width, 2]
    mode = "zeros" if fill == "zero" else "border"
    return F.grid_sample(layer, source, padding_mode=mode, align_corners=False)


def shift_whole(
    layer: Shaped[Tensor, "batch channels height width"], offset: Shaped[Tensor, "batch 2"], fill: Fill = "zero"
) -> Shaped[Tensor, "batch channels height width"]:
    """`shift` by whole pixels without interpolation: a gather, several times cheaper, of any dtype.

    Args:
        layer: Pictures or masks.
        offset: (x, y) in whole pixels, of any dtype.
        fill: What appears where nothing was.

    Raises:
        ShapeError: Shapes or devices that do not fit, or (on the CPU) offsets that are no whole numbers.
        ConfigError: An unknown `fill`.
    """
    check_shape("layer", layer, "batch channels height width")
    check_shape("offset", offset, f"{len(layer)} 2")
    check_together({"layer": layer, "offset": offset})
    check_fill(fill)
    if offset.is_floating_point() and offset.device.type == "cpu":
        check_finite("offset", offset)
        if (offset != offset.round()).any():
            raise ShapeError(f"offset {list(offset.shape)} must be whole pixels; use shift for fractions, or .round()")
    height, width = layer.shape[-2:]
    across, down = offset.clamp(-max(height, width), max(height, width)).long().unbind(1)
    columns = torch.arange(width, device=layer.device) - across[:, None]  # [batch, width]: where each comes from
    rows = torch.arange(height, device=layer.device) - down[:, None]
    index = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    index = index.flatten(1)[:, None].expand(-1, layer.shape[1], -1)
    moved = layer.flatten(2).gather(2, index).view_as(layer)
    if fill == "replicate":
        return moved
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    return moved * inside[:, None].to(moved.dtype)


@full_precision
def affine(
    layer: Float[Tensor, "batch channels height width"],
    offset: Float[Tensor, "batch 2"],
    scale: Float[Tensor, " batch"],
    fill: Fill = "zero",
) -> Float[Tensor, "batch channels height width"]:
    """Scale each picture about its centre, then move it by its offset; differentiable in all arguments.

    Bilinear where pictures grow. Where they shrink, the tent of the bilinear lookup is as wide as what a pixel covers,
    so that nothing aliases. Time grows with height + width for each pixel.

    Args:
        layer: Pictures or masks.
        offset: (x, y) in pixels.
        scale: Above 1 enlarges, below 1 shrinks; at least `SMALLEST`.
        fill: What appears where nothing was.

    Raises:
        ShapeError: Shapes, types or devices that do not fit; on the CPU also numbers that are NaN or infinite, or a
            scale that is too small.
        ConfigError: An unknown `fill`.
    """
    _check(layer, {"offset": offset, "scale": scale}, fill)
    if scale.device.type == "cpu" and (scale < SMALLEST).any():
        raise ShapeError(f"scale {list(scale.shape)} must be at least {SMALLEST:g}, got {scale.min().item():g}")
    down, across = (
        _reading(
            (_centers(size, layer) - size / 2 - move[:, None]) / scale[:, None] + size / 2 - 0.5, scale, size, fill
        )
        for size, move in zip(layer.shape[2:], offset.flip(1).unbind(1), strict=True)
    )
    return down[:, None] @ layer @ across[:, None].mT


def _reading(
    place: Float[Tensor, "batch size"], scale: Float[Tensor, " batch"], size: int, fill: Fill
) -> Float[Tensor, "batch size size"]:
    """How much of every pixel of a line, in the last dimension, goes into what is read at `place`.

    A tent of 1 / scale pixels to both sides (at least one), over its sum on an endless line. What of it lies outside of
    the picture is left out, or given to the pixels at the border.
    """
    reach = (1 / scale).clamp(min=1)[:, None]
    pixels = torch.arange(size, device=place.device, dtype=place.dtype)
    tent = (1 - (place[..., None] - pixels).abs() / reach[..., None]).clamp(min=0)
    after = place - place.detach().floor()
    total = _half_tent(after, reach) + _half_tent(1 - after, reach)
    if fill == "replicate":
        before = torch.where(place >= -1, _half_tent(place + 1, reach), total - _half_tent(-place, reach))
        border = torch.stack([before, total - tent.sum(-1) - before], -1)
        ends = torch.stack([pixels == 0, pixels == size - 1]).to(tent.dtype)
        tent = tent + border @ ends
    return tent / total[..., None]


def _half_tent(first: Tensor, reach: Tensor) -> Tensor:
    """Sum of a tent of this reach at the distances `first`, `first` + 1, ..., where they are not below 0."""
    count = (reach - first).detach().ceil().clamp(min=0)
    return count * (1 - first / reach) - count * (count - 1) / (2 * reach)


def _centers(size: int, like: Tensor) -> Float[Tensor, " size"]:
    """Coordinates of pixel centres."""
    return torch.arange(size, device=like.device, dtype=like.dtype) + 0.5


def _check(layer: Tensor, numbers: dict[str, Tensor], fill: Fill) -> None:
    """Pictures, and numbers for each of them."""
    check_float("layer", layer, "batch channels height width")
    for name, tensor in numbers.items():
        check_float(name, tensor, f"{len(layer)} 2" if name == "offset" else f"{len(layer)}")
    check_together({"layer": layer, **numbers})
    check_fill(fill)
    if 0 in layer.shape[2:] or any(tensor.dtype != layer.dtype for tensor in numbers.values()):
        kinds = ", ".join(f"{name} {tensor.dtype}" for name, tensor in numbers.items())
        got = f"{list(layer.shape)} {layer.dtype} and {kinds}"
        raise ShapeError(f"layer must not be empty and of one type with its numbers, got {got}")
    if layer.device.type == "cpu":
        for name, tensor in numbers.items():
            check_finite(name, tensor)


def check_fill(fill: Fill) -> None:
    """What moves in.

    Raises:
        ConfigError: Something unknown.
    """
    if fill not in get_args(Fill):
        raise ConfigError(f"fill must be zero or replicate, got {fill!r}")
