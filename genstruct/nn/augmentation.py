"""Changes of colour and place of a batch, each image by its own amount. Draws come in as tensors: nothing here is
random by itself, and real and fake images can be given the very same change."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

# Rows are grey and two chroma axes, all orthonormal: turning about grey changes hue, scaling the others saturation.
_GRAY = torch.tensor(
    [[1, 1, 1], [math.sqrt(2), -math.sqrt(0.5), -math.sqrt(0.5)], [0, math.sqrt(1.5), -math.sqrt(1.5)]]
)
_GRAY = _GRAY / math.sqrt(3)


def color_matrix(
    hue: Float[Tensor, " batch"], saturation: Float[Tensor, " batch"], contrast: Float[Tensor, " batch"]
) -> Float[Tensor, "batch 3 3"]:
    """The linear map on RGB that turns hue (radians) and scales chroma and everything."""
    basis = _GRAY.to(hue)
    turn = torch.zeros(len(hue), 3, 3, device=hue.device, dtype=hue.dtype)
    turn[:, 0, 0] = contrast
    turn[:, 1, 1] = turn[:, 2, 2] = contrast * saturation * hue.cos()
    turn[:, 1, 2] = -contrast * saturation * hue.sin()
    turn[:, 2, 1] = contrast * saturation * hue.sin()
    return basis.mT @ turn @ basis


def change_color(
    images: Float[Tensor, "batch 3 h w"], draws: Float[Tensor, "batch 5"], strength: float, chance: float = 1.0
) -> Float[Tensor, "batch 3 h w"]:
    """Change hue, saturation, contrast and brightness of each image; differentiable in the images.

    Args:
        images: In [0, 1]; the result can leave that range slightly and is not clamped (a clamp would hide gradients).
        draws: Uniform in [0, 1): hue, saturation, contrast, brightness, and whether to change this image at all.
        strength: 1 = hue +-0.3 rad, saturation and contrast x 0.5-1.5, brightness +-0.2.
        chance: Share of images that change.
    """
    centered = (draws[:, :4] * 2 - 1) * strength * (draws[:, 4:] < chance).to(draws)
    hue, saturation, contrast, brightness = centered.unbind(1)
    matrix = color_matrix(hue * 0.3, 1 + saturation * 0.5, 1 + contrast * 0.5)
    return apply_matrix(images, matrix, 0.2 * brightness)


def apply_matrix(
    images: Float[Tensor, "batch 3 h w"], matrix: Float[Tensor, "batch 3 3"], brightness: Float[Tensor, " batch"]
) -> Float[Tensor, "batch 3 h w"]:
    """Map the colours of each image about middle grey and add to them; the result is not clamped."""
    moved = torch.einsum("bij,bjhw->bihw", matrix, images - 0.5)
    return moved + (0.5 + brightness)[:, None, None, None]


def change_contrast(
    images: Float[Tensor, "batch c h w"], factor: Float[Tensor, " batch"]
) -> Float[Tensor, "batch c h w"]:
    """Scale each image about the mean of each of its channels, clamped to the image's own range (the background
    jitter of Bielski & Favaro 2019: it breaks the colour identity of the two layers)."""
    mean = images.mean((2, 3), keepdim=True)
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    changed = mean + (images - mean) * factor[:, None, None, None]
    return torch.minimum(torch.maximum(changed, low), high)


def change_place(
    images: Float[Tensor, "batch c h w"], draws: Float[Tensor, "batch 4"], reach: float, chance: float, mirrored: float
) -> Float[Tensor, "batch c h w"]:
    """Move some images by whole pixels and mirror some left to right; differentiable in the images.

    What moves in is the image itself, reflected at its border: a fill of zeros would teach a discriminator that
    straight black edges are normal, and those give away a layer that is cut off.

    Args:
        images: Any range.
        draws: Uniform in [0, 1): offset to the right, offset down, whether to move this image, whether to mirror it.
        reach: Largest offset, share of the size, below 1; offsets are rounded to whole pixels.
        chance: Share of images that move.
        mirrored: Share of images that are mirrored, before they move.
    """
    height, width = images.shape[-2:]
    moves = (draws[:, 2] < chance).to(draws)
    right = ((draws[:, 0] * 2 - 1) * reach * width * moves).round().long()
    down = ((draws[:, 1] * 2 - 1) * reach * height * moves).round().long()
    columns, rows = _reflected(width, right), _reflected(height, down)  # [batch, size]: where each pixel comes from
    columns = torch.where(draws[:, 3:] < mirrored, width - 1 - columns, columns)
    index = (rows[:, :, None] * width + columns[:, None]).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, index).view_as(images)


def _reflected(size: int, offset: Int[Tensor, " batch"]) -> Int[Tensor, "batch size"]:
    """The pixel that comes to each place when a line moves by less than its size, reflected at its end pixels."""
    place = (torch.arange(size, device=offset.device) - offset[:, None]).abs()
    return (size - 1) - ((size - 1) - place).abs()
