"""How right image gradients are: against central differences of a finely sampled picture."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from genstruct.data.meshes.read import read_mesh
from genstruct.geometry.camera import Camera
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import icosphere
from genstruct.render.backends import Backend
from genstruct.render.render import Silhouette, render

FINE = 16
"""Samples along each side of a pixel of the reference."""
STEP = 0.25
"""Half the central difference, pixels at the silhouette: four fine samples, so that their grid averages out."""
DISTANCE = 4.0
FIELDS = 8
PARAMETERS = ("scale", "x", "y", "z")


@dataclass(frozen=True)
class Scene:
    """A textured mesh of which some vertices move.

    Args:
        mesh: A batch of one.
        moves: [vertices], 1 for those that move.
    """

    mesh: Mesh
    moves: Tensor


def sphere(subdivisions: int = 3) -> Scene:
    """One sphere: 20 x 4^subdivisions triangles."""
    return _scene(icosphere(subdivisions).vertices[0], icosphere(subdivisions).faces)


def two_spheres(apart: float = 1.0, subdivisions: int = 3) -> Scene:
    """A sphere before another (along +z), which is to one side. They pass through each other if `apart` is small."""
    ball = icosphere(subdivisions)
    vertices = ball.vertices[0] * 0.5
    front = vertices * 0.8 + torch.tensor([0.25, 0.1, apart])
    scene = _scene(torch.cat([vertices, front]), torch.cat([ball.faces, ball.faces + len(vertices)]))
    assert scene.mesh.uv is not None
    moves = (torch.arange(2 * len(vertices)) >= len(vertices)).float()
    shifted = torch.cat([scene.mesh.uv[: len(vertices)], scene.mesh.uv[len(vertices) :].roll(1, 1)])  # other colours
    return Scene(replace(scene.mesh, uv=shifted), moves)


def from_file(path: Path) -> Scene:
    """A mesh file, painted."""
    mesh = read_mesh(path, largest_texture=1)
    return _scene(mesh.vertices[0], mesh.faces)


def _scene(vertices: Tensor, faces: Tensor) -> Scene:
    """Colours that change slowly over space, so that the reference differs at silhouettes and not inside."""
    uv = (vertices[:, :2] * torch.tensor([0.4, -0.4]) + 0.5).clamp(0, 1)
    return Scene(Mesh(vertices[None], faces, uv, None, smooth(32, 0.0)[None]), torch.ones(len(vertices)))


def smooth(side: int, shift: float) -> Tensor:
    """A colourful picture [3, side, side] of long waves in [0, 1]."""
    y, x = torch.meshgrid(torch.arange(side) / side, torch.arange(side) / side, indexing="ij")
    waves = [torch.sin(5 * x + 3 * y + shift), torch.cos(4 * y - 2 * x + shift), torch.sin(6 * x * y + 2 * shift)]
    return torch.stack(waves) * 0.4 + 0.5


def moved(scene: Scene, parameters: Tensor) -> Mesh:
    """The scene with its moving part scaled by 1 + p0 and shifted by p1..p3; parameters [batch, 4]."""
    vertices = scene.mesh.vertices.to(parameters.dtype)
    change = vertices * parameters[:, None, :1] + parameters[:, None, 1:]
    mesh = replace(scene.mesh, vertices=vertices + scene.moves[:, None].to(parameters.dtype) * change)
    return mesh.to(dtype=parameters.dtype)


def cameras(size: int, views: int, around: float = 6.2832) -> Camera:
    """Views around the object, a little from above; the unit ball fits the picture."""
    azimuth = 0.3 + torch.arange(views) / views * around
    return Camera.orbit(azimuth, 0.25, DISTANCE, size * 0.45 * DISTANCE, (size, size))


def fields(size: int) -> Tensor:
    """Random weights [fields, 3, size, size] for pictures, smooth over about a sixth of the side.

    Losses are linear in the picture: a squared difference would bend within a fraction of a pixel (squares of
    coverage), and central differences would then measure their own step.
    """
    rng = torch.Generator().manual_seed(1)
    return F.interpolate(torch.randn(FIELDS, 3, 6, 6, generator=rng), size=(size, size), mode="bilinear")


def background(size: int) -> Tensor:
    """Far from the colours of the objects."""
    return (1 - smooth(size, 0.4))[None].pow(2)


def reference_gradient(scene: Scene, camera: Camera, size: int) -> Tensor:
    """Central differences [views, fields, 4] of a picture with 16 x 16 samples a pixel, weighted by `fields`."""
    steps = STEP / (0.45 * size) * torch.tensor([1, 1, 1, DISTANCE])  # depth moves silhouettes less
    rows = []
    for view in range(len(camera)):
        one = camera[view : view + 1]
        changes = [_fine(scene, offset, one, size) - _fine(scene, -offset, one, size) for offset in torch.diag(steps)]
        slopes = torch.cat(changes) / (2 * steps[:, None, None, None])
        rows.append(torch.einsum("fchw,pchw->fp", fields(size).double(), slopes.double()))
    return torch.stack(rows)


def _fine(scene: Scene, parameters: Tensor, camera: Camera, size: int) -> Tensor:
    mesh = moved(scene, parameters[None])
    return render(mesh, camera, (size, size), background(size), silhouette="none", samples=FINE, normals=False).color


def gradient(
    scene: Scene,
    camera: Camera,
    size: int,
    silhouette: Silhouette = "edges",
    samples: int = 1,
    backend: Backend = "auto",
) -> Tensor:
    """Gradients [views, fields, 4] of the picture weighted by each of `fields`."""
    parameters = torch.zeros(len(camera), 4, requires_grad=True)
    color = render(
        moved(scene, parameters), camera, (size, size), background(size), silhouette=silhouette, samples=samples,
        normals=False, backend=backend,
    ).color  # fmt: skip
    found = [torch.autograd.grad((color * field).sum(), parameters, retain_graph=True)[0] for field in fields(size)]
    return torch.stack(found, 1).double()


def relative_error(found: Tensor, reference: Tensor) -> float:
    """Length of the difference over the length of the reference, all views and fields together."""
    return float((found - reference).norm() / reference.norm())


def area_slope(subdivisions: int, size: int, views: int) -> float:
    """d(covered area) / d(scale) of a sphere, over that of the exact disc."""
    scale = torch.ones(views, requires_grad=True)
    ball = icosphere(subdivisions)
    camera = cameras(size, views)
    mesh = Mesh(ball.vertices * 0.8 * scale[:, None, None], ball.faces)
    alpha = render(mesh, camera, (size, size), normals=False).alpha
    (found,) = torch.autograd.grad(alpha.sum(), scale)
    focal, radius = size * 0.45 * DISTANCE, 0.8
    # The outline of a sphere of radius r at distance d is a disc of radius f r / sqrt(d^2 - r^2).
    exact = 2 * torch.pi * focal**2 * radius**2 * DISTANCE**2 / (DISTANCE**2 - radius**2) ** 2
    return float(found.mean() / exact)


def sweep(
    scenes: dict[str, Scene], sizes: Sequence[int], views: int, methods: dict[str, tuple[Silhouette, int]]
) -> dict[str, dict[int, dict[str, float]]]:
    """Relative errors by scene, size and method (a kind of silhouette and a number of samples)."""
    results: dict[str, dict[int, dict[str, float]]] = {}
    for name, scene in scenes.items():
        for size in sizes:
            camera = cameras(size, views, 2.0 if bool((scene.moves == 0).any()) else 6.2832)
            truth = reference_gradient(scene, camera, size)
            errors = {
                method: relative_error(gradient(scene, camera, size, *settings), truth)
                for method, settings in methods.items()
            }
            results.setdefault(name, {})[size] = errors
    return results
