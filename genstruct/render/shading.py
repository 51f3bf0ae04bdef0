"""Light on surfaces: Lambertian, from a direction or in spherical harmonics. Light adds linearly, images are sRGB."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from kornia.color import linear_rgb_to_rgb, rgb_to_linear_rgb
from torch import Tensor

from genstruct.errors import ConfigError, ShapeError
from genstruct.geometry.checks import check_finite, check_float
from genstruct.render.checks import check_same_type, full


@dataclass(frozen=True)
class DirectionalLight:
    """Light from everywhere and light from one direction. A batch of one is shared.

    Args:
        ambient: Linear RGB; what a surface turned away still reflects, per unit of albedo.
        color: Linear RGB of the direct light.
        direction: From the object towards the light, world; of any length.
    """

    ambient: Float[Tensor, "ambients 3"]
    color: Float[Tensor, "colors 3"]
    direction: Float[Tensor, "directions 3"]


@dataclass(frozen=True)
class HarmonicLight:
    """Smooth light as the shading of a white surface for each normal, in spherical harmonics up to degree 2.

    Nine terms are enough for distant light on Lambertian surfaces (Ramamoorthi & Hanrahan 2001: 1 % error). The
    coefficients are those of the shading itself: the light's own times their A_l / pi = 1, 2/3, 1/4 of degree 0, 1, 2.

    Args:
        coefficients: Linear RGB for (l, m) = (0, 0), (1, -1), (1, 0), (1, 1), (2, -2), ..., (2, 2) of the real,
            orthonormal harmonics in world axes (polar axis z). A batch of one is shared.
    """

    coefficients: Float[Tensor, "batch 9 3"]


Light = DirectionalLight | HarmonicLight


def shade(
    albedo: Float[Tensor, "batch 3 height width"], normal: Float[Tensor, "batch 3 height width"], light: Light
) -> Float[Tensor, "batch 3 height width"]:
    """Colours of a matt surface under `light`, sRGB, cut off at 1.

    Args:
        albedo: sRGB in [0, 1].
        normal: Unit vectors, world.
        light: Light that falls on it.

    Raises:
        ShapeError: Another shape, type or device, or light for another number of images.
        ConfigError: A light of neither kind.
    """
    if not isinstance(light, Light):
        raise ConfigError(f"light must be a DirectionalLight or a HarmonicLight, got {type(light).__name__}")
    for name, picture in {"albedo": albedo, "normal": normal}.items():
        check_float(name, picture, "batch 3 height width")
    if albedo.shape != normal.shape:
        raise ShapeError(f"normal must be {list(albedo.shape)} like albedo, got {list(normal.shape)}")
    light = replace(light, **{name: full(tensor) for name, tensor in vars(light).items()})
    check_light(light, albedo)
    received = _directional(normal, light) if isinstance(light, DirectionalLight) else _harmonic(normal, light)
    return linear_rgb_to_rgb(rgb_to_linear_rgb(albedo) * received).clamp(max=1)


def check_light(light: Light, pictures: Tensor) -> None:
    """Light for a batch of pictures.

    Raises:
        ShapeError: Another shape, type, device or number of items, NaN or (on the CPU) infinity.
    """
    shape = "batch 3" if isinstance(light, DirectionalLight) else "batch 9 3"
    tensors = {f"light.{name}": tensor for name, tensor in vars(light).items()}
    for name, tensor in tensors.items():
        check_float(name, tensor, shape)
        if len(tensor) not in (1, len(pictures)):
            raise ShapeError(f"{name} must have 1 or {len(pictures)} items like the images, got {list(tensor.shape)}")
    check_same_type({"pictures": pictures, **tensors})
    if pictures.device.type == "cpu":
        for name, tensor in tensors.items():
            check_finite(name, tensor)


def _directional(normal: Tensor, light: DirectionalLight) -> Tensor:
    towards = torch.nn.functional.normalize(light.direction, dim=1)[:, :, None, None]
    facing = (normal * towards).sum(1, keepdim=True).clamp(min=0)
    return light.ambient[:, :, None, None] + light.color[:, :, None, None] * facing


def _harmonic(normal: Tensor, light: HarmonicLight) -> Tensor:
    terms = zip(harmonics(normal).unbind(1), light.coefficients.unbind(1), strict=True)
    shares = (term[:, None] * coefficient[:, :, None, None] for term, coefficient in terms)
    return sum(shares, normal.new_zeros(())).clamp(min=0)


def harmonics(normal: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 9 height width"]:
    """Real orthonormal spherical harmonics of unit vectors, in the order of `HarmonicLight`."""
    x, y, z = normal.unbind(1)
    terms = [
        torch.full_like(x, 0.28209479),  # 1 / (2 sqrt(pi))
        0.48860251 * y,  # sqrt(3 / (4 pi))
        0.48860251 * z,
        0.48860251 * x,
        1.09254843 * x * y,  # sqrt(15 / (4 pi))
        1.09254843 * y * z,
        0.31539157 * (3 * z * z - 1),  # sqrt(5 / (16 pi))
        1.09254843 * x * z,
        0.54627422 * (x * x - y * y),  # sqrt(15 / (16 pi))
    ]
    return torch.stack(terms, 1)
