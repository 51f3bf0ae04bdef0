"""Texture lookup: as grid_sample, exact gradients, and a pyramid that does not alias."""

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from scenes import BACKENDS, checkable, random, rectangle

from genstruct.errors import ConfigError, ShapeError
from genstruct.render.fragments import Fragments
from genstruct.render.interpolate import interpolate
from genstruct.render.rasterize import rasterize
from genstruct.render.texture import sample_texture, texture_level

each_backend = pytest.mark.parametrize("backend", BACKENDS)


def seen(batch=2, height=6, width=7, dtype=torch.float64):
    """Fragments in which about half of the pixels are hit."""
    index = (random(batch, height, width, seed=3) > 0.5).int() - 1
    return Fragments(index, (index + 1).to(dtype))


def coordinates(low=0.0, high=1.0, dtype=torch.float64):
    return random(2, 2, 6, 7, seed=4, dtype=dtype) * (high - low) + low


@each_backend
def test_lookup_is_that_of_grid_sample(backend):
    texture, uv, fragments = random(2, 3, 4, 5, dtype=torch.float64), coordinates(-0.3, 1.3), seen()
    expected = F.grid_sample(texture, uv.permute(0, 2, 3, 1) * 2 - 1, padding_mode="border", align_corners=False)
    torch.testing.assert_close(sample_texture(texture, uv, fragments, backend=backend), expected * fragments.mask)


@each_backend
def test_a_repeated_texture_looks_the_same_a_whole_texture_further(backend):
    texture, uv, fragments = random(1, 3, 4, 5, dtype=torch.float64), coordinates(), seen()
    moved = uv + torch.tensor([3.0, -2.0], dtype=torch.float64)[:, None, None]
    first, second = (sample_texture(texture, at, fragments, wrap="repeat", backend=backend) for at in (uv, moved))
    torch.testing.assert_close(first, second)
    left = torch.full_like(uv, 0.5)
    left[:, 0] = 0.0  # halfway between the last and the first column
    middle = sample_texture(texture, left, fragments, wrap="repeat", backend=backend)
    between = (texture[0, :, 1:3, 0] + texture[0, :, 1:3, -1]).mean(1) / 2
    torch.testing.assert_close(middle, between[:, None, None] * fragments.mask)


@pytest.mark.parametrize("wrap", ["clamp", "repeat"])
def test_gradients_are_exact(wrap):
    texture, uv = checkable(random(2, 2, 4, 5, dtype=torch.float64), coordinates(-0.2, 1.2))
    fragments = seen()
    assert torch.autograd.gradcheck(
        lambda t, at: sample_texture(t, at, fragments, wrap=wrap, backend="torch"), (texture, uv), fast_mode=True
    )


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("wrap", ["clamp", "repeat"])
def test_backends_agree_in_values_and_gradients(wrap, shared):
    fragments, weights, results = seen(), random(2, 2, 6, 7, dtype=torch.float64), []
    for backend in BACKENDS:
        texture, uv = checkable(random(1 if shared else 2, 2, 4, 5, dtype=torch.float64), coordinates(-0.5, 1.5))
        values = sample_texture(texture, uv, fragments, wrap=wrap, backend=backend)
        results.append([values, *torch.autograd.grad((values * weights).sum(), (texture, uv))])
    for ours, reference in zip(*results, strict=True):
        torch.testing.assert_close(ours, reference)


def screen(texels, pixels=16):
    """A square of `pixels` under a texture of `texels` a side."""
    v, faces = rectangle(0, 0, pixels, pixels)
    uv = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    fragments = rasterize(v, faces, (pixels, pixels))
    level = texture_level(v, uv, faces, fragments, (texels, texels))
    return interpolate(v, uv[None], faces, fragments), fragments, level


@pytest.mark.parametrize(("texels", "expected"), [(8, 0.0), (16, 0.0), (32, 1.0), (128, 3.0)])
def test_the_level_is_the_logarithm_of_texels_in_a_pixel(texels, expected):
    _, _, level = screen(texels)
    torch.testing.assert_close(level, torch.full_like(level, expected))


def test_fine_stripes_become_grey_in_the_pyramid_and_alias_without():
    stripes = (torch.arange(128) % 2).float().expand(1, 1, 128, 128).contiguous()
    uv, fragments, level = screen(128)
    torch.testing.assert_close(sample_texture(stripes, uv, fragments, level), torch.full((1, 1, 16, 16), 0.5))
    shifted = (uv + 0.5 / 128).clamp(0, 1)  # from between two stripes to the middle of one
    assert (sample_texture(stripes, shifted, fragments) - 0.5).abs().max() > 0.4


def test_between_two_levels_the_pyramid_is_linear():
    texture = random(1, 3, 32, 32)
    uv, fragments, level = screen(32)
    low, high, middle = (sample_texture(texture, uv, fragments, torch.full_like(level, at)) for at in (0.0, 1.0, 0.25))
    torch.testing.assert_close(middle, 0.75 * low + 0.25 * high)


BAD = {
    "empty": (lambda u, f: (torch.zeros(1, 3, 0, 4), u, f), ShapeError, "at least one texel"),
    "batch": (lambda u, f: (torch.zeros(3, 3, 4, 4), u, f), ShapeError, "1 or 2 items"),
    "size": (lambda u, f: (torch.zeros(1, 3, 4, 4), u[:, :, 1:], f), ShapeError, r"uv must be \[batch, 2, 6, 7\]"),
    "types": (lambda u, f: (torch.zeros(1, 3, 4, 4).double(), u, f), ShapeError, "one type"),
    "wrap": (lambda u, f: (torch.zeros(1, 3, 4, 4), u, f, None, "mirror"), ConfigError, "clamp or repeat"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_words(name, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    make, error, words = BAD[name]
    with pytest.raises(error, match=words):
        sample_texture(*make(coordinates(dtype=torch.float32), seen(dtype=torch.float32)))


@each_backend
def test_wild_coordinates_read_nothing_outside(backend):
    if backend == "torch":
        pytest.skip("tensor indexing checks its bounds")
    uv = coordinates(dtype=torch.float32)
    uv[0, 0, 0] = torch.tensor([torch.nan, torch.inf, -torch.inf, 1e30, -1e30, 0.0, 1.0])
    for wrap in ("clamp", "repeat"):
        sampled = sample_texture(torch.ones(1, 1, 4, 4), uv, seen(dtype=torch.float32), wrap=wrap, backend=backend)
        assert (sampled[:, :, 1:] <= 1).all()
