"""Cameras: where points land, by hand; what moves together changes nothing; wrong input is named."""

import math

import jaxtyping
import pytest
import torch
from gradients import assert_exact

from genstruct.errors import ShapeError
from genstruct.geometry.camera import Camera, focal_length, pinhole, viewpoint
from genstruct.geometry.rotation import about_y, random_rotations

D = torch.float64
SIZE = (48, 64)


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def pixels(camera, points):
    """Projection by its definition, for the tests."""
    local = camera.to_camera(points)
    plane = local if camera.orthographic else local / local[..., 2:]
    plane = torch.cat([plane[..., :2], torch.ones_like(plane[..., :1])], -1)
    return (plane @ camera.intrinsics.mT)[..., :2]


def point(*xyz):
    return torch.tensor([[xyz]], dtype=D)


def orbit(azimuth=0.0, elevation=0.0, distance=2.0, focal=50.0, orthographic=False):
    return Camera.orbit(torch.tensor(azimuth, dtype=D), elevation, distance, focal, SIZE, orthographic)


def test_the_origin_lands_in_the_middle_of_the_image():
    for camera in (orbit(), orbit(1.0, -0.4), orbit(2.0, 1.5, orthographic=True)):
        torch.testing.assert_close(pixels(camera, point(0, 0, 0)), torch.tensor([[[32.0, 24.0]]], dtype=D))
        assert camera.to_camera(point(0, 0, 0))[0, 0, 2].item() == pytest.approx(2)  # in front of it


def test_from_the_front_x_is_right_y_is_up_and_z_is_near():
    camera = orbit()
    right, up, near = camera.to_camera(torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]], dtype=D))[0]
    assert right.tolist() == [1, 0, 2] and up.tolist() == [0, -1, 2] and near.tolist() == [0, 0, 1]
    # 50 px x 0.5 / (2 - 0.0) = 12.5 px to the right and above the middle.
    assert pixels(camera, point(0.5, 0.5, 0))[0, 0].tolist() == [32 + 12.5, 24 - 12.5]
    assert pixels(orbit(focal=10.0, orthographic=True), point(0.5, 0.5, 1))[0, 0].tolist() == [37, 19]


def test_azimuth_grows_counter_clockwise_from_above_and_elevation_upwards():
    directions = {
        (0.0, 0.0): (0, 0, 2),
        (math.pi / 2, 0.0): (2, 0, 0),
        (math.pi, 0.0): (0, 0, -2),
        (0.0, math.pi / 2): (0, 2, 0),
        (math.pi / 2, -math.pi / 6): (math.sqrt(3), -1, 0),
    }
    for (azimuth, elevation), position in directions.items():
        expected = torch.tensor([position], dtype=D)
        torch.testing.assert_close(orbit(azimuth, elevation).position, expected, atol=1e-12, rtol=0)


def test_turning_the_object_is_turning_the_camera_the_other_way():
    points = torch.randn(1, 20, 3, generator=stream(), dtype=D) * 0.3
    turned = points @ about_y(torch.tensor(0.7, dtype=D)).mT
    torch.testing.assert_close(pixels(orbit(0.2, 0.3), turned), pixels(orbit(0.2 - 0.7, 0.3), points))


def test_look_at_and_orbit_agree_also_at_the_poles():
    azimuth = torch.cat([torch.rand(40, generator=stream(), dtype=D) * 6, torch.zeros(2, dtype=D)])
    elevation = torch.rand(42, generator=stream(1), dtype=D) * 3 - 1.5
    elevation[-2:] = torch.tensor([math.pi / 2, -math.pi / 2])
    orbiting = Camera.orbit(azimuth, elevation, 3.0, 40.0, SIZE)
    looking = Camera.look_at(orbiting.position, torch.zeros(1, 3, dtype=D), 40.0, SIZE)
    torch.testing.assert_close(looking.world_to_camera, orbiting.world_to_camera, atol=1e-9, rtol=0)
    torch.testing.assert_close(looking.intrinsics, orbiting.intrinsics)


