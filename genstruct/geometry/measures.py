"""What can be measured on triangle meshes: normals, areas, volume, edges, Laplacians. Batched and differentiable.

Faces are shared by the batch and counter-clockwise seen from outside. Triangles without area have the normal 0 and give
no NaN, also not in gradients. Without faces or vertices results are empty or zero.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.geometry.checks import check_float, check_shape, check_together
from genstruct.geometry.mesh import check_faces
from genstruct.geometry.precision import full_precision
from genstruct.geometry.remember import remembered

TINY = 1e-12  # what is smaller is taken for 0: lengths of normals (twice an area), areas, square units


class Box(NamedTuple):
    """Axis-aligned bounds of each mesh."""

    lowest: Float[Tensor, "batch 3"]
    highest: Float[Tensor, "batch 3"]


def face_corners(
    vertices: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "batch faces 3 3"]:
    """Positions of the corners of every triangle, [..., corner, coordinate].

    Raises:
        ShapeError: Wrong shapes, types or devices, or faces beyond the vertices; so do all functions below.
    """
    check_float("vertices", vertices, "batch vertices 3")
    check_faces("faces", faces, "vertices", vertices.shape[1])
    check_together({"vertices": vertices, "faces": faces})
    return vertices[:, faces.flatten()].unflatten(1, (-1, 3))


@full_precision
def face_normals(
    vertices: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "batch faces 3"]:
    """Outward unit normal of every triangle; 0 where it has no area."""
    return _unit(_doubled_areas(vertices, faces))


@full_precision
def face_areas(
    vertices: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "batch faces"]:
    """Area of every triangle, square units."""
    return _doubled_areas(vertices, faces).norm(dim=-1) / 2


@full_precision
def vertex_normals(
    vertices: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "batch vertices 3"]:
    """Outward unit normal at every vertex: that of its triangles, weighted by area; 0 where there is none."""
    spread = _doubled_areas(vertices, faces)[:, :, None].expand(-1, -1, 3, -1).flatten(1, 2)
    return _unit(torch.zeros_like(vertices).index_add(1, faces.flatten(), spread))


@full_precision
def volume(vertices: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "faces 3"]) -> Float[Tensor, " batch"]:
    """Enclosed volume of closed meshes, cubic units; negative if their faces look inwards."""
    first, second, third = face_corners(vertices, faces).unbind(2)
    return (first * torch.linalg.cross(second, third)).sum((1, 2)) / 6


def bounds(vertices: Float[Tensor, "batch vertices 3"]) -> Box:
    """Lowest and highest coordinates of each mesh; needs a vertex."""
    check_float("vertices", vertices, "batch vertices 3")
    if not vertices.shape[1]:
        raise ShapeError(f"bounds need a vertex, got vertices {list(vertices.shape)}")
    return Box(*torch.aminmax(vertices, dim=1))


@remembered
def unique_edges(faces: Int[Tensor, "faces 3"]) -> Int[Tensor, "edges 2"]:
    """Every edge once, its lower vertex first, in ascending order. Remembered as long as `faces` lives unchanged."""
    check_shape("faces", faces, "faces 3")
    sides = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return sides.sort(1).values.unique(dim=0)


@full_precision
def edge_lengths(
    vertices: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "batch edges"]:
    """Length of every edge of `unique_edges`."""
    check_float("vertices", vertices, "batch vertices 3")
    check_faces("faces", faces, "vertices", vertices.shape[1])
    check_together({"vertices": vertices, "faces": faces})
    first, second = unique_edges(faces).unbind(1)
    return (vertices[:, first] - vertices[:, second]).norm(dim=-1)


@full_precision
def laplacian(
    vertices: Float[Tensor, "batch vertices channels"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "batch vertices channels"]:
    """Mean of each vertex's neighbours minus the vertex (uniform weights); 0 where it has no neighbour.

    On evenly spread vertices it points along the normal and grows with curvature; it also evens out their spacing, as
    `cotangent_laplacian` does not.
    """
    check_float("vertices", vertices, "batch vertices channels")
    check_faces("faces", faces, "vertices", vertices.shape[1])
    check_together({"vertices": vertices, "faces": faces})
    first, second = unique_edges(faces).unbind(1)
    here, there = torch.cat([first, second]), torch.cat([second, first])
    total = torch.zeros_like(vertices).index_add(1, here, vertices[:, there] - vertices[:, here])
    degree = vertices.new_zeros(vertices.shape[1]).index_add(0, here, torch.ones_like(here, dtype=vertices.dtype))
    return total / degree.clamp(min=1)[:, None]


@full_precision
def cotangent_laplacian(
    vertices: Float[Tensor, "batch vertices 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "batch vertices 3"]:
    """Mean curvature vector at every vertex: half the sum over neighbours of (cot a + cot b) (x_j - x_i) over its area.

    Pinkall & Polthier (1993), with a third of the area of the vertex's triangles. On a sphere of radius r it points
    inwards with length 2 / r, also among uneven triangles; 14 % more where five triangles meet instead of six and
    half as much again where four meet, as a third of their area is then too little. Boundary vertices also feel the
    pull along the boundary; triangles without area pull nowhere.
    """
    corners = face_corners(vertices, faces)
    before, after = corners.roll(1, 2), corners.roll(-1, 2)
    # The angle at a corner weighs the opposite side, which joins the two other corners.
    doubled = torch.linalg.cross(after - corners, before - corners).norm(dim=-1)
    weight = _over(((after - corners) * (before - corners)).sum(-1), doubled) / 2
    pull = weight[..., None] * (before - after)  # on `after`; the opposite on `before`
    spread = (pull.roll(1, 2) - pull.roll(-1, 2)).flatten(1, 2)
    total = torch.zeros_like(vertices).index_add(1, faces.flatten(), spread)
    share = (doubled / 6).flatten(1)
    area = torch.zeros_like(vertices[..., 0]).index_add(1, faces.flatten(), share)
    return _over(total, area[..., None])


def _doubled_areas(vertices: Tensor, faces: Tensor) -> Tensor:
    """Outward normals as long as twice the area."""
    first, second, third = face_corners(vertices, faces).unbind(2)
    return torch.linalg.cross(second - first, third - first)


def _unit(vectors: Tensor) -> Tensor:
    """Directions; 0 without a gradient where there is none, instead of one of 1 / eps."""
    usable = vectors.detach().abs().amax(-1, keepdim=True)  # squares of long vectors would be infinite
    usable = torch.where(usable > TINY, usable, torch.inf)
    vectors = vectors / usable
    return _over(vectors, vectors.norm(dim=-1, keepdim=True))


def _over(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Quotient, and 0 without a gradient where the denominator is next to 0."""
    usable = denominator > TINY
    return torch.where(usable, numerator / torch.where(usable, denominator, 1), 0)
