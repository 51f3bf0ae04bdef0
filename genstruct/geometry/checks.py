"""Checks at the public doors of geometry: shapes, types and devices cost nothing; values are read only when asked."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from genstruct.errors import ShapeError


def check_shape(name: str, tensor: Tensor, shape: str) -> None:
    """Compare with a pattern of names and numbers, as "batch 3 4"; names stand for any size.

    Raises:
        ShapeError: Other dimensions, or not a floating-point tensor.
    """
    if not isinstance(tensor, Tensor):
        raise ShapeError(f"{name} must be a tensor [{shape.replace(' ', ', ')}], got {type(tensor).__name__}")
    wanted = shape.split()
    fits = tensor.ndim == len(wanted) and all(
        not size.isdigit() or int(size) == got for size, got in zip(wanted, tensor.shape, strict=True)
    )
    if not fits:
        raise ShapeError(f"{name} must be [{', '.join(wanted)}], got {list(tensor.shape)}")


def check_float(name: str, tensor: Tensor, shape: str) -> None:
    """`check_shape`, and the numbers must be floating point.

    Raises:
        ShapeError: Another shape or type.
    """
    check_shape(name, tensor, shape)
    if not tensor.is_floating_point():
        advice = ".float() / 255 for colours" if tensor.dtype == torch.uint8 else ".float()"
        raise ShapeError(f"{name} must be floating point, got {tensor.dtype} {list(tensor.shape)}; use {advice}")


def check_size(size: tuple[int, int]) -> None:
    """Images need at least a pixel.

    Raises:
        ShapeError: Something else than two whole numbers above 0.
    """
    sides = tuple(size) if isinstance(size, Sequence) else (size,)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        got = sides if isinstance(size, Sequence) else size
        raise ShapeError(f"size must be (height, width), whole numbers of at least one pixel, got {got}")


def check_together(tensors: dict[str, Tensor]) -> None:
    """All on one device, as operations between devices fail far from their cause.

    Raises:
        ShapeError: Naming each tensor and its device.
    """
    devices = {name: str(tensor.device) for name, tensor in tensors.items()}
    if len(set(devices.values())) > 1:
        listed = ", ".join(f"{name} on {device}" for name, device in devices.items())
        raise ShapeError(f"tensors must be on one device, got {listed}; move them with .to(device)")


def check_finite(name: str, tensor: Tensor) -> None:
    """No NaN and no infinity. Reads the values, so a CUDA device is waited for.

    Raises:
        ShapeError: How many values are not finite, and the first of them.
    """
    tensor = tensor.detach()
    if math.isfinite(tensor.sum()):  # a thirtieth of the time of isfinite; a sum may only overflow, never come back
        return
    bad = (~torch.isfinite(tensor)).nonzero()
    if len(bad) == 0:
        return
    raise ShapeError(
        f"{name} {list(tensor.shape)} must be finite, but {len(bad)} values are NaN or infinite, "
        f"the first at {bad[0].tolist()}"
    )


def check_within(name: str, tensor: Tensor, most: float) -> None:
    """`check_finite`, and no value is farther from 0 than `most`.

    Raises:
        ShapeError: How many values are not, or what the extremes are.
    """
    if not tensor.numel():
        return
    low, high = (float(value) for value in torch.aminmax(tensor.detach()))
    if -most <= low and high <= most:
        return
    check_finite(name, tensor)
    raise ShapeError(f"{name} {list(tensor.shape)} must lie within {most:g} of 0, got {low:g} to {high:g}")


def check_batches(sizes: dict[str, int]) -> None:
    """Batches of one size, or of one item that is shared.

    Raises:
        ShapeError: Naming each and its size.
    """
    if len(set(sizes.values()) - {1}) > 1:
        listed = ", ".join(f"{name} has {size}" for name, size in sizes.items())
        raise ShapeError(f"batches must have one size or be 1, but {listed}")
