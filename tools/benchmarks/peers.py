"""The same pictures by other renderers, each as a function that draws a batch and returns what gradients flow through.

Only what is installed is compared: `pip install -c constraints.txt '.[bench]'` brings pytorch3d.
"""

import math
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor

Draw = Callable[[Tensor, Tensor], Tensor]
"""Draws (v [B, V, 3] in pixels and depth, textures [B, 3, h, w]) as [B, 3, H, W]."""


def available() -> list[str]:
    """Names of the peers that are installed."""
    return [name for name in ("pytorch3d",) if find_spec(name)]


def pytorch3d_hard(faces: Tensor, uv: Tensor, uv_faces: Tensor, size: int) -> Draw:
    """pytorch3d's rasterizer with one triangle a pixel and hard edges: the cheapest it does, without silhouettes.

    Textures are read by grid_sample directly, without its shaders, which favours it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch3d.ops import interpolate_face_attributes
        from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
        from pytorch3d.structures import Meshes

    corners = uv[uv_faces]

    def draw(v: Tensor, textures: Tensor) -> Tensor:
        flat = 1 - v[..., :2] * 2 / size  # x to the left, y up, in [-1, 1]
        meshes = Meshes(torch.cat([flat, v[..., 2:]], -1), faces.expand(len(v), -1, -1))
        index, _, weights, _ = rasterize_meshes(meshes, size, faces_per_pixel=1, perspective_correct=True)
        seen = interpolate_face_attributes(index, weights, corners.repeat(len(v), 1, 1))[:, :, :, 0]
        colour = F.grid_sample(textures, seen * 2 - 1, padding_mode="border", align_corners=False)
        return colour * (index[..., 0] >= 0)[:, None]

    return draw


def pytorch3d_soft(faces: Tensor, uv: Tensor, uv_faces: Tensor, size: int, layers: int) -> Draw:
    """pytorch3d's SoftPhongShader with `layers` triangles a pixel and sigma = gamma = 1e-4, its tutorials' setting."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch3d.renderer import BlendParams, OrthographicCameras, PointLights, SoftPhongShader, TexturesUV
        from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
        from pytorch3d.renderer.mesh.rasterizer import Fragments
        from pytorch3d.structures import Meshes

    blend = BlendParams(sigma=1e-4, gamma=1e-4)
    blur = math.log(1 / 1e-4 - 1) * blend.sigma
    upwards = torch.stack([uv[:, 0], 1 - uv[:, 1]], -1)

    def draw(v: Tensor, textures: Tensor) -> Tensor:
        flat = 1 - v[..., :2] * 2 / size
        batch = len(v)
        maps = TexturesUV(textures.permute(0, 2, 3, 1), uv_faces.expand(batch, -1, -1), upwards.expand(batch, -1, -1))
        meshes = Meshes(torch.cat([flat, v[..., 2:]], -1), faces.expand(batch, -1, -1), maps)
        found = rasterize_meshes(meshes, size, blur, layers, perspective_correct=True, clip_barycentric_coords=True)
        index, depth, weights, distance = found
        shader = SoftPhongShader(cameras=OrthographicCameras(), lights=PointLights(), blend_params=blend)
        picture = shader(Fragments(index, depth, weights, distance), meshes, zfar=10.0, znear=0.1)
        return picture[..., :3].permute(0, 3, 1, 2)

    return draw
