"""Texture lookup, plain and safe against minification."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genstruct.errors import ConfigError, ShapeError
from genstruct.geometry.checks import check_float
from genstruct.render.backends import Backend, choose
from genstruct.render.checks import (
    check_fragments,
    check_lists,
    check_positions,
    check_same_type,
    check_shared,
    check_size,
    full,
)
from genstruct.render.fragments import Fragments

Wrap = Literal["clamp", "repeat"]


def sample_texture(
    texture: Float[Tensor, "textures channels h w"],
    uv: Float[Tensor, "batch 2 height width"],
    fragments: Fragments,
    level: Float[Tensor, "batch 1 height width"] | None = None,
    wrap: Wrap = "clamp",
    backend: Backend = "auto",
) -> Float[Tensor, "batch channels height width"]:
    """Look textures up, bilinear; 0 where nothing is hit. Differentiable in `texture` and `uv`.

    Args:
        texture: Any channels; a batch of one is shared.
        uv: Texture coordinates of each pixel, u right and v down; (0, 0) is the outer corner of the first texel and
            (1, 1) that of the last.
        fragments: Of `rasterize`; only its `index` is used.
        level: Of `texture_level`, for lookup in a pyramid of averaged textures ("mipmaps", Williams 1983), linear
            between its levels; without it, textures with more than a texel a pixel alias.
        wrap: Beyond [0, 1] the border texels repeat, or the whole texture does.
        backend: "auto" is numba on a CPU, triton on CUDA and torch elsewhere.

    Raises:
        ShapeError: Shapes, types or devices that do not fit.
        ConfigError: An unknown `wrap`.
    """
    check_float("uv", uv, f"batch 2 {fragments.size[0]} {fragments.size[1]}")
    check_fragments(fragments, "uv", len(uv))
    check_shared("texture", texture, "batch channels height width", len(uv), "uv")
    if 0 in texture.shape[2:]:
        raise ShapeError(f"texture must have at least one texel, got {list(texture.shape)}")
    if wrap not in ("clamp", "repeat"):
        raise ConfigError(f"wrap must be clamp or repeat, got {wrap!r}")
    texture, uv = full(texture), full(uv)
    check_same_type({"texture": texture, "uv": uv})
    work = choose(backend, uv.device)
    if level is None:
        return work.sample_texture(texture, uv, fragments, wrap == "repeat")
    check_float("level", level, f"batch 1 {fragments.size[0]} {fragments.size[1]}")
    pyramid = _pyramid(texture)
    level = full(level).clamp(0, len(pyramid) - 1)
    sampled = torch.zeros_like(level)
    for number, picture in enumerate(pyramid):
        share = (1 - (level - number).abs()).clamp(min=0)
        sampled = sampled + share * work.sample_texture(picture, uv, fragments, wrap == "repeat")
    return sampled


def _pyramid(texture: Tensor) -> list[Tensor]:
    """The texture and its halves, averaged, down to one texel."""
    levels = [texture]
    while max(levels[-1].shape[2:]) > 1:
        levels.append(_halved(_halved(levels[-1], 2), 3))
    return levels


def _halved(picture: Tensor, dim: int) -> Tensor:
    """Half as many texels along `dim`, rounded down, each the mean of what it lies over."""
    rows = picture.movedim(dim, 0)
    many = len(rows) // 2
    if len(rows) % 2 == 0:
        halved = (rows[::2] + rows[1::2]) / 2
    elif many == 0:
        return picture
    else:  # over 2 + 1 / many texels: a part of one, all of the next, a part of the third
        part = torch.arange(many, device=rows.device, dtype=rows.dtype).view(-1, 1, 1, 1)
        halved = ((many - part) * rows[:-1:2] + many * rows[1::2] + (part + 1) * rows[2::2]) / len(rows)
    return halved.movedim(0, dim)


@torch.no_grad()
def texture_level(
    v: Float[Tensor, "batch vertices 3"],
    uv: Float[Tensor, "uvs 2"],
    faces: Int[Tensor, "*lists faces 3"],
    fragments: Fragments,
    size: tuple[int, int],
    uv_faces: Int[Tensor, "*uv_lists faces 3"] | None = None,
) -> Float[Tensor, "batch 1 height width"]:
    """Level of the texture pyramid at which a texel is about a pixel: log2 of texels per pixel, at least 0.

    From the longer axis of what each pixel covers in the texture, perspective-correct, so that nothing aliases where a
    surface turns away (it is blurred across instead). 0 where nothing is hit. Has no gradient.

    Args:
        v: x and y in pixels, camera depth; the ones given to `rasterize`.
        uv: Texture coordinates.
        faces: The ones given to `rasterize`.
        fragments: Of `rasterize`.
        size: (height, width) of the texture, texels.
        uv_faces: Rows of `uv` at the corners; `faces` by default.

    Raises:
        ShapeError: Shapes, types or devices that do not fit, corners out of range, or fragments of other faces.
    """
    check_positions(v, faces)
    check_fragments(fragments, "v", len(v), faces)
    check_size(size)
    check_float("uv", uv, "uvs 2")
    corners = faces if uv_faces is None else uv_faces
    check_lists("faces" if uv_faces is None else "uv_faces", corners, "uv", len(uv), len(v))
    if not faces.shape[-2]:
        return torch.zeros_like(fragments.inverse_depth)[:, None]
    v, uv = full(v), full(uv)
    hit, face = fragments.index >= 0, fragments.index.long().clamp(min=0)
    image = torch.arange(len(v), device=v.device)[:, None, None]
    # Numbers by corner first, [3, batch, height, width] each: several times faster than corners last.
    places, rows = (
        each.mT[:, face] if each.ndim == 2 else each[image, face].movedim(-1, 0) for each in (faces, corners)
    )
    x, y, z = v.movedim(-1, 0)[:, image, places]
    columns, lines = (uv * uv.new_tensor([size[1], size[0]])).to(v.dtype).mT[:, rows]
    weight = torch.ones_like(z) if fragments.orthographic else 1 / z
    across, down, depth = _planes(x, y, (columns * weight, lines * weight, weight))
    # The quotient rule: texture coordinates are U / W, and U, V and W = 1 / depth are linear on the screen.
    (across_x, across_y), (down_x, down_y) = (
        [(slope - plane[2] / depth[2] * bend) / depth[2] for slope, bend in zip(plane[:2], depth[:2], strict=True)]
        for plane in (across, down)
    )
    trace = across_x.square() + across_y.square() + down_x.square() + down_y.square()
    twist = across_x * down_y - across_y * down_x
    longer = (trace + (trace.square() - 4 * twist.square()).clamp(min=0).sqrt()) / 2  # largest eigenvalue of J J^T
    level = torch.where(hit & longer.isfinite(), longer, 1).clamp(min=1).log2() / 2
    return level.clamp(max=32)[:, None]


def _planes(
    x: Float[Tensor, "3 batch height width"],
    y: Float[Tensor, "3 batch height width"],
    values: tuple[Tensor, Tensor, Tensor],
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """How values at the corners of each pixel's triangle change with x and with y, and what they are at the pixel."""
    ax, ay, bx, by = x[1] - x[0], y[1] - y[0], x[2] - x[0], y[2] - y[0]
    turn = ax * by - ay * bx
    turn = torch.where(turn == 0, torch.ones_like(turn), turn)
    height, width = x.shape[2:]
    right = torch.arange(width, device=x.device, dtype=x.dtype) + 0.5 - x[0]
    below = torch.arange(height, device=x.device, dtype=x.dtype)[:, None] + 0.5 - y[0]
    planes = []
    for corner in values:
        first, second = corner[1] - corner[0], corner[2] - corner[0]
        along_x, along_y = (by * first - ay * second) / turn, (ax * second - bx * first) / turn
        planes.append((along_x, along_y, corner[0] + right * along_x + below * along_y))
    return planes
