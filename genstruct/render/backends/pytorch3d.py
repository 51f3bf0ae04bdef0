"""Visibility by pytorch3d (Ravi et al. 2020), an extra for cross-checks; everything else is the reference backend's.

It differs where pixel centres lie on an edge (which may belong to no triangle), in ties, and works in float32.
"""

import warnings
from typing import Any

import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor

from genstruct.errors import MissingDependency
from genstruct.render.backends import triangle
from genstruct.render.backends.torch import antialias_silhouettes, interpolate, sample_texture
from genstruct.render.fragments import Cull

__all__ = ["antialias_silhouettes", "interpolate", "rasterize", "sample_texture"]


def rasterize(
    v: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "lists faces 3"],
    size: tuple[int, int],
    cull: Cull,
    near: float,
    orthographic: bool,
) -> tuple[Int32[Tensor, "batch height width"], Float[Tensor, "batch height width"]]:
    """Nearest triangle and inverse depth of each pixel centre.

    Raises:
        MissingDependency: pytorch3d is not installed.
    """
    rasterize_meshes, Meshes = _peer()  # noqa: N806 - a class
    drawn = triangle.drawn_orientation(triangle.corners(v, faces), cull, near) != 0
    index = torch.full((len(v), *size), -1, dtype=torch.int32, device=v.device)
    inverse_depth = v.new_zeros(index.shape)
    if not drawn.any():
        return index, inverse_depth
    # Left out here, as rules about what is drawn are ours: each image has the rest as a list of its own.
    kept = [one.nonzero()[:, 0] for one in drawn]
    lists = [faces[min(image, len(faces) - 1)][rows] for image, rows in enumerate(kept)]
    # Its screen: x to the left, y up, in [-1, 1] over the shorter side.
    flat = (v.new_tensor([size[1], size[0]]) / 2 - v[..., :2]) * 2 / min(size)
    meshes = Meshes(list(torch.cat([flat, v[..., 2:]], -1).float()), lists)
    found, depth, *_ = rasterize_meshes(
        meshes, size, faces_per_pixel=1, bin_size=0, perspective_correct=not orthographic
    )  # fmt: skip
    found, depth = found[..., 0], depth[..., 0]
    hit = found >= 0
    index[hit] = torch.cat(kept)[found[hit]].int()
    inverse_depth[hit] = 1 / depth[hit].to(v.dtype)
    return index, inverse_depth


def _peer() -> tuple[Any, Any]:
    """Its function and its type of meshes."""
    try:
        with warnings.catch_warnings():  # it warns of its own use of old functions
            warnings.simplefilter("ignore")
            from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
            from pytorch3d.structures import Meshes
    except ModuleNotFoundError as error:
        raise MissingDependency(
            "backend pytorch3d needs pytorch3d: pip install easypytorch3d, or use backend='torch'"
        ) from error
    return rasterize_meshes, Meshes
