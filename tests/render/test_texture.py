"""Texture lookup: as grid_sample, exact gradients, and a pyramid that does not alias."""

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from gradients import assert_agree, assert_exact, checkable, values_and_gradients
from scenes import BACKENDS, random, rectangle

from genstruct.errors import ConfigError, ShapeError
from genstruct.geometry.camera import Camera
from genstruct.geometry.surfaces import plane
from genstruct.render.fragments import Fragments
from genstruct.render.interpolate import interpolate
from genstruct.render.project import project
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
    texture, fragments = random(2, 2, 4, 5, dtype=torch.float64), seen()

    def sampled(t, at):
        return sample_texture(t, at, fragments, wrap=wrap, backend="torch")

    assert_exact(sampled, texture, coordinates(-0.2, 1.2), fast=True)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("wrap", ["clamp", "repeat"])
def test_backends_agree_in_values_and_gradients(wrap, shared):
    fragments, inputs = seen(), (random(1 if shared else 2, 2, 4, 5, dtype=torch.float64), coordinates(-0.5, 1.5))

    def by(backend):
        return lambda t, at: sample_texture(t, at, fragments, wrap=wrap, backend=backend)

    assert_agree(*(values_and_gradients(by(backend), *inputs) for backend in BACKENDS))


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


def test_fine_stripes_become_gray_in_the_pyramid_and_alias_without():
    stripes = (torch.arange(128) % 2).float().expand(1, 1, 128, 128).contiguous()
    uv, fragments, level = screen(128)
    torch.testing.assert_close(sample_texture(stripes, uv, fragments, level), torch.full((1, 1, 16, 16), 0.5))
    shifted = (uv + 0.5 / 128).clamp(0, 1)  # from between two stripes to the middle of one
    assert (sample_texture(stripes, shifted, fragments) - 0.5).abs().max() > 0.4


@pytest.mark.parametrize("size", [(9, 7), (5, 2), (1, 3), (13, 64)])
def test_the_pyramid_of_any_size_goes_down_to_the_mean(size):
    texture, fragments = random(1, 3, *size, dtype=torch.float64), seen()
    top = sample_texture(texture, coordinates(), fragments, torch.full((2, 1, 6, 7), 9.0, dtype=torch.float64))
    torch.testing.assert_close(top, (texture.mean((2, 3), keepdim=True) * fragments.mask).expand_as(top))


def test_fine_stripes_of_an_odd_number_become_gray_too():
    stripes = (torch.arange(127) % 2).float().expand(1, 1, 127, 127).contiguous()
    uv, fragments, level = screen(127)
    found = sample_texture(stripes, uv, fragments, level)[:, :, :, 1:-1]
    torch.testing.assert_close(found, torch.full_like(found, 0.5), atol=0.05, rtol=0)


@pytest.mark.parametrize("orthographic", [False, True])
def test_the_level_is_that_of_differences_on_a_plane_that_runs_away(orthographic):
    ground, size = plane().to(dtype=torch.float64), (48, 40)
    eye, middle = torch.tensor([[0.3, -1.6, 0.5]]).double(), torch.zeros(1, 3).double()
    focal, up = 15.0 if orthographic else 40.0, torch.tensor([[0.0, 0.0, 1.0]]).double()
    camera = Camera.look_at(eye, middle, focal, size, up, orthographic)
    v = project(ground.vertices, camera)
    fragments = rasterize(v, ground.faces, size, orthographic=orthographic)
    level = texture_level(v, ground.uv, ground.faces, fragments, (256, 128))[0, 0]
    flat = interpolate(v, ground.uv[None].double(), ground.faces, fragments)[0]
    texels = flat * torch.tensor([128, 256])[:, None, None]
    right, down = texels[:, 1:-1, 2:] - texels[:, 1:-1, :-2], texels[:, 2:, 1:-1] - texels[:, :-2, 1:-1]
    longer = torch.linalg.matrix_norm(torch.stack([right, down]).permute(2, 3, 1, 0) / 2, 2)
    covered = F.conv2d(fragments.mask.double(), torch.ones(1, 1, 3, 3).double())[0, 0] == 9
    found = level[1:-1, 1:-1][covered]
    assert len(found) > 100 and orthographic == bool(found.amax() - found.amin() < 1)
    torch.testing.assert_close(found, longer.log2()[covered].clamp(min=0), atol=0.02, rtol=0)


def test_levels_of_lists_for_each_item_are_those_of_a_shared_one():
    v, faces = rectangle(0.3, 0.4, 7.2, 6.1)
    v, uv = v.expand(2, -1, -1), random(4, 2)
    lists = torch.stack([faces, faces])
    shared = texture_level(v, uv, faces, rasterize(v, faces, (8, 9)), (64, 64))
    own = texture_level(v, uv, lists, rasterize(v, lists, (8, 9)), (64, 64), lists)
    assert torch.equal(shared, own) and shared.max() > 1


def test_nothing_has_no_level():
    v, faces = rectangle(0, 0, 4, 4)
    fragments = rasterize(v, faces[:0], (4, 5))
    assert torch.equal(texture_level(v, torch.zeros(4, 2), faces[:0], fragments, (8, 8)), torch.zeros(1, 1, 4, 5))


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
    "images": (lambda u, f: (torch.zeros(1, 3, 4, 4), u[:1], f), ShapeError, "fragments are of 2 images, uv is of 1"),
    "wrap": (lambda u, f: (torch.zeros(1, 3, 4, 4), u, f, None, "mirror"), ConfigError, "clamp or repeat"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_words(name, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    make, error, words = BAD[name]
    with pytest.raises(error, match=words):
        sample_texture(*make(coordinates(dtype=torch.float32), seen(dtype=torch.float32)))


@each_backend
@pytest.mark.parametrize("wrap", ["clamp", "repeat"])
def test_wild_coordinates_read_the_border_and_nothing_outside(backend, wrap):
    uv = coordinates(dtype=torch.float32)
    uv[0, 0, 0] = torch.tensor([torch.nan, torch.inf, -torch.inf, 1e30, -1e30, 0.0, 1.0])
    texture, uv = checkable(torch.ones(1, 1, 4, 4), uv)
    fragments = Fragments(torch.zeros(2, 6, 7, dtype=torch.int32), torch.ones(2, 6, 7))
    sampled = sample_texture(texture, uv, fragments, wrap=wrap, backend=backend)
    torch.testing.assert_close(sampled, torch.ones_like(sampled))
    for gradient in torch.autograd.grad(sampled.square().sum(), (texture, uv)):
        assert gradient.isfinite().all()


@each_backend
def test_far_repeats_keep_their_digits(backend):
    texture, uv = random(1, 1, 64, 64), coordinates(dtype=torch.float32) / 4
    uv = (uv * 256).round() / 256  # so that whole numbers can be added without rounding
    near, far = (
        sample_texture(texture, at, seen(dtype=torch.float32), None, "repeat", backend) for at in (uv, uv + 8192)
    )
    torch.testing.assert_close(near, far, atol=0, rtol=0)
