"""Bytes of sRGB, linear light, and CIE XYZ (numpy)."""

import numpy as np
from jaxtyping import Float, UInt8

_XYZ_TO_LINEAR = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
"""IEC 61966-2-1, white D65."""


def to_linear(srgb: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """IEC 61966-2-1, from [0, 1] to [0, 1]."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def from_linear(linear: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The inverse; light beyond [0, 1] is clipped."""
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def to_bytes(srgb: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """From [0, 1], rounded and clipped."""
    return np.rint(srgb * 255).clip(0, 255).astype(np.uint8)


def srgb_of_xyz(x: float, y: float, z: float) -> tuple[float, float, float]:
    """A CIE XYZ colour as sRGB in [0, 1]; what sRGB cannot hold is clipped."""
    red, green, blue = from_linear(_XYZ_TO_LINEAR @ np.array([x, y, z])).tolist()
    return red, green, blue
