"""Pose and shape come back from silhouettes and from colour images: gradients through the whole renderer are useful."""

import math
from dataclasses import replace

import jaxtyping
import pytest
import torch

from genstruct.geometry.camera import Camera
from genstruct.geometry.measures import laplacian
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import octahedral_sphere
from genstruct.render.render import render

SIZE = (40, 40)
POSE = (0.6, 0.35, 3.0)  # azimuth and elevation (radians), distance (object units)
each_image = pytest.mark.parametrize("image", ["alpha", "color"])


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    """Hundreds of steps: checks of shapes would take most of the time, and other tests make them."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def body():
    """A smooth body of 288 triangles without any symmetry, half a unit to a unit wide, in many colours."""
    surface = octahedral_sphere(12)
    x, y, z = surface.vertices[0].unbind(-1)
    bent = torch.stack([0.55 * x + 0.12 * z**2, 0.4 * y + 0.15 * x.clamp(min=0) ** 2, 0.85 * z + 0.1 * x * y], -1)
    row, column = torch.meshgrid(torch.linspace(0, 1, 24), torch.linspace(0, 1, 24), indexing="ij")
    waves = (5 * column + 2 * row).sin(), (6 * row - column).cos(), (7 * row * column + 1).sin()
    return replace(surface, vertices=bent[None], texture=0.5 + 0.4 * torch.stack(waves)[None])


def seen(mesh, azimuth, elevation, distance, image, **settings):
    camera = Camera.orbit(azimuth, elevation, distance, 1.25 * SIZE[1], SIZE)
    return getattr(render(mesh, camera, SIZE, normals=False, **settings), image)


def descend(loss, parameters, steps, rate):
    """Adam with a falling step."""
    adam = torch.optim.Adam([parameters], lr=rate)
    decay = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.05, steps)
    for _ in range(steps):
        adam.zero_grad()
        loss(parameters).backward()
        adam.step()
        decay.step()
    return parameters.detach()


def fit_pose(image, error, **settings):
    """Largest error left after 100 steps."""
    mesh, true = body(), torch.tensor(POSE)
    wanted = seen(mesh, *true[:, None], image)
    start = (true + torch.tensor(error)).requires_grad_()
    loss = lambda pose: (seen(mesh, *pose[:, None], image, **settings) - wanted).square().mean()  # noqa: E731
    return (descend(loss, start, 100, 0.05) - true).abs().max().item()


@each_image
@pytest.mark.parametrize("error", [(0.5, 0.3, 0.4), (-0.5, -0.3, -0.4)])
def test_pose_comes_back_from_29_degrees_around_17_above_and_a_tenth_of_the_distance(image, error):
    assert fit_pose(image, error) < 0.01  # of a radian: half a degree


def test_without_gradients_of_silhouettes_the_pose_does_not_come_back():
    assert fit_pose("alpha", (0.5, 0.3, 0.4), silhouette="none") == pytest.approx(0.5)
    assert fit_pose("color", (0.5, 0.3, 0.4), silhouette="none") > 0.02


def overlap(mesh, other, *views):
    """Intersection over union of soft silhouettes."""
    one, two = seen(mesh, *views, "alpha"), seen(other, *views, "alpha")
    return (torch.minimum(one, two).sum() / torch.maximum(one, two).sum()).item()


@each_image
def test_shape_comes_back_from_eight_views_of_a_ball(image):
    true = body()
    start = octahedral_sphere(12).vertices * 0.55
    azimuth, elevation = torch.arange(8) * math.tau / 8 + 0.2, torch.tensor([0.4, -0.3]).repeat(4)
    views, others = (azimuth, elevation, 3.0), (azimuth + 0.4, -0.7 * elevation, 3.0)
    wanted = seen(true, *views, image)

    def loss(vertices):
        rough = laplacian(vertices, true.faces).square().sum(-1).mean()
        return 10 * (seen(replace(true, vertices=vertices), *views, image) - wanted).square().mean() + 5 * rough

    found = descend(loss, start.clone().requires_grad_(), 100, 0.02)
    # Silhouettes of views that were not fitted; then vertices, which only colours can hold in place.
    assert overlap(Mesh(start, true.faces), true, *others) < 0.75
    assert overlap(Mesh(found, true.faces), true, *others) > (0.98 if image == "color" else 0.97)
    before, after = ((vertices - true.vertices).norm(dim=-1).mean().item() for vertices in (start, found))
    assert before > 0.19 and after < (0.06 if image == "color" else 0.15)
