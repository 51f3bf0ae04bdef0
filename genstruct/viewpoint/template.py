"""The category's shape and appearance as one mesh that is its own mirror image, and its looks from a grid of views."""

import copy
import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genstruct.geometry.camera import Camera
from genstruct.geometry.measures import laplacian
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import octahedral_sphere
from genstruct.render.render import render
from genstruct.viewpoint.appearance import MAPS, SIZE, Appearance, composed
from genstruct.viewpoint.crops import TAIL, crop_square
from genstruct.viewpoint.views import ViewGrid

FINER = 2  # maps are drawn at this multiple of their size and averaged


class Template(nn.Module):
    """A bent sphere with a texture of `MAPS` channels, symmetric in x.

    Args:
        half_axes: Of the superellipsoid at the start: left-right, up-down, front-back; object units (length 1).
        seed: Of the small random offsets and texture at the start.
        cells: Of the octahedral sphere.
        texels: Along each side of the texture.
        roundness: Exponent of the superellipsoid: 1 is an ellipsoid, towards 0 a box.
    """

    base: Tensor
    partner: Tensor
    offset: nn.Parameter
    texture: nn.Parameter

    def __init__(
        self,
        half_axes: tuple[float, float, float] = (0.2, 0.15, 0.5),
        seed: int = 0,
        cells: int = 16,
        texels: int = 32,
        roundness: float = 0.7,
    ) -> None:
        super().__init__()
        self.sphere = octahedral_sphere(cells)
        direction = self.sphere.vertices[0]
        self.register_buffer("base", _superellipsoid(direction, half_axes, roundness))
        self.register_buffer("partner", _mirror_partner(direction), persistent=False)
        rng = torch.Generator().manual_seed(seed)
        self.offset = nn.Parameter(_smooth_offsets(direction, rng))
        self.texture = nn.Parameter(0.02 * torch.randn(1, MAPS, texels, texels, generator=rng))

    @staticmethod
    def of(state: Mapping[str, Tensor]) -> "Template":
        """The template whose `state_dict` this is."""
        cells = math.isqrt(len(state["base"]))  # of n^2 + 2 vertices
        template = Template(cells=cells, texels=state["texture"].shape[-1])
        template.load_state_dict(dict(state))
        return template

    def mesh(self) -> Mesh:
        """The symmetric mesh; its texture holds maps, not colours."""
        offset = (self.offset + self.offset[self.partner] * self.offset.new_tensor([-1, 1, 1])) / 2
        texture = (self.texture + self.texture.flip(-1)) / 2  # mirroring the octahedral picture mirrors the object
        sphere = self.sphere
        return Mesh(unit_length(self.base + offset)[None], sphere.faces, sphere.uv, sphere.uv_faces, texture)

    def draw(
        self, grid: ViewGrid, distance: float, views: Int[Tensor, " drawn"] | None = None, size: int = SIZE
    ) -> Appearance:
        """How it looks from some views, by default those of `grid.half`, in boxes like those of crops."""
        mesh, views = self.mesh(), grid.half if views is None else views
        camera = boxed_camera(mesh, grid.azimuth[views], grid.elevation[views], distance, size)
        seen = render(mesh, camera, (size, size), samples=FINER, normals=False)
        return composed(seen.alpha, seen.color)

    def changed(self, rng: torch.Generator, shape: float = 0.01, texture: float = 0.02) -> "Template":
        """A copy with random changes, so that two copies can grow apart."""
        copied = copy.deepcopy(self)
        with torch.no_grad():
            copied.offset.add_(shape * torch.randn(self.offset.shape, generator=rng))
            copied.texture.add_(texture * torch.randn(self.texture.shape, generator=rng))
        return copied

    def deepened(self, factor: float) -> "Template":
        """A copy that is so many times as deep, front to back."""
        copied, depth = copy.deepcopy(self), self.base.new_tensor([1, 1, factor])
        with torch.no_grad():
            copied.base.mul_(depth)
            copied.offset.mul_(depth)
        return copied

    def roughness(self) -> Tensor:
        """Mean squared umbrella Laplacian of the offsets."""
        return laplacian(self.offset[None], self.sphere.faces).square().sum(-1).mean()

    def variation(self) -> Tensor:
        """Mean absolute step between texels."""
        across, down = self.texture.diff(dim=-1), self.texture.diff(dim=-2)
        return across.abs().mean() + down.abs().mean()


