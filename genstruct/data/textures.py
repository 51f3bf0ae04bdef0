"""Made pictures without objects: random fields with soft or hard borders, grains, stripes, in random colours.

A set of photos often shows few places. Over these an object meets contrasts that no photo of the set has.
"""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

OCTAVES = (2, 4, 8, 16, 32)
CHOICES = 13
"""Uniform numbers that describe one texture."""


def textures(
    noise: Float[Tensor, "batch 4 side side"], choices: Float[Tensor, "batch 13"]
) -> Float[Tensor, "batch 3 side side"]:
    """Two random colours divided by a random field, with coloured grain, turned, stretched and scaled.

    Args:
        noise: Standard normal.
        choices: Uniform in [0, 1): six for the colours, then slope of the spectrum, hardness, grain, angle, scale,
            stretch, and how far the colours are apart.

    Returns:
        Colours in [0, 1].
    """
    first, second = choices[:, :3, None, None], choices[:, 3:6, None, None]
    slope, hardness, grain, angle, scale, stretch, apart = (x[:, None, None, None] for x in choices[:, 6:].unbind(1))
    field = _turned(_octaves(noise, slope), angle.flatten(), scale.flatten(), stretch.flatten())
    share = torch.sigmoid(field[:, :1] * 30**hardness)
    colors = torch.lerp(first, first + (second - first) * apart.sqrt(), share)
    return (colors + 0.2 * grain * field[:, 1:]).clamp(0, 1)


def _octaves(
    noise: Float[Tensor, "batch 4 side side"], slope: Float[Tensor, "batch 1 1 1"]
) -> Float[Tensor, "batch 4 side side"]:
    """Noise with a spectrum that falls like a power of frequency, of unit variance."""
    side = noise.shape[-1]
    field = torch.zeros_like(noise)
    for cells in (cells for cells in OCTAVES if cells < side):
        coarse = F.adaptive_avg_pool2d(noise, cells) * (side / cells)  # the mean of n pixels varies by 1 / sqrt(n)
        wide = F.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)
        field = field + wide * torch.as_tensor(float(cells), device=noise.device) ** -(2 * slope)
    field = field - field.mean((2, 3), keepdim=True)
    return field / field.std((2, 3), keepdim=True).clamp(min=1e-6)


def _turned(
    field: Float[Tensor, "batch 4 side side"],
    angle: Float[Tensor, " batch"],
    scale: Float[Tensor, " batch"],
    stretch: Float[Tensor, " batch"],
) -> Float[Tensor, "batch 4 side side"]:
    """Each field turned by any angle, its grain from 3 times finer to 3 times coarser, along one axis up to 4 more."""
    turn, size = 2 * math.pi * angle, 3 * 8**-scale
    across = size * 4**-stretch
    rows = [turn.cos() * size, -turn.sin() * size, turn.sin() * across, turn.cos() * across]
    matrix = F.pad(torch.stack(rows, 1).view(-1, 2, 2), (0, 1))
    grid = F.affine_grid(matrix, list(field.shape), align_corners=False)
    return F.grid_sample(field, grid, padding_mode="reflection", align_corners=False)
