"""Light: closed forms, orthonormal harmonics, exact gradients."""

import jaxtyping
import pytest
import torch
import torch.nn.functional as F
from gradients import assert_exact, checkable
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from scenes import random

from genstruct.errors import ShapeError
from genstruct.render.shading import DirectionalLight, HarmonicLight, harmonics, shade


def directions(count=400):
    """Unit vectors [1, 3, count, 2 * count] on a grid of angles, and the solid angle of each."""
    polar = (torch.arange(count, dtype=torch.float64) + 0.5) * torch.pi / count
    around = (torch.arange(2 * count, dtype=torch.float64) + 0.5) * torch.pi / count
    polar, around = torch.meshgrid(polar, around, indexing="ij")
    unit = torch.stack([polar.sin() * around.cos(), polar.sin() * around.sin(), polar.cos()])
    return unit[None], polar.sin() * (torch.pi / count) ** 2


def light(ambient=0.2, color=0.6, direction=(0.0, 0.0, 2.0), dtype=torch.float64):
    gray = torch.ones(1, 3, dtype=dtype)
    return DirectionalLight(ambient * gray, color * gray, torch.tensor([direction], dtype=dtype))


def facing(*normal, dtype=torch.float64):
    return F.normalize(torch.tensor(normal, dtype=dtype), dim=0)[None, :, None, None]


def test_harmonics_are_orthonormal():
    unit, weight = directions()
    values = harmonics(unit)[0].flatten(1)
    products = values @ (values * weight.flatten()).T
    torch.testing.assert_close(products, torch.eye(9, dtype=torch.float64), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("normal", "cosine"), [((0, 0, 1), 1.0), ((0, 1, 1), 0.5**0.5), ((1, 0, 0), 0.0), ((0, 0, -1), 0.0)]
)
def test_a_direction_lights_by_the_cosine_in_linear_light(normal, cosine):
    white = torch.ones(1, 3, 1, 1, dtype=torch.float64)
    found = shade(white, facing(*map(float, normal)), light())
    expected = linear_rgb_to_rgb(torch.full_like(white, 0.2 + 0.6 * cosine))
    torch.testing.assert_close(found, expected)


def test_harmonics_of_degree_one_light_like_a_linear_ramp():
    coefficients = torch.zeros(1, 9, 3, dtype=torch.float64)
    coefficients[:, 0], coefficients[:, 2] = 0.5 / 0.28209479, 0.25 / 0.48860251  # 0.5 + 0.25 z
    unit, _ = directions(10)
    found = shade(torch.ones_like(unit), unit, HarmonicLight(coefficients))
    torch.testing.assert_close(rgb_to_linear_rgb(found), (0.5 + 0.25 * unit[:, 2:]).expand_as(unit))


def test_full_white_light_leaves_colors_as_they_are():
    albedo = random(2, 3, 4, 5, dtype=torch.float64)
    normal = F.normalize(random(2, 3, 4, 5, seed=1, dtype=torch.float64) - 0.5, dim=1)
    torch.testing.assert_close(shade(albedo, normal, light(1.0, 0.0)), albedo)


@pytest.mark.parametrize(("albedo", "light_of", "shown"), [(1.0, 0.18, 0.4614), (0.5, 1.0, 0.5), (0.5, 0.1, 0.1576)])
def test_colors_are_those_of_the_standard_curve(albedo, light_of, shown):
    # 18 % grey is at 46.1 % sRGB; 50 % sRGB is 21.4 % of the light, a tenth of which is at 15.8 %.
    values = torch.full((1, 3, 1, 1), albedo, dtype=torch.float64)
    found = shade(values, facing(0.0, 0.0, 1.0), light(light_of, 0.0))
    torch.testing.assert_close(found, torch.full_like(values, shown), atol=1e-4, rtol=0)


def test_shading_has_exact_gradients():
    albedo, ambient, color = random(1, 3, 2, 2, dtype=torch.float64), random(1, 3).double(), random(1, 3).double()
    normal = F.normalize(random(1, 3, 2, 2, seed=2, dtype=torch.float64) - 0.3, dim=1)
    direction, coefficients = random(1, 3, seed=3).double(), random(1, 9, 3, seed=4).double() * 0.1
    coefficients[:, 0] += 1
    lights = ambient * 0.5, color * 0.5, direction
    assert_exact(lambda a, n, *lights: shade(a, n, DirectionalLight(*lights)), albedo * 0.5, normal, *lights)
    assert_exact(lambda a, n, c: shade(a, n, HarmonicLight(c)), albedo * 0.5, normal, coefficients)


def test_black_pixels_have_finite_gradients():
    albedo, ambient = checkable(torch.zeros(1, 3, 1, 1), torch.zeros(1, 3))
    shade(
        albedo, facing(0.0, 0, 1, dtype=torch.float32), DirectionalLight(ambient, ambient, torch.ones(1, 3))
    ).sum().backward()
    assert albedo.grad.isfinite().all() and ambient.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_light_is_widened(dtype):
    white = torch.ones(1, 3, dtype=dtype)
    albedo = random(1, 3, 2, 2)
    lit = shade(
        albedo, facing(0.0, 0, 1, dtype=torch.float32).expand(1, 3, 2, 2), DirectionalLight(white, 0 * white, white)
    )
    torch.testing.assert_close(lit, albedo)


BAD = {
    "picture": (torch.zeros(2, 3, 4), torch.ones(2, 3, 4), r"albedo must be \[batch, 3, height, width\]"),
    "normal": (torch.zeros(2, 3, 4, 4), torch.ones(1, 3, 4, 4), r"normal must be \[2, 3, 4, 4\] like albedo"),
    "kind": (torch.zeros(2, 3, 4, 4).double(), torch.ones(2, 3, 4, 4).double(), "light.coefficients is torch.float32"),
}


@pytest.mark.parametrize("name", BAD)
def test_pictures_that_do_not_fit_are_refused(name, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    albedo, normal, words = BAD[name]
    with pytest.raises(ShapeError, match=words):
        shade(albedo, normal, HarmonicLight(torch.zeros(1, 9, 3)))


def test_light_for_other_images_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ShapeError, match=r"light\.coefficients must have 1 or 2 items"):
        shade(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4), HarmonicLight(torch.zeros(3, 9, 3)))