@pytest.mark.parametrize("up", [(0, 1, 0), (1, 0, 0), (0.3, 0.2, -1)])
def test_look_at_gives_rotations_that_look_at_the_target(up):
    position, target = torch.randn(20, 3, generator=stream(), dtype=D), torch.randn(20, 3, generator=stream(1), dtype=D)
    position[0], target[0] = target[0] + torch.tensor(up, dtype=D), target[0]  # straight down
    camera = Camera.look_at(position, target, 40.0, SIZE, up=torch.tensor([up], dtype=D))
    torch.testing.assert_close(camera.rotation @ camera.rotation.mT, torch.eye(3, dtype=D).expand(20, 3, 3))
    torch.testing.assert_close(torch.linalg.det(camera.rotation), torch.ones(20, dtype=D))
    torch.testing.assert_close(camera.position, position)
    seen = camera.to_camera(target[:, None])[:, 0]
    torch.testing.assert_close(seen[:, :2], torch.zeros(20, 2, dtype=D), atol=1e-12, rtol=0)
    assert (seen[:, 2] > 0).all()
    above = camera.to_camera((target + 0.1 * torch.tensor(up, dtype=D))[:, None])[1:, 0]
    assert (above[:, 1] < 0).all()  # what is above the target is higher in the image


def test_viewpoint_undoes_orbit():
    azimuth, elevation = torch.linspace(-3, 3, 7, dtype=D), torch.linspace(-1.5, 1.5, 7, dtype=D)
    distance = torch.linspace(1, 4, 7, dtype=D)
    for expected, got in zip(
        (azimuth, elevation, distance), viewpoint(Camera.orbit(azimuth, elevation, distance, 40.0, SIZE)), strict=True
    ):
        torch.testing.assert_close(got, expected)


def test_to_world_undoes_to_camera():
    camera = Camera(torch.cat([random_rotations(5, stream(), D), torch.randn(5, 3, 1, dtype=D)], -1), orbit_k(5))
    points = torch.randn(5, 7, 3, generator=stream(1), dtype=D)
    torch.testing.assert_close(camera.to_world(camera.to_camera(points)), points)
    torch.testing.assert_close(camera.to_camera(camera.position[:, None]), torch.zeros(5, 1, 3, dtype=D))


def orbit_k(batch):
    return pinhole(torch.full((batch,), 40.0, dtype=D), SIZE)


def test_orbit_has_exact_gradients_in_every_number():
    numbers = [torch.tensor(value, dtype=D) for value in ([0.3, 2], [0.1, 1.57], [2.0, 3], [40, 50])]
    points = torch.randn(1, 4, 3, generator=stream(), dtype=D) * 0.3
    assert_exact(lambda *n: pixels(Camera.orbit(*n, SIZE), points), *numbers)


def test_a_resized_camera_sees_the_same_relative_to_the_image():
    camera, points = orbit(0.4, 0.2), torch.randn(1, 9, 3, generator=stream(), dtype=D) * 0.3
    larger = camera.resized(SIZE, (96, 32))
    scale = torch.tensor([32 / 64, 96 / 48], dtype=D)
    torch.testing.assert_close(pixels(larger, points), pixels(camera, points) * scale)


def test_a_field_of_view_fills_the_image():
    focal = focal_length(math.pi / 3, 64)
    edge = point(2 * math.tan(math.pi / 6), 0, 0)  # 30 degrees to the right, 2 away
    assert pixels(orbit(focal=focal), edge)[0, 0, 0].item() == pytest.approx(64)
    assert focal_length(torch.tensor([math.pi / 2]), 64).item() == pytest.approx(32)


def test_weak_perspective_agrees_where_the_object_stands():
    camera = orbit(0.3, 0.5, distance=3.0)
    weak = camera.weak_perspective()
    across = camera.to_world(torch.tensor([[[0.4, -0.3, 3.0]]], dtype=D))  # at the depth of the origin
    torch.testing.assert_close(pixels(weak, across), pixels(camera, across))
    far = Camera.orbit(torch.tensor(0.3, dtype=D), 0.5, 3000.0, 50_000.0, SIZE)  # perspective fades with distance
    points = torch.randn(1, 9, 3, generator=stream(), dtype=D) * 0.3
    torch.testing.assert_close(pixels(far.weak_perspective(), points), pixels(far, points), atol=0.01, rtol=0)


