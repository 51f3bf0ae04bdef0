"""Planes: pixels of points that are turned by hand, known special cases, exact gradients."""

import math

import jaxtyping
import pytest
import torch
from gradients import assert_exact

from genstruct.errors import ShapeError
from genstruct.geometry.camera import Camera
from genstruct.geometry.plane import Plane, plane_homography
from genstruct.geometry.rotation import about_x, about_y, about_z, from_axis_angle

D = torch.float64
SIZE = (48, 64)
kinds = pytest.mark.parametrize("orthographic", [False, True], ids=["perspective", "orthographic"])


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def cameras(orthographic=False, batch=4):
    azimuth = torch.linspace(-0.5, 0.6, batch, dtype=D)
    return Camera.orbit(azimuth, 0.2, 3.0, 20.0 if orthographic else 60.0, SIZE, orthographic)


def planes(batch=4, center=None):
    return Plane(Plane.facing(torch.linspace(-0.4, 0.5, batch, dtype=D), 0.3).normal, center)


def turns(batch=4, size=0.3):
    return from_axis_angle(torch.randn(batch, 3, generator=stream(1), dtype=D) * size)


def pixels(camera, points):
    local = camera.to_camera(points)
    local = local if camera.orthographic else local / local[..., 2:]
    return torch.cat([local[..., :2], torch.ones_like(local[..., :1])], -1) @ camera.intrinsics.mT


def on(plane, count=10):
    """Random points of each plane."""
    normal = torch.nn.functional.normalize(plane.normal, dim=-1)[:, None]
    points = torch.randn(len(normal), count, 3, generator=stream(2), dtype=D) * 0.5
    points = points - (points * normal).sum(-1, keepdim=True) * normal
    return points if plane.center is None else points + plane.center[:, None]


@kinds
@pytest.mark.parametrize("centered", [True, False])
def test_points_of_the_plane_land_where_the_homography_says(orthographic, centered):
    center = None if centered else torch.tensor([[0.2, -0.1, 0.4]], dtype=D)
    camera, plane, rotation = cameras(orthographic), planes(center=center), turns()
    points = on(plane)
    middle = 0 if center is None else center[:, None]
    turned = (points - middle) @ rotation.mT + middle
    found = plane_homography(plane, rotation, camera)
    assert found.visible.all()
    mapped = pixels(camera, points) @ found.matrix.mT
    torch.testing.assert_close(mapped / mapped[..., 2:], pixels(camera, turned))
    assert (mapped[..., 2] > 0).all()
    assert (pixels(camera, points) @ found.horizon[..., None] > 0).all()


@kinds
def test_the_way_back_undoes_the_way_there(orthographic):
    camera, plane, rotation = cameras(orthographic), planes(), turns()
    there = plane_homography(plane, rotation, camera).matrix
    back = plane_homography(plane.turned(rotation), rotation.mT, camera).matrix
    torch.testing.assert_close(back @ there, torch.eye(3, dtype=D).expand(4, 3, 3), atol=1e-9, rtol=0)


@kinds
def test_turning_about_the_view_turns_the_picture(orthographic):
    camera = Camera.orbit(torch.zeros(1, dtype=D), 0.0, 3.0, 40.0, SIZE, orthographic)
    angle = torch.tensor([0.3], dtype=D)
    found = plane_homography(Plane.facing(torch.zeros(1, dtype=D), 0.0), about_z(angle), camera).matrix[0]
    # Counter-clockwise in the world is clockwise with v downwards, about the middle (32, 24).
    c, s = math.cos(0.3), math.sin(0.3)
    linear = torch.tensor([[c, s], [-s, c]], dtype=D)
    torch.testing.assert_close(found[:2, :2], linear)
    middle = torch.tensor([32.0, 24], dtype=D)
    torch.testing.assert_close(found[:2, 2], middle - linear @ middle)


