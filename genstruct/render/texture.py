"""Texture lookup, plain and safe against minification."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from genstruct.errors import ConfigError, ShapeError
from genstruct.geometry.checks import check_float
from genstruct.render.backends import Backend, choose
from genstruct.render.checks import check_fragments, check_same_type, check_shared, full
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
    check_fragments(fragments.index.shape, len(uv))
    check_shared("texture", texture, "batch channels height width", len(uv))
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
    """The texture and its halves, averaged, as long as both sides are even."""
    levels = [texture]
    while all(side % 2 == 0 for side in levels[-1].shape[2:]):
        levels.append(F.avg_pool2d(levels[-1], 2))
    return levels


@torch.no_grad()
def texture_level(
    v: Float[Tensor, "batch vertices 3"],
    uv: Float[Tensor, "uvs 2"],
    faces: Int[Tensor, "faces 3"],
    fragments: Fragments,
    size: tuple[int, int],
    uv_faces: Int[Tensor, "faces 3"] | None = None,
) -> Float[Tensor, "batch 1 height width"]:
    """Level of the texture pyramid at which a texel is about a pixel: log2 of texels per pixel, at least 0.

    Constant over each triangle: from the longer axis of what one pixel covers in the texture, so that nothing aliases
    where a surface turns away (it is blurred across instead). Has no gradient.

    Args:
        v: x and y in pixels.
        uv: Texture coordinates.
        faces: The ones given to `rasterize`.
        fragments: Of `rasterize`.
        size: (height, width) of the texture, texels.
        uv_faces: Rows of `uv` at the corners; `faces` by default.
    """
    corners = v[:, faces, :2]  # [batch, faces, 3, 2]
    texels = (uv * uv.new_tensor([size[1], size[0]]))[faces if uv_faces is None else uv_faces]
    screen = corners[:, :, 1:] - corners[:, :, :1]
    across = (texels[:, 1:] - texels[:, :1]).to(v.dtype)
    turn = screen[..., 0, 0] * screen[..., 1, 1] - screen[..., 0, 1] * screen[..., 1, 0]
    turn = torch.where(turn == 0, torch.ones_like(turn), turn)
    # Rows of the inverse of `screen`, times `across`: texels per pixel along x and y.
    along_x = (screen[..., 1, 1, None] * across[:, 0] - screen[..., 0, 1, None] * across[:, 1]) / turn[..., None]
    along_y = (screen[..., 0, 0, None] * across[:, 1] - screen[..., 1, 0, None] * across[:, 0]) / turn[..., None]
    trace = along_x.square().sum(-1) + along_y.square().sum(-1)
    twist = along_x[..., 0] * along_y[..., 1] - along_x[..., 1] * along_y[..., 0]
    longer = (trace + (trace.square() - 4 * twist.square()).clamp(min=0).sqrt()) / 2  # largest eigenvalue of J J^T
    level = (longer.clamp(min=1).log2() / 2).clamp(max=32)
    face = fragments.index.long().clamp(min=0).flatten(1)
    return level.gather(1, face).view_as(fragments.index)[:, None]
