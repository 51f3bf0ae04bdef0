"""A mesh and a camera make a picture."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int32
from torch import Tensor

from genstruct.errors import ConfigError, ShapeError
from genstruct.geometry.camera import Camera
from genstruct.geometry.checks import check_finite, check_float, check_within
from genstruct.geometry.measures import vertex_normals
from genstruct.geometry.mesh import GRAY as GRAY_BYTE
from genstruct.geometry.mesh import Mesh
from genstruct.render.antialias import antialias_silhouettes
from genstruct.render.backends import Backend, triangle
from genstruct.render.background import crop_background
from genstruct.render.checks import check_same_type, check_size, full
from genstruct.render.fragments import NEAR, Cull, Fragments
from genstruct.render.interpolate import interpolate
from genstruct.render.margin import alpha_image, find_margins, interpolate_margins
from genstruct.render.project import project
from genstruct.render.rasterize import rasterize
from genstruct.render.shading import Light, shade
from genstruct.render.texture import Wrap, sample_texture, texture_level
from genstruct.render.topology import topology

Silhouette = Literal["edges", "margin", "none"]

GRAY = GRAY_BYTE / 255
"""sRGB value of meshes without a texture."""
FARTHEST = 1e15
"""Object units from the origin; areas of larger triangles leave the range of float32."""


@dataclass(frozen=True)
class Rendering:
    """What a camera sees.

    Args:
        color: sRGB in [0, 1], over the background.
        alpha: Coverage by the mesh in [0, 1].
        depth: Camera depth at pixel centres, object units; infinite where nothing is hit. Has no gradient.
        normal: Smooth unit normals of the side that is seen, world; 0 where nothing is hit. None if not wanted.
        index: Row of `mesh.faces` at pixel centres, -1 where nothing is hit.
    """

    color: Float[Tensor, "batch 3 height width"]
    alpha: Float[Tensor, "batch 1 height width"]
    depth: Float[Tensor, "batch 1 height width"]
    normal: Float[Tensor, "batch 3 height width"] | None
    index: Int32[Tensor, "batch height width"]


@dataclass(frozen=True)
class Look:
    """How surfaces are drawn.

    Args:
        light: None leaves the texture's own colours ("unlit").
        mipmap: Look textures up in a pyramid of averages: slower, no aliasing where a texel is smaller than a pixel.
        wrap: Texture beyond [0, 1]: "clamp" or "repeat".
        cull: "back" leaves out triangles seen from behind.
        near: Triangles with a corner at or before this depth (object units) are left out as a whole.
    """

    light: Light | None = None
    mipmap: bool = False
    wrap: Wrap = "clamp"
    cull: Cull = "none"
    near: float = NEAR


def render(
    mesh: Mesh,
    camera: Camera,
    size: tuple[int, int],
    background: Float[Tensor, "backgrounds 3 large_height large_width"] | None = None,
    look: Look = Look(),
    silhouette: Silhouette = "edges",
    margin: float = 1.0,
    samples: int = 1,
    normals: bool = True,
    backend: Backend = "auto",
) -> Rendering:
    """Draw meshes over backgrounds, differentiable in vertices, texture, camera, light and background.

    Silhouettes. "edges" walks silhouette edges (see `antialias_silhouettes`): pictures of the right coverage and
    gradients close to those of a finely sampled picture; use it unless you repeat published experiments. "margin" is
    the renderer of Szabo, Meishvili & Favaro (2019): objects grow by half a margin and gradients are those of the
    margins. "none" has hard edges and no gradient from silhouettes.

    Relative errors of image gradients at 64 and 128 px, as `tools/check_gradients.py` measures them in four views, with
    one sample a pixel, 2 x 2 and 4 x 4 samples, and margins: a sphere .03 and .02, .02 and .02, .02 and .01, .10 and
    .04; a car of 5510 triangles .07 and .04, .04 and .02, .02 and .01, .15 and .06; an airliner of 5585 .13 and .08,
    .09 and .04, .05 and .03, .29 and .17; "none" has 1 everywhere. Parts about as thin as a pixel, as planes have, are
    seen by chance: take `samples` of 2 or 4 for those.

    Args:
        mesh: A batch; a batch of one is shared by all cameras. Without a texture it is grey.
        camera: A batch, for images of `size`; a batch of one is shared by all meshes.
        size: (height, width), pixels.
        background: sRGB, of `size` or larger: then cropped by viewpoint (see `crop_background`). None = black.
        look: Light, texture lookup, what is left out.
        silhouette: "edges", "margin" or "none".
        margin: Of "margin", pixels.
        samples: Draw at this multiple of `size` and average, for parts thinner than a pixel. Depth, normal and index
            are those of one of the samples.
        normals: Whether normals are wanted; without them an unlit picture takes less time.
        backend: "auto" is numba on a CPU, triton on CUDA and torch elsewhere; margins are always drawn by torch.

    Raises:
        ShapeError: Batch sizes, shapes, types or devices that do not fit; on the CPU also NaN or infinity in vertices,
            uv, camera or light, and vertices beyond `FARTHEST`. NaN in textures and backgrounds is drawn as it is.
        ConfigError: An unknown `silhouette` or other setting.
    """
    _check(mesh, camera, size, silhouette, samples)
    batch = len(camera) if len(mesh) == 1 else len(mesh)
    below = _background(background, camera, size, batch, samples, mesh)
    large = (size[0] * samples, size[1] * samples)
    v = project(mesh.vertices, camera.resized(size, large)).expand(batch, -1, -1)
    fragments = rasterize(v, mesh.faces, large, look.cull, look.near, camera.orthographic, backend)
    surface, normal = _surface(mesh, v, fragments, look, normals, backend)
    picture = torch.where(fragments.mask, surface, below)
    picture = torch.cat([picture, fragments.mask.to(picture.dtype)], 1)
    if silhouette == "edges":
        picture = antialias_silhouettes(picture, v, mesh.faces, topology(mesh.faces), fragments, backend)
    elif silhouette == "margin":
        picture = _lay_margins(picture, mesh, v, fragments, look, margin * samples, backend)
    if samples > 1:
        picture = F.avg_pool2d(picture, samples)
    middle = slice(samples // 2, None, samples)
    return Rendering(
        picture[:, :3],
        picture[:, 3:],
        fragments.depth[:, :, middle, middle],
        None if normal is None else normal[:, :, middle, middle],
        fragments.index[:, middle, middle],
    )


def _check(mesh: Mesh, camera: Camera, size: tuple[int, int], silhouette: Silhouette, samples: int) -> None:
    if not isinstance(mesh, Mesh) or not isinstance(camera, Camera):
        raise ShapeError(f"a Mesh and a Camera make a picture, got {type(mesh).__name__} and {type(camera).__name__}")
    check_size(size)
    if silhouette not in ("edges", "margin", "none"):
        raise ConfigError(f"silhouette must be edges, margin or none, got {silhouette!r}")
    if not isinstance(samples, int) or samples < 1:
        raise ConfigError(f"samples must be a whole number of at least 1, got {samples!r}")
    if len(mesh) != len(camera) and 1 not in (len(mesh), len(camera)):
        raise ShapeError(f"there must be as many cameras as meshes, or one: got {len(camera)} for {len(mesh)} meshes")
    if mesh.vertices.device.type == "cpu":
        check_within("mesh.vertices", mesh.vertices, FARTHEST)
        numbers = {"mesh.uv": mesh.uv, "camera.world_to_camera": camera.world_to_camera}
        for name, tensor in {**numbers, "camera.intrinsics": camera.intrinsics}.items():
            if tensor is not None:
                check_finite(name, tensor)


def _background(
    background: Tensor | None, camera: Camera, size: tuple[int, int], batch: int, samples: int, mesh: Mesh
) -> Tensor:
    """What lies below the mesh, at the size at which it is drawn."""
    if background is None:
        return full(mesh.vertices).new_zeros(1, 3, 1, 1)
    check_float("background", background, "batch 3 height width")
    if len(background) not in (1, batch):
        raise ShapeError(f"background must be [1 or {batch}, 3, height, width], got {list(background.shape)}")
    background = full(background)
    check_same_type({"background": background, "mesh": full(mesh.vertices)})
    if tuple(background.shape[2:]) != tuple(size):
        if len(camera) < batch and len(background) > 1:
            camera = camera[torch.zeros(batch, dtype=torch.long, device=background.device)]
        background = crop_background(background, camera, size)
    return background.repeat_interleave(samples, 2).repeat_interleave(samples, 3) if samples > 1 else background


def _surface(
    mesh: Mesh, v: Tensor, fragments: Fragments, look: Look, normals: bool, backend: Backend
) -> tuple[Tensor, Tensor | None]:
    """Colour of the visible surface, and its normal where it is needed."""
    normal = None
    if normals or look.light is not None:
        normal = interpolate(v, _normals(mesh, v), mesh.faces, fragments, backend=backend)
        normal = _towards_camera(normal, mesh, v, fragments)
    if mesh.texture is None or mesh.uv is None:
        color = v.new_full((len(v), 3, *fragments.size), GRAY)
    else:
        uv = interpolate(v, mesh.uv[None].to(v.dtype), mesh.faces, fragments, _uv_faces(mesh), backend)
        level = _level(mesh, v, fragments, look)
        color = sample_texture(mesh.texture, uv, fragments, level, look.wrap, backend)
    return color if look.light is None or normal is None else shade(color, normal, look.light), normal


def _normals(mesh: Mesh, v: Tensor) -> Tensor:
    return vertex_normals(full(mesh.vertices).to(v.dtype), mesh.faces)


def _uv_faces(mesh: Mesh) -> Tensor:
    return mesh.faces if mesh.uv_faces is None else mesh.uv_faces


def _level(mesh: Mesh, v: Tensor, fragments: Fragments, look: Look) -> Tensor | None:
    """Where in the pyramid of the texture to look, if at all."""
    if not look.mipmap or mesh.texture is None or mesh.uv is None:
        return None
    size = mesh.texture.shape[2], mesh.texture.shape[3]
    return texture_level(v, mesh.uv, mesh.faces, fragments, size, mesh.uv_faces)


def _towards_camera(normal: Tensor, mesh: Mesh, v: Tensor, fragments: Fragments) -> Tensor:
    """Unit normals of the side that is seen: open surfaces are seen from behind, too."""
    corners = triangle.corners(v.detach(), mesh.faces[None])
    behind = triangle.drawn_orientation(corners, fragments.cull, fragments.near) > 0
    if not behind.shape[1]:
        return normal
    behind = behind.gather(1, fragments.index.long().clamp(min=0).flatten(1)).view_as(fragments.index)[:, None]
    return F.normalize(torch.where(behind, -normal, normal), dim=1)


def _lay_margins(
    picture: Tensor, mesh: Mesh, v: Tensor, fragments: Fragments, look: Look, margin: float, backend: Backend
) -> Tensor:
    """Lay the margins over a picture of colour and alpha."""
    lists = mesh.faces[None]
    margins = find_margins(v, lists, fragments, margin)
    seen = replace(fragments, index=margins.index)
    color = v.new_full((len(v), 3, *fragments.size), GRAY)
    if mesh.texture is not None and mesh.uv is not None:
        uv = mesh.uv[None].to(v.dtype)
        uv = interpolate_margins(v, uv, lists, _uv_faces(mesh)[None], margins, fragments.orthographic)
        color = sample_texture(mesh.texture, uv, seen, _level(mesh, v, seen, look), look.wrap, backend)
    if look.light is not None:
        normal = interpolate_margins(v, _normals(mesh, v), lists, lists, margins, fragments.orthographic)
        color = shade(color, _towards_camera(normal, mesh, v, seen), look.light)
    alpha = alpha_image(margins)
    return torch.lerp(picture, torch.cat([color, torch.ones_like(alpha)], 1), alpha)
