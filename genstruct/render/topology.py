"""Edges of a face list: which triangles meet where. Computed once for each list."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from genstruct.errors import ShapeError
from genstruct.geometry.remember import remembered


@dataclass(frozen=True)
class Topology:
    """Edges and connected parts of face lists; lists with fewer edges are filled up with edges without triangles.

    The triangles at edge e are `face[start[e] : start[e + 1]]`: one at a boundary, two inside a surface, more where
    sheets meet (non-manifold). Edges of zero length (a repeated corner) are left out.

    Args:
        edges: The two vertices of each edge, the lower number first.
        start: First entry of each edge in `face` and `forward`.
        face: Triangles by edge.
        forward: Whether that triangle runs along its edge from the lower to the higher number.
        component: Number of the connected part of each triangle; triangles that share a vertex are connected.
        parts: Whether any list has more than one part.
    """

    edges: Int[Tensor, "lists edges 2"]
    start: Int[Tensor, "lists starts"]
    face: Int[Tensor, "lists halves"]
    forward: Bool[Tensor, "lists halves"]
    component: Int[Tensor, "lists faces"]
    parts: bool


def topology(faces: Int[Tensor, "*lists faces 3"]) -> Topology:
    """Edge table of `faces` [F, 3], or of each item of [B, F, 3]. Remembered as long as the tensor lives unchanged.

    Raises:
        ShapeError: Another shape, not int64, or a corner below 0.
    """
    if not isinstance(faces, Tensor):
        raise ShapeError(f"faces must be a tensor [F, 3] or [B, F, 3], got {type(faces).__name__}")
    if faces.ndim not in (2, 3) or faces.shape[-1] != 3 or faces.dtype != torch.int64:
        raise ShapeError(f"faces must be int64 [F, 3] or [B, F, 3], got {faces.dtype} {list(faces.shape)}")
    return _tabulate(faces)


@remembered
def _tabulate(faces: Tensor) -> Topology:
    """Tables of all lists, computed on the CPU and moved to the device of `faces`."""
    each = faces.detach().cpu()
    each = each[None] if each.ndim == 2 else each
    count = len(each)
    if each.numel() and each.min() < 0:
        raise ShapeError(f"faces {list(faces.shape)} must hold rows of vertices, 0 and up, got {int(each.min())}")
    if not count:  # tables of no list have the shapes of an empty list's
        each = each.new_zeros(1, *each.shape[1:])
    lists = [_edges_of(one) for one in each]
    longest = max((len(edges) for edges, _, _, _ in lists), default=0)
    halves = max((len(face) for _, _, face, _ in lists), default=0)
    padded = [
        (_pad(edges, longest), _pad(start, longest + 1, int(start[-1])), _pad(face, halves), _pad(forward, halves))
        for edges, start, face, forward in lists
    ]
    parts = [_components(one) for one in each]
    stacked = [torch.stack(column)[:count].to(faces.device) for column in (*zip(*padded, strict=True), parts)]
    return Topology(*stacked, parts=any(bool((one != one[:1]).any()) for one in parts))


def _edges_of(faces: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Edges, and their triangles in compressed rows, of one list."""
    first = faces.T.flatten()  # half edges: corner i to corner i + 1 of all triangles, for i = 0, 1, 2
    second = faces[:, [1, 2, 0]].T.flatten()
    face = torch.arange(len(faces)).repeat(3)
    real = first != second
    first, second, face = first[real], second[real], face[real]
    ends = torch.stack([torch.minimum(first, second), torch.maximum(first, second)], -1)
    if not len(ends):
        return ends, ends.new_zeros(1), face, first < second
    edges, edge, count = torch.unique(ends, dim=0, return_inverse=True, return_counts=True)
    order = torch.argsort(edge, stable=True)
    start = torch.cat([count.new_zeros(1), count.cumsum(0)])
    return edges, start, face[order], (first < second)[order]


def _components(faces: Tensor) -> Tensor:
    """The lowest vertex of the connected part of each triangle: labels spread over triangles, then jump to their own
    label, until nothing changes."""
    if not len(faces):
        return faces.new_zeros(0)
    label = torch.arange(int(faces.max()) + 1)
    while True:
        lowest = label[faces].amin(1, keepdim=True).expand(-1, 3)
        spread = label.scatter_reduce(0, faces.flatten(), lowest.flatten(), "amin")
        spread = torch.minimum(spread, spread[spread])
        if torch.equal(spread, label):
            return label[faces[:, 0]]
        label = spread


def _pad(rows: Tensor, length: int, value: int = 0) -> Tensor:
    """`rows` followed by constant rows up to `length`."""
    rest = rows.new_full((length - len(rows), *rows.shape[1:]), value)
    return torch.cat([rows, rest])
