"""Checks at the public doors of the mesh renderer. Values are read on the CPU only: CUDA would be waited for."""

import torch
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.geometry.checks import check_finite, check_float, check_shape, check_size, check_together
from genstruct.geometry.mesh import check_faces


def check_positions(v: Tensor, faces: Tensor) -> None:
    """Projected vertices and the triangles between them.

    Raises:
        ShapeError: Other shapes or types, corners that are not there, mixed devices, or (on the CPU) NaN and infinity.
    """
    check_float("v", v, "batch vertices 3")
    if isinstance(faces, Tensor):  # before its values are read
        check_together({"v": v, "faces": faces})
    check_lists("faces", faces, "v", v.shape[1], len(v))
    if v.device.type == "cpu":
        check_finite("v", v)


def check_lists(name: str, faces: Tensor, target: str, rows: int, batch: int) -> None:
    """Faces [F, 3], or [batch, F, 3] with a list for each item.

    Raises:
        ShapeError: Another shape or type, or corners that are not there.
    """
    if not isinstance(faces, Tensor) or faces.ndim not in (2, 3):
        got = list(faces.shape) if isinstance(faces, Tensor) else type(faces).__name__
        raise ShapeError(f"{name} must be a tensor [faces, 3] or [batch, faces, 3], got {got}")
    if faces.ndim == 2:
        check_faces(name, faces, target, rows)
        return
    if len(faces) != batch:
        raise ShapeError(f"{name} [batch, faces, 3] must have the batch size {batch}, got {list(faces.shape)}")
    check_faces(name, faces, target, rows, "batch faces 3")


def check_image(name: str, image: Tensor, batch: int, size: tuple[int, int], shared: bool = False) -> None:
    """An image [batch, C, height, width] of this batch and size.

    Raises:
        ShapeError: Another shape or type.
    """
    check_float(name, image, f"batch channels {size[0]} {size[1]}")
    if len(image) != batch and not (shared and len(image) == 1):
        raise ShapeError(f"{name} must have {'1 or ' if shared else ''}{batch} items, got {list(image.shape)}")


def check_fragments(fragments_size: tuple[int, ...], batch: int) -> None:
    """Fragments [batch, height, width] of this batch.

    Raises:
        ShapeError: Another batch size.
    """
    if fragments_size[0] != batch:
        raise ShapeError(f"fragments are of {fragments_size[0]} images, v is of {batch}; rasterize the same v")


def check_shared(name: str, tensor: Tensor, shape: str, batch: int) -> None:
    """A floating-point tensor whose first dimension is the batch, or 1.

    Raises:
        ShapeError: Another shape, type or batch size.
    """
    check_float(name, tensor, shape)
    if len(tensor) not in (1, batch):
        raise ShapeError(f"{name} must have 1 or {batch} items like v, got {list(tensor.shape)}")


def full(tensor: Tensor) -> Tensor:
    """At least float32: half-precision tensors (as under autocast) are widened, others stay."""
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def check_same_type(tensors: dict[str, Tensor]) -> None:
    """One device and one floating-point type.

    Raises:
        ShapeError: Naming each tensor and what it is.
    """
    check_together(tensors)
    if len({tensor.dtype for tensor in tensors.values()}) > 1:
        listed = ", ".join(f"{name} is {tensor.dtype}" for name, tensor in tensors.items())
        raise ShapeError(f"tensors must be of one type, but {listed}; use .float() or .double()")


__all__ = [
    "check_fragments", "check_image", "check_lists", "check_positions", "check_same_type", "check_shape",
    "check_shared", "check_size", "full",
]  # fmt: skip
