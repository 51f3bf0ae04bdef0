"""Poses and shapes of meshes, recovered from their pictures by gradient descent through the renderer.

The object fits the unit ball; lengths are object units, so that 0.1 is a tenth of its radius.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.gradients import smooth
from genstruct.data.meshes.read import read_mesh
from genstruct.geometry.camera import Camera
from genstruct.geometry.measures import edge_lengths, laplacian
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.rotation import about_y, from_axis_angle, geodesic_distance
from genstruct.geometry.surfaces import icosphere
from genstruct.render.interpolate import interpolate
from genstruct.render.project import project
from genstruct.render.rasterize import rasterize
from genstruct.render.render import Look, render
from genstruct.render.shading import DirectionalLight

Kind = Literal["silhouettes", "colors"]
DISTANCE = 4.0
LEVELS = 4
"""Pictures are compared at so many sizes, each half the last: coarse ones reach further."""


@dataclass(frozen=True)
class Task:
    """What is known: a mesh, how its pictures are taken and for how long they are fitted.

    Args:
        size: Side of the pictures, pixels.
        views: Pictures.
        steps: Of descent.
        seed: Of everything random.
    """

    mesh: Mesh
    size: int
    views: int
    steps: int
    seed: int = 0


def from_file(path: Path) -> Mesh:
    """A mesh file with its own colours, or painted if it has but one."""
    mesh = read_mesh(path, largest_texture=256)
    texture = mesh.texture
    if texture is not None and float(texture.flatten(2).std(-1).max()) > 0.02:
        return mesh
    return painted(mesh)


def painted(mesh: Mesh) -> Mesh:
    """Colours that change slowly over space."""
    across = torch.tensor([[0.35, 0.1], [0.1, -0.35], [0.2, 0.2]])
    uv = (mesh.vertices[0] @ across + 0.5).clamp(0, 1)
    return Mesh(mesh.vertices, mesh.faces, uv, None, smooth(64, 0.0)[None])


def around(size: int, views: int, first: float = 0.2) -> Camera:
    """Cameras all around, by turns from above and from below. The unit ball fits the picture.

    Args:
        first: Azimuth of the first, radians.
    """
    number = torch.arange(views)
    elevation = torch.where(number % 2 == 0, 0.5, -0.3)
    return Camera.orbit(first + number / views * math.tau, elevation, DISTANCE, size * 0.45 * DISTANCE, (size, size))


def held_out(task: Task, views: int = 8) -> Camera:
    """Cameras that look from between those of the task."""
    return around(task.size, views, 0.2 + math.pi / task.views)


def pictures(mesh: Mesh, camera: Camera, size: int, kind: Kind, views: int | None = None) -> Tensor:
    """Coverage [B, 1, size, size], or colours [B, 3, size, size] over backgrounds that differ by view.

    With one background for all, a surface that does not know its colours takes those of the background and stays.
    """
    if kind == "silhouettes":
        return render(Mesh(mesh.vertices, mesh.faces), camera, (size, size), normals=False).alpha
    below = backgrounds(size, views or len(camera)).repeat(len(camera) // (views or len(camera)), 1, 1, 1)
    return render(mesh, camera, (size, size), below, normals=False).color


def backgrounds(size: int, views: int) -> Tensor:
    """Smooth pictures [views, 3, size, size], all different."""
    return torch.stack([(1 - smooth(size, 0.4 + 1.7 * view)) ** 2 for view in range(views)])


def difference(pictures: Tensor, wanted: Tensor) -> Tensor:
    """Squared differences, mean over each picture and summed over sizes: [B]."""
    apart = pictures - wanted
    total = apart.square().mean((1, 2, 3))
    for _ in range(LEVELS - 1):
        apart = F.avg_pool2d(apart, 2)
        total = total + apart.square().mean((1, 2, 3))
    return total


def descend(loss: Callable[[], Tensor], parameters: Sequence[Tensor], rates: Sequence[float], steps: int) -> None:
    """Adam with rates that fall to a twentieth."""
    adam = torch.optim.Adam([{"params": [each], "lr": rate} for each, rate in zip(parameters, rates, strict=True)])
    falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.05, steps)
    for _ in range(steps):
        adam.zero_grad()
        loss().backward()
        adam.step()
        falling.step()


# Pose: all cameras are known but for one rotation and one translation, which is the same as moving the mesh.


@dataclass(frozen=True)
class Poses:
    """Rotations [starts, 3, 3] and translations [starts, 3] of the mesh; right are the identity and 0."""

    rotation: Tensor
    translation: Tensor

    def move(self, vertices: Tensor) -> Tensor:
        """[1, V, 3] -> [starts, V, 3]."""
        return vertices @ self.rotation.mT + self.translation[:, None]

    def degrees(self) -> Tensor:
        """[starts]."""
        return geodesic_distance(self.rotation, torch.eye(3)).rad2deg()


def wrong_poses(starts: int, degrees: tuple[float, float], shift: float, seed: int) -> Poses:
    """Turned about random axes by angles in a range, and shifted in random directions."""
    rng = torch.Generator().manual_seed(seed)
    axis, direction = F.normalize(torch.randn(2, starts, 3, generator=rng), dim=-1)
    low, high = degrees
    angle = torch.deg2rad(low + (high - low) * torch.rand(starts, 1, generator=rng))
    return Poses(from_axis_angle(axis * angle), direction * shift)


def fit_pose(task: Task, kind: Kind, start: Poses) -> Poses:
    """Poses after the task's steps, all starts together."""
    starts = len(start.rotation)
    camera = around(task.size, task.views)
    wanted = pictures(task.mesh, camera, task.size, kind).repeat(starts, 1, 1, 1)
    cameras = camera[torch.arange(task.views).repeat(starts)]
    turn = torch.zeros(starts, 3, requires_grad=True)
    shift = start.translation.clone().requires_grad_()

    def loss() -> Tensor:
        now = Poses(from_axis_angle(turn) @ start.rotation, shift)
        vertices = now.move(task.mesh.vertices).repeat_interleave(task.views, 0)
        drawn = pictures(replace(task.mesh, vertices=vertices), cameras, task.size, kind, task.views)
        return difference(drawn, wanted).sum() / task.views

    descend(loss, (turn, shift), (0.03, 0.015), task.steps)
    return Poses((from_axis_angle(turn) @ start.rotation).detach(), shift.detach())


