"""Checks at the public doors of the mesh renderer. Values are read on the CPU only: CUDA would be waited for."""

import torch
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.geometry.checks import check_finite, check_float, check_shape, check_size, check_together
from genstruct.geometry.mesh import check_faces
from genstruct.render.fragments import Fragments


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


def check_fragments(fragments: Fragments, name: str, batch: int, faces: Tensor | None = None) -> None:
    """Fragments of as many images as the tensor `name` has, and of `faces`.

    Raises:
        ShapeError: Another batch size, or triangles that are not there (where their number is not known, it is read
            from the index on the CPU).
    """
    if len(fragments.index) != batch:
        raise ShapeError(f"fragments are of {len(fragments.index)} images, {name} is of {batch}; rasterize the same v")
    if faces is None:
        return
    count = fragments.triangles
    if count is None and fragments.index.device.type == "cpu" and fragments.index.numel():
        count = max(int(fragments.index.max()) + 1, faces.shape[-2])
    if count is not None and count != faces.shape[-2]:
        raise ShapeError(f"fragments are of {count} triangles, got faces {list(faces.shape)}; rasterize the same faces")


def check_shared(name: str, tensor: Tensor, shape: str, batch: int, like: str = "v") -> None:
    """A floating-point tensor whose first dimension is the batch, or 1.

    Raises:
        ShapeError: Another shape, type or batch size.
    """
    check_float(name, tensor, shape)
    if len(tensor) not in (1, batch):
        raise ShapeError(f"{name} must have 1 or {batch} items like {like}, got {list(tensor.shape)}")


def full(tensor: Tensor) -> Tensor:
    """At least float32: half-precision tensors (as under autocast) are widened, others stay."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


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
