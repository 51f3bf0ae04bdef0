"""Rotations: matrix, axis-angle, six numbers, quaternion, and how far two are apart.

Matrices act on column vectors from the left and turn counter-clockwise about their axis, seen from its tip. Conversions
are those of roma (Bregier 2021), with shapes checked; all are differentiable, at the identity too.
"""

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.geometry.precision import full_precision


@full_precision
def from_axis_angle(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Matrix of the turn by |vector| radians about its direction; of zero, the identity."""
    _check("vector", vector, (3,))
    return roma.rotvec_to_rotmat(vector)


@full_precision
def to_axis_angle(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Axis times angle, with the angle in [0, pi] radians. At pi both signs of the axis are right; one is given."""
    _check("rotation", rotation, (3, 3))
    return roma.rotmat_to_rotvec(rotation)


@full_precision
def from_quaternion(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Matrix of a quaternion (x, y, z, w), the order of glTF and scipy; of any length above 0."""
    _check("quaternion", quaternion, (4,))
    return roma.unitquat_to_rotmat(torch.nn.functional.normalize(quaternion, dim=-1))


@full_precision
def to_quaternion(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternion (x, y, z, w), one of the two signs."""
    _check("rotation", rotation, (3, 3))
    return roma.rotmat_to_unitquat(rotation)


@full_precision
def from_six(columns: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    """Matrix from its first two columns, made orthonormal (Zhou et al. 2019, section 4.2).

    Continuous, so a good output of a network. Six numbers give a rotation unless the two columns are parallel or zero.

    Args:
        columns: The first column, then the second; of any length and angle.
    """
    _check("columns", columns, (6,))
    pair = columns.unflatten(-1, (2, 3))
    longest = pair.detach().abs().amax(-1, keepdim=True)  # squares of long columns would be infinite, of short ones 0
    pair = pair / torch.where(longest > 0, longest, 1)
    # roma has no annotations, and its default of 0 does not mean that only whole numbers will do.
    return roma.special_gramschmidt(pair.mT, epsilon=1e-12)  # pyright: ignore[reportArgumentType]


def to_six(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 6"]:
    """The first two columns of each matrix, one after the other."""
    _check("rotation", rotation, (3, 3))
    return rotation[..., :2].mT.flatten(-2)


def about_x(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Turn about +x by `angle` radians: +y goes towards +z."""
    return _about(angle, 0)


def about_y(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Turn about +y by `angle` radians: +z goes towards +x, so an upright object turns left (counter-clockwise from
    above)."""
    return _about(angle, 1)


def about_z(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Turn about +z by `angle` radians: +x goes towards +y."""
    return _about(angle, 2)


@full_precision
def geodesic_distance(
    first: Float[Tensor, "*#batch 3 3"], second: Float[Tensor, "*#batch 3 3"]
) -> Float[Tensor, "*batch"]:
    """Angle in [0, pi] radians of the turn from one to the other.

    From its sine and cosine, so that small angles keep their digits; the gradient is zero where the angle is 0 or pi,
    where no direction is steepest.
    """
    _check("first", first, (3, 3))
    _check("second", second, (3, 3))
    try:
        torch.broadcast_shapes(first.shape, second.shape)
    except RuntimeError as error:
        shapes = f"{list(first.shape)} and {list(second.shape)}"
        raise ShapeError(f"first and second must have one batch size (or 1), got {shapes}") from error
    turn = first.mT @ second
    skew = torch.stack(
        [turn[..., 2, 1] - turn[..., 1, 2], turn[..., 0, 2] - turn[..., 2, 0], turn[..., 1, 0] - turn[..., 0, 1]], -1
    )
    twice_cosine = turn.diagonal(dim1=-2, dim2=-1).sum(-1) - 1
    return torch.atan2(skew.norm(dim=-1), twice_cosine)


def random_rotations(
    count: int, rng: torch.Generator, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "count 3 3"]:
    """Uniform over all rotations (Haar), on the device of `rng`: unit quaternions are uniform on their sphere."""
    return from_quaternion(torch.randn(count, 4, generator=rng, device=rng.device, dtype=dtype))


@full_precision
def _about(angle: Tensor, axis: int) -> Tensor:
    """Turn about a coordinate axis; the two others follow in cyclic order."""
    sine, cosine, one, zero = angle.sin(), angle.cos(), torch.ones_like(angle), torch.zeros_like(angle)
    rows = [[one, zero, zero], [zero, cosine, -sine], [zero, sine, cosine]]  # about x
    rows = [[rows[(i - axis) % 3][(j - axis) % 3] for j in range(3)] for i in range(3)]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _check(name: str, tensor: Tensor, last: tuple[int, ...]) -> None:
    sizes = ", ".join(str(size) for size in last)
    if not isinstance(tensor, Tensor):
        raise ShapeError(f"{name} must be a tensor [..., {sizes}], got {type(tensor).__name__}")
    if tensor.shape[-len(last) :] != last or not tensor.is_floating_point():
        raise ShapeError(f"{name} must be floating point [..., {sizes}], got {tensor.dtype} {list(tensor.shape)}")