def pose_errors(found: Poses) -> dict[str, float]:
    """Rotation in degrees, translation in object units, and the share of starts that end within a degree."""
    degrees, shift = found.degrees(), found.translation.norm(dim=-1)
    return {
        "degrees_median": float(degrees.median()),
        "degrees_largest": float(degrees.max()),
        "shift_median": float(shift.median()),
        "shift_largest": float(shift.max()),
        "within_a_degree": float((degrees < 1).float().mean()),
    }


# Shape: cameras are known.


def bent(mesh: Mesh, amount: float, seed: int) -> Mesh:
    """Every vertex moved along a smooth random field with root mean square `amount` and waves of two units or more."""
    rng = torch.Generator().manual_seed(seed)
    waves, phases = torch.randn(3, 8, generator=rng) * 1.5, torch.rand(8, generator=rng) * math.tau
    field = (mesh.vertices @ waves + phases).sin() @ torch.randn(8, 3, generator=rng)
    return replace(mesh, vertices=mesh.vertices + field * (amount / field.square().sum(-1).mean().sqrt()))


def ellipsoid(mesh: Mesh, subdivisions: int = 3) -> Mesh:
    """As long, wide and high as the mesh, and grey."""
    low, high = mesh.vertices.aminmax(dim=1, keepdim=True)
    ball = icosphere(subdivisions)
    return replace(
        ball, vertices=ball.vertices * (high - low) / 2 + (high + low) / 2, texture=torch.full((1, 3, 48, 48), 0.5)
    )


def fit_bent(task: Task, kind: Kind, start: Mesh) -> Mesh:
    """Vertices found for a mesh whose triangles and colours are known; neighbours are held to move alike."""
    moved = torch.zeros_like(start.vertices).requires_grad_()

    def uneven() -> Tensor:
        return laplacian(moved, start.faces).square().sum(-1).mean()

    return _fit_vertices(task, kind, start, moved, uneven, 100.0, 0.005)


def fit_ellipsoid(task: Task, kind: Kind, start: Mesh) -> Mesh:
    """Vertices, and from colours also the texture, of a surface that is held smooth with edges of like lengths."""
    moved = torch.zeros_like(start.vertices).requires_grad_()

    def uneven() -> Tensor:
        vertices = start.vertices + moved
        lengths = edge_lengths(vertices, start.faces)
        return laplacian(vertices, start.faces).square().sum(-1).mean() + 0.1 * lengths.var()

    return _fit_vertices(task, kind, start, moved, uneven, 5.0, 0.01)