def test_weak_perspective_shrinks_a_turned_wall_by_the_cosine():
    camera = Camera.orbit(torch.zeros(1, dtype=D), 0.0, 3.0, 40.0, SIZE, orthographic=True)
    angle = torch.tensor([0.5], dtype=D)
    found = plane_homography(Plane.facing(torch.zeros(1, dtype=D), 0.0), about_y(angle), camera).matrix[0, :2, :2]
    torch.testing.assert_close(found, torch.tensor([[math.cos(0.5), 0], [0, 1]], dtype=D))
    # From 0.5 off the view to facing it, the wall grows back.
    found = plane_homography(Plane.facing(angle, 0.0), about_y(-angle), camera).matrix[0, :2, :2]
    torch.testing.assert_close(found, torch.tensor([[1 / math.cos(0.5), 0], [0, 1]], dtype=D))


def test_perspective_becomes_weak_with_distance():
    plane, rotation = planes(1), turns(1)
    camera = Camera.orbit(torch.zeros(1, dtype=D), 0.1, 3000.0, 40_000.0, SIZE)
    strong, weak = (plane_homography(plane, rotation, kind).matrix for kind in (camera, camera.weak_perspective()))
    torch.testing.assert_close(strong / strong[:, 2:, 2:], weak, atol=0.02, rtol=0)


@kinds
def test_no_turn_is_the_identity(orthographic):
    found = plane_homography(planes(), torch.eye(3, dtype=D)[None], cameras(orthographic))
    torch.testing.assert_close(found.matrix, torch.eye(3, dtype=D).expand(4, 3, 3), atol=1e-12, rtol=0)


@kinds
def test_planes_from_behind_or_from_their_edge_are_not_visible(orthographic):
    camera = Camera.orbit(torch.zeros(4, dtype=D), 0.0, 3.0, 40.0, SIZE, orthographic)
    normal = torch.tensor([[0.0, 0, 1], [0, 0, -1], [1, 0, 0], [0, 0, 1]], dtype=D, requires_grad=True)
    angle = torch.tensor([0.1, 0.1, 0.0, 2.0], dtype=D)  # the last is turned until it is seen from behind
    found = plane_homography(Plane(normal), about_y(angle), camera)
    assert found.visible.tolist() == [1, 0, 0, 0]
    torch.testing.assert_close(found.matrix[1:], torch.eye(3, dtype=D).expand(3, 3, 3))
    found.matrix.sum().backward()
    assert torch.isfinite(normal.grad).all()


def test_behind_the_camera_and_beyond_the_horizon_have_signs():
    camera = Camera.orbit(torch.zeros(1, dtype=D), 0.0, 2.0, 20.0, SIZE)
    floor = Plane(torch.tensor([[0.0, 1, 0.2]], dtype=D))  # below the view; its horizon crosses the picture
    found = plane_homography(floor, about_x(torch.zeros(1, dtype=D)), camera)
    low, high = torch.tensor([[32.0, 40, 1], [32.0, 2, 1]], dtype=D) @ found.horizon[0]
    assert low > 0 > high


@kinds
def test_gradients_are_exact(orthographic):
    camera = cameras(orthographic, batch=2)
    inputs = planes(2).normal, torch.randn(2, 3, generator=stream(), dtype=D) * 0.2, camera.world_to_camera

    def found(normal, vector, pose, intrinsics):
        view = Camera(pose, intrinsics, orthographic)
        result = plane_homography(Plane(normal), from_axis_angle(vector), view)
        return result.matrix, result.horizon

    assert_exact(found, *inputs, camera.intrinsics)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Plane(torch.zeros(3)), r"normal must be \[batch, 3\], got \[3\]"),
        (lambda: Plane(torch.zeros(1, 3).long()), "normal must be floating point"),
        (lambda: plane_homography(planes(), turns(3), cameras()), r"one batch size .*\[4, 3\].*\[3, 3, 3\]"),
        (lambda: plane_homography(planes(), turns().float(), cameras()), "one type, got .*float64.*float32"),
        (lambda: plane_homography(planes(), turns()[:, 0], cameras()), r"rotation must be .* got \[4, 3\]"),
        (lambda: plane_homography(planes(), turns().to("meta"), cameras()), "one device"),
    ],
)
def test_wrong_input_is_named(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    with pytest.raises(ShapeError, match=message):
        call()


def test_turns_of_other_planes_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ShapeError, match="plane has 2, rotation has 3"):
        Plane(torch.ones(2, 3)).turned(torch.eye(3).expand(3, 3, 3))
