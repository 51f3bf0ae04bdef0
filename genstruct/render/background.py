"""Backgrounds that move with the viewpoint."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.geometry.camera import Camera, viewpoint
from genstruct.geometry.checks import check_float, check_size, check_together
from genstruct.render.checks import full


def crop_background(
    image: Float[Tensor, "images channels large_height large_width"],
    camera: Camera,
    size: tuple[int, int],
    reach: tuple[float, float] = (math.pi / 2, math.pi / 3),
) -> Float[Tensor, "cameras channels height width"]:
    """The part of a larger picture that lies behind the object, as if it hung far away (Szabo et al. 2019).

    A camera that goes round to the right looks further to the left, and one that rises looks further down: the window
    moves so, in proportion to azimuth and elevation, and stops at the picture's border. Bilinear, differentiable.

    Args:
        image: Larger than `size` by what may come into view, for instance three times; a batch of one is shared.
        camera: Cameras that look at the origin.
        size: (height, width) of the window, pixels.
        reach: Azimuth and elevation, radians, at which the window arrives at the border.

    Raises:
        ShapeError: A picture of another shape, type or device, smaller than the window, or of another batch size.
    """
    check_size(size)
    check_float("background", image, "batch channels height width")
    check_together({"background": image, "camera": camera.world_to_camera})
    height, width = image.shape[2:]
    if height < size[0] or width < size[1]:
        raise ShapeError(f"background must be at least {list(size)} (height, width), got {list(image.shape)}")
    if len(image) not in (1, len(camera)):
        raise ShapeError(f"background must have 1 or {len(camera)} items like the cameras, got {list(image.shape)}")
    azimuth, elevation, _ = viewpoint(camera)
    left = (1 - (azimuth / reach[0]).clamp(-1, 1)) / 2 * (width - size[1])
    top = (1 + (elevation / reach[1]).clamp(-1, 1)) / 2 * (height - size[0])
    x = left[:, None, None] + torch.arange(size[1], device=left.device, dtype=left.dtype) + 0.5
    y = top[:, None, None] + torch.arange(size[0], device=left.device, dtype=left.dtype)[:, None] + 0.5
    grid = torch.stack([x * 2 / width - 1 + 0 * y, y * 2 / height - 1 + 0 * x], -1)
    image = full(image).expand(len(camera), -1, -1, -1)
    return F.grid_sample(image, grid.to(image.dtype), padding_mode="border", align_corners=False)
