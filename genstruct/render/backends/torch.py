"""Reference backend: plain tensor operations on any device, in float32 and float64, differentiable twice.

Visibility does the same arithmetic in the same order as the compiled backends, so that `index` is equal, not close.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor

from genstruct.render.backends import triangle
from genstruct.render.backends.torch_silhouettes import antialias_silhouettes
from genstruct.render.fragments import Cull, Fragments

__all__ = ["antialias_silhouettes", "interpolate", "rasterize", "sample_texture"]

CANDIDATES = 1 << 22
"""Pairs of a triangle and a pixel that are tested at once; each takes about 100 bytes for a moment."""


def rasterize(
    v: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "lists faces 3"],
    size: tuple[int, int],
    cull: Cull,
    near: float,
    orthographic: bool,
) -> tuple[Int32[Tensor, "batch height width"], Float[Tensor, "batch height width"]]:
    """Nearest triangle and inverse depth of each pixel centre: every pixel of every triangle's box is tested."""
    pixels = len(v) * size[0] * size[1]
    nearest = v.new_zeros(pixels)
    index = torch.full((pixels,), faces.shape[1], device=v.device)
    corners = triangle.corners(v.detach(), faces)
    visible = triangle.drawn_orientation(corners, cull, near) != 0
    for image, face, row, column in box_pixels(corners, visible, size):
        inside, here = triangle.cover(corners[image, face], row, column, orthographic)
        pixel = ((image * size[0] + row) * size[1] + column)[inside]
        here, face = here[inside], face[inside]
        best = nearest.scatter_reduce(0, pixel, here, "amax")
        index = torch.where(best > nearest, faces.shape[1], index)
        first = here == best[pixel]  # of equals the lowest face stays
        index = index.scatter_reduce(0, pixel[first], face[first], "amin")
        nearest = best
    index = torch.where(nearest > 0, index, -1).int()
    return index.view(len(v), *size), nearest.view(len(v), *size)


def box_pixels(
    corners: Float[Tensor, "batch faces 3 3"], visible: Tensor, size: tuple[int, int], margin: float = 0.0
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Image, face, row and column of all pixel centres in the boxes of visible triangles, in portions.

    Args:
        corners: (x, y in pixels, depth) of each triangle.
        visible: [batch, faces].
        size: (height, width), pixels.
        margin: By which boxes are grown, pixels.
    """
    limit = corners.new_tensor([size[1], size[0]])
    low = torch.minimum((corners[..., :2].amin(2) - margin - 0.5).clamp(min=0), limit).ceil().long()
    high = torch.minimum(corners[..., :2].amax(2) + margin - 0.5, limit - 1).clamp(min=-1).floor().long() + 1
    extent = (high - low).clamp(min=0)
    image, face = (visible & (extent.amin(-1) > 0)).nonzero(as_tuple=True)
    low, extent = low[image, face], extent[image, face]
    boxes = extent.prod(-1)
    ends = boxes.cumsum(0)
    for begin, end in _portions(ends):
        count = boxes[begin:end]
        one = torch.repeat_interleave(torch.arange(begin, end, device=count.device), count)
        offset = torch.arange(len(one), device=count.device) - (ends - boxes - ends[begin] + boxes[begin])[one]
        row, column = low[one, 1] + offset // extent[one, 0], low[one, 0] + offset % extent[one, 0]
        yield image[one], face[one], row, column


def _portions(ends: Int[Tensor, " triangles"]) -> Iterator[tuple[int, int]]:
    """Runs of triangles with about `CANDIDATES` pixels each (at least one triangle)."""
    begin = 0
    while begin < len(ends):
        done = int(ends[begin - 1]) if begin else 0
        end = max(int(torch.searchsorted(ends, done + CANDIDATES, right=True)), begin + 1)
        yield begin, end
        begin = end


def interpolate(
    v: Float[Tensor, "batch vertices 3"],
    attributes: Float[Tensor, "sets rows channels"],
    faces: Int[Tensor, "lists faces 3"],
    attribute_faces: Int[Tensor, "attribute_lists faces 3"],
    fragments: Fragments,
) -> Float[Tensor, "batch channels height width"]:
    """Perspective-correct values; 0 where nothing is hit."""
    image, row, column = (fragments.index >= 0).nonzero(as_tuple=True)
    face = fragments.index[image, row, column].long()
    corners = v[image[:, None], triangle.pick(faces, image, face)]
    values = attributes[triangle.shared(attributes, image)[:, None], triangle.pick(attribute_faces, image, face)]
    fixed = corners.detach()
    corners = fixed + triangle.damping(fixed)[:, None, None] * (corners - fixed)
    share = triangle.edge_functions(corners, triangle.center(column, v), triangle.center(row, v))
    if not fragments.orthographic:
        share = share / corners[..., 2]
    mixed = (share[..., None] * values).sum(1) / share.sum(1, keepdim=True)
    out = v.new_zeros(*fragments.index.shape, attributes.shape[2])
    return out.index_put((image, row, column), mixed).permute(0, 3, 1, 2).contiguous()


def sample_texture(
    texture: Float[Tensor, "textures channels h w"],
    uv: Float[Tensor, "batch 2 height width"],
    fragments: Fragments,
    repeat: bool,
) -> Float[Tensor, "batch channels height width"]:
    """Bilinear lookup; 0 where nothing is hit."""
    image, row, column = (fragments.index >= 0).nonzero(as_tuple=True)
    left, right, across = _neighbors(uv[image, 0, row, column], texture.shape[3], repeat)
    above, below, down = _neighbors(uv[image, 1, row, column], texture.shape[2], repeat)
    picture = triangle.shared(texture, image)
    texels = texture.permute(0, 2, 3, 1)
    top = (1 - across) * texels[picture, above, left] + across * texels[picture, above, right]
    bottom = (1 - across) * texels[picture, below, left] + across * texels[picture, below, right]
    out = uv.new_zeros(*fragments.index.shape, texture.shape[1])
    mixed = (1 - down) * top + down * bottom
    return out.index_put((image, row, column), mixed).permute(0, 3, 1, 2).contiguous()


def _neighbors(coordinate: Float[Tensor, " pixels"], size: int, repeat: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The two texels around a coordinate, and the share [pixels, 1] of the second."""
    if repeat:  # the remainder, so that far repeats keep their digits
        coordinate = coordinate - coordinate.detach().floor()
    coordinate = torch.where(coordinate.isnan(), 0, coordinate)  # reads the border; so does the remainder of infinity
    position = coordinate * size - 0.5
    if not repeat:
        position = position.clamp(0, size - 1)
    low = position.detach().floor()
    share = (position - low)[:, None]
    low = low.long()
    return low % size, (low + 1) % size if repeat else (low + 1).clamp(max=size - 1), share