def test_numbers_and_tensors_mix_and_cameras_stay_a_batch():
    camera = Camera.orbit(torch.zeros(4), 0.1, torch.tensor([2.0]), 40, SIZE)
    assert len(camera) == 4 and len(camera[1:3]) == 2 and len(camera[torch.tensor([0, 3, 3])]) == 3
    assert camera.to(torch.float64).intrinsics.dtype == torch.float64
    assert len(Camera.orbit(0.0, 0.0, 2.0, 40.0, SIZE)) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Camera(torch.zeros(1, 4, 4), torch.zeros(1, 3, 3)),
            r"world_to_camera must be \[batch, 3, 4\].*4, 4\]",
        ),
        (lambda: Camera(torch.zeros(3, 4), torch.zeros(1, 3, 3)), r"world_to_camera must be .* got \[3, 4\]"),
        (
            lambda: Camera(torch.zeros(2, 3, 4), torch.zeros(1, 3, 3)),
            r"one batch size, got \[2, 3, 4\] and \[1, 3, 3\]",
        ),
        (lambda: Camera(torch.zeros(1, 3, 4).long(), torch.zeros(1, 3, 3)), r"must be floating point, got torch.int64"),
        (lambda: Camera(torch.zeros(1, 3, 4), torch.zeros(1, 3, 3).double()), r"of one type, got torch.float32 and"),
        (lambda: Camera(torch.zeros(1, 3, 4), torch.zeros(1, 3, 3, device="meta")), r"one device, got .*cpu.*meta"),
        (lambda: Camera([[0.0]], torch.zeros(1, 3, 3)), r"world_to_camera must be a tensor .* got list"),
        (lambda: orbit()[0], r"write camera\[0 : 1\]"),
        (lambda: Camera.orbit(torch.zeros(2), torch.zeros(3), 1.0, 40.0, SIZE), r"got shapes \[2\], \[3\], \[\], \[\]"),
        (lambda: Camera.orbit(torch.zeros(2, 1), 0.0, 1.0, 40.0, SIZE), r"single or tensors \[batch\].*\[2, 1\]"),
        (lambda: Camera.orbit(0.0, 0.0, 1.0, 40.0, (0, 4)), r"size must be .* got \(0, 4\)"),
        (lambda: Camera.orbit(0.0, 0.0, 1.0, 40.0, (4,)), r"size must be \(height, width\).* got \(4,\)"),
        (lambda: Camera.orbit(0.0, 0.0, 1.0, 40.0, 4), "size must be .* got 4"),
        (lambda: orbit().resized(SIZE, (4.5, 4)), r"whole numbers .* got \(4.5, 4\)"),
        (lambda: Camera.look_at(torch.ones(1, 3), torch.ones(1, 3), 40.0, SIZE), "cannot stand at the point"),
        (
            lambda: Camera.look_at(torch.ones(2, 3), torch.zeros(3, 3), 40.0, SIZE),
            "position has 2, target has 3, up has 1",
        ),
        (lambda: Camera.look_at(torch.ones(2, 3), torch.zeros(1, 3), torch.ones(3), SIZE), "focal has 3"),
        (lambda: Camera.look_at([0, 0, 1], torch.zeros(1, 3), 40.0, SIZE), "position must be a tensor .* got list"),
        (lambda: orbit().to_camera(torch.zeros(4, 3)), r"points must be \[batch, points, 3\]"),
        (lambda: Camera.orbit(torch.zeros(2), 0.0, 1.0, 9.0, SIZE).to_world(torch.zeros(3, 4, 3)), "camera has 2"),
        (lambda: Camera.orbit(0.0, 0.0, 0.0, 9.0, SIZE).weak_perspective(), "before each camera, got a depth of 0"),
        (lambda: focal_length(0.0, 64), "field_of_view must be above 0 and below pi radians, got 0.0"),
        (lambda: orbit(orthographic=True).weak_perspective(), "are orthographic"),
    ],
)
def test_wrong_input_is_named(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    with pytest.raises(ShapeError, match=message):
        call()
