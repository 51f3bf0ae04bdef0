"""Edge functions of many triangles at once (Pineda 1988): the torch twin of `numba_kernels/triangle.py`.

The edge function of a -> b at p is the cross product of b - a and p - a, with the ends in a fixed order, so that two
triangles get exactly opposite values at a shared edge.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from genstruct.render.fragments import Cull


def corners(v: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "lists faces 3"]) -> Tensor:
    """Corners [batch, faces, 3, 3] of all triangles: (corner, xyz)."""
    if len(faces) == 1:
        return v[:, faces[0]]
    return v[torch.arange(len(v), device=v.device)[:, None, None], faces]


def pick(faces: Int[Tensor, "lists faces 3"], image: Int[Tensor, " n"], face: Int[Tensor, " n"]) -> Int[Tensor, "n 3"]:
    """Corners of the triangle `face` of each `image`."""
    return faces[shared(faces, image), face]


def shared(rows: Tensor, image: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Where each image finds its entry of `rows`, which may have one for all."""
    return image if len(rows) > 1 else torch.zeros_like(image)


def center(pixel: Int[Tensor, " n"], like: Tensor) -> Float[Tensor, " n"]:
    """Coordinate of pixel centres."""
    return pixel.to(like.dtype) + 0.5


def drawn_orientation(corners: Float[Tensor, "batch faces 3 3"], cull: Cull, near: float) -> Tensor:
    """Twice the area on the screen of triangles that are drawn, negative seen from the front; 0 of all others."""
    a, b, c = corners[..., :2].unbind(-2)
    turn = (b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0]
    visible = (corners[..., 2] > near).all(-1) & turn.isfinite()
    if cull == "back":
        visible &= turn < 0
    return torch.where(visible, turn, 0)


def ordered(a: Float[Tensor, "*n 2"], b: Float[Tensor, "*n 2"]) -> Bool[Tensor, "*n"]:
    """Whether a -> b is in the fixed order."""
    return (a[..., 0] < b[..., 0]) | ((a[..., 0] == b[..., 0]) & (a[..., 1] <= b[..., 1]))


def edge_function(
    a: Float[Tensor, "*n 2"], b: Float[Tensor, "*n 2"], x: Float[Tensor, "*n"], y: Float[Tensor, "*n"]
) -> Float[Tensor, "*n"]:
    """Positive on the right of a -> b as seen in the image."""
    forward = ordered(a, b)
    start, end = torch.where(forward[..., None], a, b), torch.where(forward[..., None], b, a)
    along = end - start
    value = along[..., 0] * (y - start[..., 1]) - along[..., 1] * (x - start[..., 0])
    return torch.where(forward, value, -value)


def edge_functions(
    corners: Float[Tensor, "n 3 3"], x: Float[Tensor, " n"], y: Float[Tensor, " n"]
) -> Float[Tensor, "n 3"]:
    """Edge functions opposite to each corner, not in the fixed order: for what is continuous across edges."""
    a, b, c = (corners[..., :2] - torch.stack([x, y], -1)[:, None]).unbind(1)
    pairs = ((b, c), (c, a), (a, b))
    return torch.stack([p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0] for p, q in pairs], -1)


LOWEST = 0.1  # pixels: gradients of values inside lower triangles are damped


def damping(corners: Float[Tensor, "n 3 3"]) -> Float[Tensor, " n"]:
    """Factor for gradients of values inside a triangle: its height on the screen over `LOWEST`, at most 1.

    A pixel centre sees a triangle of height h < 1 about every 1/h-th time, and its values then change 1/h as fast: of
    very low ones, one chance hit outweighs all else in a picture.
    """
    flat = corners[..., :2]
    sides = flat.roll(-1, 1) - flat
    area = (sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]).abs()
    longest = sides.square().sum(-1).amax(-1).sqrt()
    return (area / (longest * LOWEST)).clamp(max=1)


def cover(
    corners: Float[Tensor, "n 3 3"], row: Int[Tensor, " n"], column: Int[Tensor, " n"], orthographic: bool
) -> tuple[Bool[Tensor, " n"], Float[Tensor, " n"]]:
    """Whether each triangle covers the centre of its pixel, and its inverse depth there."""
    a, b, c = corners[..., :2].unbind(1)
    turn = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    sign = torch.where(turn > 0, 1, -1).to(corners.dtype)
    x, y = center(column, corners), center(row, corners)
    e = torch.stack([edge_function(*pair, x, y) for pair in ((b, c), (c, a), (a, b))], -1) * sign[:, None]
    closed = torch.stack([ordered(b, c), ordered(c, a), ordered(a, b)], -1) == (sign > 0)[:, None]
    inside = ((e > 0) | ((e == 0) & closed)).all(-1)
    total = e[:, 0] + e[:, 1] + e[:, 2]
    z = corners[..., 2]
    n = z if orthographic else 1 / z
    mean = e[:, 0] * n[:, 0] + e[:, 1] * n[:, 1] + e[:, 2] * n[:, 2]
    here = total / mean if orthographic else mean / total
    return inside & (here > 0), here


def nearness(z: Float[Tensor, "*n"], orthographic: bool) -> Float[Tensor, "*n"]:
    """A function of depth that is linear on the screen and grows towards the camera."""
    return -z if orthographic else 1 / z


def nearness_of(inverse_depth: Float[Tensor, "*n"], orthographic: bool) -> Float[Tensor, "*n"]:
    """The same from 1 / depth."""
    return -1 / inverse_depth if orthographic else inverse_depth


def nearness_at(
    corners: Float[Tensor, "n 3 3"], x: Float[Tensor, " n"], y: Float[Tensor, " n"], orthographic: bool
) -> Float[Tensor, " n"]:
    """Nearness of each triangle's plane at a point."""
    e, n = edge_functions(corners, x, y), nearness(corners[..., 2], orthographic)
    mean = e[:, 0] * n[:, 0] + e[:, 1] * n[:, 1] + e[:, 2] * n[:, 2]
    return mean / (e[:, 0] + e[:, 1] + e[:, 2])
