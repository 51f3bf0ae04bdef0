"""Projection: the conventions of the house, and what lies at the camera stays finite."""

import pytest
import torch
from gradients import assert_exact
from scenes import random, views

from genstruct.errors import ShapeError
from genstruct.geometry.camera import Camera
from genstruct.render.project import project

# 100 x 80 pixels, 2 units away, 50 px focal length: one unit is 25 pixels.
FRONT = Camera.orbit(0.0, 0.0, 2.0, 50.0, (80, 100))


@pytest.mark.parametrize(
    ("point", "seen"),
    [((0, 0, 0), (50, 40, 2)), ((1, 0, 0), (75, 40, 2)), ((0, 1, 0), (50, 15, 2)), ((0, 1, 1), (50, -10, 1))],
)
def test_x_is_right_and_y_is_up_from_the_front(point, seen):
    found = project(torch.tensor([[point]], dtype=torch.float32), FRONT)
    torch.testing.assert_close(found[0, 0], torch.tensor(seen, dtype=torch.float32))


def test_parallel_rays_keep_their_size():
    camera = Camera.orbit(0.0, 0.0, 2.0, 25.0, (80, 100), orthographic=True)
    found = project(torch.tensor([[[1.0, 0, 0], [1.0, 0, 1.0]]]), camera)
    torch.testing.assert_close(found[0], torch.tensor([[75.0, 40, 2], [75, 40, 1]]))


@pytest.mark.parametrize("orthographic", [False, True])
def test_gradients_are_exact(orthographic):
    points = random(1, 5, 3, dtype=torch.float64)
    camera = views(2, (20, 30), orthographic=orthographic, dtype=torch.float64)
    assert_exact(lambda p: project(p, camera), points)


def test_points_at_and_behind_the_camera_stay_finite():
    points = torch.tensor([[[0.3, 0.2, 2.0], [0.3, 0.2, 3.0]]], requires_grad=True)
    found = project(points, FRONT)
    assert found.isfinite().all() and found[0, :, 2].tolist() == [0, -1]
    found.sum().backward()
    assert points.grad.isfinite().all()


def test_autocast_does_not_round_positions():
    points = random(1, 50, 3)
    with torch.autocast("cpu", torch.bfloat16):
        found = project(points, FRONT)
    torch.testing.assert_close(found, project(points, FRONT))
    assert found.dtype == torch.float32


def test_a_batch_of_one_is_shared():
    points, camera = random(1, 5, 3), views(3, (20, 20))
    torch.testing.assert_close(project(points, camera)[1:2], project(points, camera[1:2]))
    many = random(3, 5, 3)
    torch.testing.assert_close(project(many, camera[:1])[2:], project(many[2:], camera[:1]))
    with pytest.raises(ShapeError, match="1 or 3 items"):
        project(random(2, 5, 3), camera)