def unit_length(vertices: Float[Tensor, "vertices 3"]) -> Float[Tensor, "vertices 3"]:
    """Vertices with the middle of their box at the origin and its longest side 1: pictures leave size and place free,
    but perspective goes by distance over length."""
    low, high = vertices.amin(0), vertices.amax(0)
    return (vertices - (low + high) / 2) / (high - low).max()


def whole_circle(half: Appearance, grid: ViewGrid) -> Appearance:
    """All views of a symmetric object from those of `grid.half`."""
    flipped, mirror = half.flip(), grid.mirror
    back = torch.arange(len(half.mask), len(grid))
    mask = torch.cat([half.mask, flipped.mask[mirror[back]]])
    return Appearance(mask, torch.cat([half.maps, flipped.maps[mirror[back]]]))


def boxed_camera(mesh: Mesh, azimuth: Tensor, elevation: Tensor, distance: float, size: int) -> Camera:
    """Cameras on an orbit that see the mesh in a crop as `crops.crop_square` makes it.

    By the box of the projected vertices, with gradients: a box of what is drawn, that knows nothing of a few thin
    parts, lets these grow into spikes.
    """
    camera = Camera.orbit(azimuth, elevation, distance, distance * size, (size, size))
    low, high = _extent(camera, mesh).chunk(2, 1)
    inset = (high - low) * TAIL
    return _cropped(camera, torch.cat([low + inset, high - inset], 1), size)


def _extent(camera: Camera, mesh: Mesh) -> Tensor:
    """Box of the projected vertices."""
    points = camera.to_camera(mesh.vertices) @ camera.intrinsics.mT
    image = points[..., :2] / points[..., 2:]
    return torch.cat([image.amin(1), image.amax(1)], 1)


def _cropped(camera: Camera, boxes: Tensor, size: int) -> Camera:
    """The camera of the square around each box, enlarged to `size` pixels."""
    left, top, side = crop_square(boxes).unbind(1)
    scale = size / side
    zero, one = torch.zeros_like(scale), torch.ones_like(scale)
    rows = [[scale, zero, -left * scale], [zero, scale, -top * scale], [zero, zero, one]]
    intrinsics = torch.stack([torch.stack(row, -1) for row in rows], -2) @ camera.intrinsics
    return Camera(camera.world_to_camera, intrinsics)


def _superellipsoid(direction: Tensor, half_axes: tuple[float, float, float], roundness: float) -> Tensor:
    """A stretched superball, so that vertices are as dense at the ends as in the middle."""
    power = 2 / roundness
    radius = direction.abs().pow(power).sum(-1, keepdim=True).pow(-1 / power)
    return radius * direction * direction.new_tensor(half_axes)


def _mirror_partner(direction: Tensor) -> Tensor:
    flipped = direction * direction.new_tensor([-1, 1, 1])
    return torch.cdist(flipped.double(), direction.double()).argmin(1)


def _smooth_offsets(direction: Tensor, rng: torch.Generator, size: float = 0.03, waves: int = 8) -> Tensor:
    """A few random waves over the sphere, of standard deviation `size`."""
    wave = torch.randn(waves, 3, generator=rng) * 2
    phase = torch.rand(waves, generator=rng) * math.tau
    height = torch.randn(waves, 3, generator=rng) * (size * math.sqrt(2 / waves))
    return (direction @ wave.T + phase).sin() @ height
