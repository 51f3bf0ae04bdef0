"""The silhouettes of Szabo, Meishvili & Favaro (2019): every triangle has a soft margin around it.

A pixel centre at the distance d from a triangle sees it with alpha = 1 - d / margin, where its closest point lies
nearer than what the pixel shows; depth grows by half over the margin, so that margins lose against surfaces close by.
The nearest margin is laid over the picture. Plain tensor operations on any device.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor

from genstruct.errors import ConfigError
from genstruct.render.backends import triangle
from genstruct.render.backends.torch import box_pixels
from genstruct.render.fragments import Fragments


@dataclass(frozen=True)
class Margins:
    """Pixels that see a margin. Rows are pixels; `share` and `alpha` have gradients.

    Args:
        image, row, column: Where.
        face: Whose margin.
        corner: The closest edge of the triangle: from this corner to the next.
        share: Of the way along that edge, on the screen, at which the closest point lies.
        alpha: In (0, 1).
        index: The triangle by pixel, -1 where there is no margin.
    """

    image: Int[Tensor, " n"]
    row: Int[Tensor, " n"]
    column: Int[Tensor, " n"]
    face: Int[Tensor, " n"]
    corner: Int[Tensor, " n"]
    share: Float[Tensor, " n"]
    alpha: Float[Tensor, " n"]
    index: Int32[Tensor, "batch height width"]


def find_margins(
    v: Float[Tensor, "batch vertices 3"],
    faces: Int[Tensor, "lists faces 3"],
    fragments: Fragments,
    margin: float = 1.0,
) -> Margins:
    """Margins of all drawn triangles in front of `fragments`.

    Args:
        v: The ones given to `rasterize`.
        faces: [1, F, 3] or [B, F, 3].
        fragments: Of `rasterize`.
        margin: Pixels.

    Raises:
        ConfigError: A margin that is not above 0, or endless.
    """
    if not 0 < margin < math.inf:
        raise ConfigError(
            f"margin must be above 0 pixels and not endless, got {margin}; use silhouette='none' for hard edges"
        )
    index = _nearest(v.detach(), faces, fragments, margin)
    image, row, column = (index >= 0).nonzero(as_tuple=True)
    face = index[image, row, column].long()
    corners = v[image[:, None], triangle.pick(faces, image, face)]
    squares, shares = _closest(corners, triangle.center(column, v), triangle.center(row, v))
    square, corner = squares.min(1)
    alpha = 1 - square.clamp(min=1e-12).sqrt() / margin
    return Margins(image, row, column, face, corner, shares.gather(1, corner[:, None])[:, 0], alpha, index)


def _nearest(v: Tensor, faces: Tensor, fragments: Fragments, margin: float) -> Int32[Tensor, "batch height width"]:
    """The triangle of the nearest margin before the surface of each pixel."""
    corners = triangle.corners(v, faces)
    visible = triangle.drawn_orientation(corners, fragments.cull, fragments.near) != 0
    nearest = fragments.inverse_depth.flatten().clone()
    found = torch.full_like(nearest, -1, dtype=torch.long)
    for image, face, row, column in box_pixels(corners, visible, fragments.size, margin):
        here, inside = _margin_depth(corners[image, face], row, column, fragments, margin)
        pixel = (image * fragments.size[0] + row) * fragments.size[1] + column
        inside &= fragments.index.flatten()[pixel] != face
        pixel, here, face = pixel[inside], here[inside], face[inside]
        best = nearest.scatter_reduce(0, pixel, here, "amax")
        found = torch.where(best > nearest, len(faces[0]), found)
        first = (here == best[pixel]) & (best > nearest)[pixel]
        found = found.scatter_reduce(0, pixel[first], face[first], "amin")
        nearest = best
    return found.int().view(fragments.index.shape)


def _margin_depth(
    corners: Float[Tensor, "n 3 3"], row: Tensor, column: Tensor, fragments: Fragments, margin: float
) -> tuple[Tensor, Tensor]:
    """Inverse depth of margins, pushed back by distance, and whether the pixel is in the margin."""
    squares, shares = _closest(corners, triangle.center(column, corners), triangle.center(row, corners))
    square, corner = squares.min(1)
    share = shares.gather(1, corner[:, None])[:, 0]
    z = corners[..., 2]
    ends = [z.gather(1, number[:, None])[:, 0] for number in (corner, (corner + 1) % 3)]
    near_a, near_b = (triangle.nearness(end, fragments.orthographic) for end in ends)
    near = near_a + share * (near_b - near_a)
    inverse = -1 / near if fragments.orthographic else near
    covered, _ = triangle.cover(corners, column, row, fragments.orthographic)
    return inverse / (1 + 0.5 * square.sqrt() / margin), (square < margin**2) & ~covered


def _closest(corners: Float[Tensor, "n 3 3"], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances [n, 3] of points from the three edges, and where along them the closest points lie."""
    a = corners[..., :2]
    along = a.roll(-1, 1) - a
    offset = torch.stack([x, y], -1)[:, None] - a
    share = ((offset * along).sum(-1) / along.square().sum(-1).clamp(min=1e-12)).clamp(0, 1)
    return (offset - share[..., None] * along).square().sum(-1), share


def interpolate_margins(
    v: Float[Tensor, "batch vertices 3"],
    attributes: Float[Tensor, "sets rows channels"],
    faces: Int[Tensor, "lists faces 3"],
    attribute_faces: Int[Tensor, "lists faces 3"],
    margins: Margins,
    orthographic: bool,
) -> Float[Tensor, "batch channels height width"]:
    """Values at the closest points, perspective-correct; 0 where there is no margin."""
    ends = torch.stack([margins.corner, (margins.corner + 1) % 3], -1)
    vertices = triangle.pick(faces, margins.image, margins.face).gather(1, ends)
    rows = triangle.pick(attribute_faces, margins.image, margins.face).gather(1, ends)
    values = attributes[triangle.shared(attributes, margins.image)[:, None], rows]
    share = torch.stack([1 - margins.share, margins.share], -1)
    if not orthographic:
        share = share / v[margins.image[:, None], vertices, 2]
    mixed = (share[..., None] * values).sum(1) / share.sum(1, keepdim=True)
    out = v.new_zeros(*margins.index.shape, attributes.shape[2])
    return out.index_put((margins.image, margins.row, margins.column), mixed).permute(0, 3, 1, 2).contiguous()


def alpha_image(margins: Margins) -> Float[Tensor, "batch 1 height width"]:
    """Alpha of margins by pixel; 0 where there is none."""
    out = margins.alpha.new_zeros(margins.index.shape)
    return out.index_put((margins.image, margins.row, margins.column), margins.alpha)[:, None]