def _fit_vertices(
    task: Task, kind: Kind, start: Mesh, moved: Tensor, uneven: Callable[[], Tensor], weight: float, rate: float
) -> Mesh:
    """Fit what `moved` adds to the vertices; the texture too if it is not that of the task's mesh."""
    camera = around(task.size, task.views)
    wanted = pictures(task.mesh, camera, task.size, kind)
    assert start.texture is not None
    texture = start.texture.clone().requires_grad_()
    learn = kind == "colors" and start.texture is not task.mesh.texture

    def loss() -> Tensor:
        mesh = replace(start, vertices=start.vertices + moved, texture=texture if learn else start.texture)
        drawn = pictures(mesh, camera, task.size, kind)
        return 10 * difference(drawn, wanted).mean() + weight * uneven()

    # A texture that learns faster takes the colours of what is behind, and the surface stays where it is wrong.
    descend(loss, (moved, texture) if learn else (moved,), (rate, 0.01)[: 1 + learn], task.steps)
    return replace(start, vertices=(start.vertices + moved).detach(), texture=texture.detach().clamp(0, 1))


def overlap(found: Mesh, true: Mesh, camera: Camera, size: int) -> float:
    """Intersection over union of soft silhouettes, all views together."""
    one, two = (pictures(mesh, camera, size, "silhouettes") for mesh in (found, true))
    return float(torch.minimum(one, two).sum() / torch.maximum(one, two).sum())


def visible_points(mesh: Mesh, camera: Camera, size: int, most: int, seed: int) -> Tensor:
    """At most `most` random points [points, 3] of the surface that some camera sees."""
    v = project(mesh.vertices, camera)
    fragments = rasterize(v, mesh.faces, (size, size))
    places = interpolate(v, mesh.vertices, mesh.faces, fragments).permute(0, 2, 3, 1)[fragments.mask[:, 0]]
    order = torch.randperm(len(places), generator=torch.Generator().manual_seed(seed))
    return places[order[:most]]


def chamfer(found: Mesh, true: Mesh, camera: Camera, size: int, most: int = 4000) -> float:
    """Mean distance from points of each visible surface to the nearest of the other, mean of both ways.

    The true surface is seen from a little aside, so that even the same surface has not 0 but what points are apart.
    """
    aside = camera.world_to_camera[:, :, :3] @ about_y(torch.tensor(0.15))
    other = replace(camera, world_to_camera=torch.cat([aside, camera.world_to_camera[:, :, 3:]], -1))
    one, two = visible_points(found, camera, size, most, 0), visible_points(true, other, size, most, 1)
    apart = torch.cdist(one, two)
    return float((apart.amin(0).mean() + apart.amin(1).mean()) / 2)


def vertex_error(found: Mesh, true: Mesh, camera: Camera, size: int) -> float:
    """Mean distance of corresponding vertices, of triangles that some camera sees."""
    index = rasterize(project(true.vertices, camera), true.faces, (size, size)).index
    seen = true.faces[index[index >= 0].long().unique()].unique()
    return float((found.vertices - true.vertices)[0, seen].norm(dim=-1).mean())


def shape_errors(found: Mesh, task: Task) -> dict[str, float]:
    """How far a shape is from the task's mesh, in views that were not fitted."""
    camera = held_out(task)
    errors = {
        "overlap": overlap(found, task.mesh, camera, task.size),
        "chamfer": chamfer(found, task.mesh, camera, task.size),
    }
    if found.faces is task.mesh.faces:
        errors["vertices"] = vertex_error(found, task.mesh, camera, task.size)
    return errors


def views_of(mesh: Mesh, size: int, views: int) -> list[Tensor]:
    """Pictures [3, size, size] to look at: in colours, and the same views in grey under a light."""
    camera = around(size, views, 0.6)
    light = DirectionalLight(torch.full((1, 3), 0.25), torch.full((1, 3), 0.75), torch.tensor([[0.5, 1.0, 0.8]]))
    colored = pictures(mesh, camera, size, "colors")
    gray = render(Mesh(mesh.vertices, mesh.faces), camera, (size, size), look=Look(light)).color
    return [picture.detach() for pair in zip(colored, gray, strict=True) for picture in pair]
