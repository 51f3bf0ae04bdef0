"""The same pictures by other renderers, each as a function that draws a batch and returns what gradients flow through.

Only what is installed is compared. `pip install -c constraints.txt '.[bench]'` brings pytorch3d; deodr (BSD-2) is a
package of its own name; DRTK (MIT) is built from its source, of which the CPU kernels suffice.
"""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from genstruct.errors import ConfigError

Draw = Callable[[Tensor, Tensor], Tensor]
"""Draws (v [B, V, 3] in pixels and depth, textures [B, 3, h, w]) as [B, 3, H, W]."""

SOURCES = {
    "pytorch3d": "pip install -c constraints.txt '.[bench]'",
    "drtk": "build https://github.com/facebookresearch/DRTK",
    "deodr": "pip install deodr",
}


class Layout(NamedTuple):
    """How a renderer keeps its numbers: it is given vertices and textures so, outside what is timed."""

    dtype: torch.dtype = torch.float32
    memory: torch.memory_format = torch.contiguous_format


LAYOUTS = {"deodr": Layout(torch.float64, torch.channels_last)}


def installed(names: Sequence[str], sources: Mapping[str, str] = SOURCES) -> list[str]:
    """Peers that can be compared with; says which cannot.

    Args:
        names: Wanted, as `import` has them.
        sources: How to install each that is known.

    Raises:
        ConfigError: A name that is not known.
    """
    if unknown := set(names) - set(sources):
        raise ConfigError(f"--peers are of {', '.join(sources)}; got {', '.join(sorted(unknown))}")
    missing = [name for name in names if not find_spec(name)]
    for name in missing:
        print(f"{name} is not installed and left out: {sources[name]}")
    return [name for name in names if name not in missing]


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
        color = F.grid_sample(textures, seen * 2 - 1, padding_mode="border", align_corners=False)
        return color * (index[..., 0] >= 0)[:, None]

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


def drtk(faces: Tensor, uv: Tensor, uv_faces: Tensor, size: int) -> Draw:
    """DRTK's chain as its documentation gives it: hard silhouettes, with gradients from its edge estimator."""
    package = import_module("drtk")

    faces, uv_faces = faces.int(), uv_faces.int()
    corner = torch.tensor([0.5, 0.5, 0.0], device=uv.device)  # its first pixel has its centre at (0, 0)
    places = uv * 2 - 1

    def draw(v: Tensor, textures: Tensor) -> Tensor:
        v = v - corner
        index = package.rasterize(v, faces, size, size)
        _, weights = package.render(v, faces, index)
        seen = package.interpolate(places.expand(len(v), -1, -1), uv_faces, index, weights).permute(0, 2, 3, 1)
        color = F.grid_sample(textures, seen, padding_mode="border", align_corners=False) * (index >= 0)[:, None]
        return package.edge_grad_estimator(v, faces, weights, color, index)

    return draw


def deodr(faces: Tensor, uv: Tensor, uv_faces: Tensor, size: int) -> Draw:
    """deodr's scenes of one image each, with edges drawn over by a pixel.

    Texture coordinates are linear on the screen and the backs of triangles are not drawn: it has no gradients
    otherwise. Objects grow by half a pixel all around. Its gradients by textures (0.2.3) are those of the last pixel
    that reads a texel instead of their sum. Numbers come as in `LAYOUTS`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        renderer, meshes = import_module("deodr.differentiable_renderer"), import_module("deodr.triangulated_mesh")

    number = int(faces.max()) + 1
    edges = meshes.TriMeshAdjacencies(faces.numpy(), clockwise=False, nb_vertices=number)
    lit = torch.ones(number, dtype=torch.float64).numpy()
    every = torch.ones(len(faces), dtype=torch.bool).numpy()
    colors, black = (torch.zeros(count, dtype=torch.float64).numpy() for count in ((number, 3), (3,)))
    indices = [each.numpy().astype("uint32") for each in (faces, uv_faces)]

    def scene(v: Tensor, texture: Tensor, texels: Any) -> Any:
        place, depth = v[:, :2].numpy(), v[:, 2].numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy's, of cross products in a plane
            outline = edges.edge_on_silhouette(place)
        return renderer.Scene2D(
            *indices, place, depth, every, texels, lit, colors, every, outline, size, size, 3, texture.numpy(),
            background_color=black, backface_culling=True, integer_pixel_centers=False,
        )  # fmt: skip

    class Picture(Function):
        @staticmethod
        def forward(ctx: Any, v: Tensor, textures: Tensor) -> Tensor:
            texels = (uv.double() * v.new_tensor(textures.shape[:1:-1]) - 0.5).numpy()  # first centre at (0, 0)
            ctx.scenes = [scene(*pair, texels) for pair in zip(v, textures.permute(0, 2, 3, 1), strict=True)]
            drawn = [torch.from_numpy(each.render()[0]) for each in ctx.scenes]
            return torch.stack(drawn).permute(0, 3, 1, 2)

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
            (gradient,) = gradients
            for each, wanted in zip(ctx.scenes, gradient.permute(0, 2, 3, 1).contiguous(), strict=True):
                each.render_backward(wanted.numpy(), make_copies=False)
            places = torch.stack([torch.from_numpy(each.ij_b) for each in ctx.scenes])
            textures = torch.stack([torch.from_numpy(each.texture_b) for each in ctx.scenes])
            return F.pad(places, (0, 1)), textures.permute(0, 3, 1, 2)

    return Picture.apply
