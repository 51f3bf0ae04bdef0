"""Bytes and floats of pictures, and the one resize: the only places where they are converted.

Floats are [..., channels, height, width] in [0, 1]; bytes are [..., height, width, channels], as files have them.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor


def to_bytes(
    values: Float[Tensor, "*batch channels height width"],
) -> UInt8[np.ndarray, "*batch height width channels"]:
    """[0, 1] to 0 ... 255, channels last, on the CPU; rounded, values outside are clipped."""
    rounded = values.detach().float().clamp(0, 1).mul(255).round().to(torch.uint8)
    return rounded.movedim(-3, -1).contiguous().cpu().numpy()


def to_unit(
    pixels: UInt8[np.ndarray, "*batch height width channels"] | UInt8[Tensor, "*batch height width channels"],
    device: torch.device | str = "cpu",
) -> Float[Tensor, "*batch channels height width"]:
    """0 ... 255 to float32 in [0, 1], channels first; memory stays channels-last."""
    if isinstance(pixels, np.ndarray):
        pixels = torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())  # torch warns of read-only maps
    return pixels.to(device, non_blocking=True).movedim(-1, -3).float().div_(255)


def resized(
    images: Float[Tensor, "batch channels height width"], size: Sequence[int]
) -> Float[Tensor, "batch channels h w"]:
    """Images at another (height, width): bilinear, antialiased where they shrink."""
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return F.interpolate(images, tuple(size), mode="bilinear", align_corners=False, antialias=True)
