import math

import torch

from genstruct.data.textures import CHOICES, textures


def made(count=32, side=32, seed=0, **fixed):
    """`fixed` sets single choices of all pictures."""
    rng = torch.Generator().manual_seed(seed)
    choices = torch.rand(count, CHOICES, generator=rng)
    names = dict(slope=6, hardness=7, grain=8, angle=9, scale=10, stretch=11, apart=12)
    for name, value in fixed.items():
        choices[:, names[name]] = value
    return textures(torch.randn(count, 4, side, side, generator=rng), choices)


def roughness(pictures):
    """Mean step between neighbours along x and along y."""
    return pictures.diff(dim=3).abs().mean().item(), pictures.diff(dim=2).abs().mean().item()


def test_values_are_colors_and_repeat_by_their_draws():
    pictures = made()
    assert pictures.min() >= 0 and pictures.max() <= 1
    assert torch.equal(pictures, made()) and not torch.equal(pictures, made(seed=1))


def test_one_color_without_contrast_or_grain():
    assert made(apart=0.0, grain=0.0).std((2, 3)).max() < 1e-6


def test_hard_borders_leave_two_colors():
    pictures = made(hardness=1.5, grain=0.0, apart=1.0, slope=1.0)
    low, high = pictures.amin((2, 3), keepdim=True), pictures.amax((2, 3), keepdim=True)
    share = (pictures - low) / (high - low).clamp(min=1e-6)
    assert ((share < 0.05) | (share > 0.95)).float().mean() > 0.9


def test_scale_coarsens_and_stretch_makes_stripes_across_the_angle():
    assert roughness(made(scale=0.0))[0] > 2 * roughness(made(scale=1.0))[0]
    along_x, along_y = roughness(made(angle=0.0, stretch=1.0, scale=0.3))
    assert along_y < 0.5 * along_x  # the second axis is the stretched one
    quarter = roughness(made(angle=0.25, stretch=1.0, scale=0.3))
    assert quarter[0] < 0.5 * quarter[1]


def test_colors_cover_the_cube():
    means = made(512, 8).mean((2, 3))
    assert means.amin() < 0.2 and means.amax() > 0.8
    assert abs(means.mean().item() - 0.5) < 3 * 0.3 / math.sqrt(512) + 0.02
