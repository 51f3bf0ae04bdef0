"""Cameras of other programs: round trips, and pixels found by their own rules."""

import warnings

import jaxtyping
import pytest
import torch

from genstruct.errors import ShapeError
from genstruct.geometry.camera import Camera
from genstruct.geometry.conventions import from_opengl, from_pytorch3d, to_opengl, to_pytorch3d
from genstruct.geometry.rotation import random_rotations

D = torch.float64
SIZE = (48, 64)


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def cameras(orthographic, skew=0.0):
    """Turned and shifted at random, with other pixels across than down and the axis off the middle."""
    pose = torch.cat([random_rotations(6, stream(), D), torch.randn(6, 3, 1, generator=stream(1), dtype=D)], -1)
    pose[:, 2, 3] = 4
    intrinsics = torch.tensor([[40.0, skew, 35], [0, 50, 20], [0, 0, 1]], dtype=D).expand(6, 3, 3)
    return Camera(pose, intrinsics, orthographic)


def points():
    return torch.randn(1, 9, 3, generator=stream(2), dtype=D) * 0.5


def pixels(camera):
    local = camera.to_camera(points())
    plane = local if camera.orthographic else local / local[..., 2:]
    return (torch.cat([plane[..., :2], torch.ones_like(plane[..., :1])], -1) @ camera.intrinsics.mT)[..., :2]


@pytest.mark.parametrize("orthographic", [False, True])
def test_opengl_and_back_is_the_same_camera(orthographic):
    camera = cameras(orthographic, skew=3.0)
    back = from_opengl(*to_opengl(camera, SIZE, 0.5, 10.0), SIZE)
    torch.testing.assert_close(back.world_to_camera, camera.world_to_camera)
    torch.testing.assert_close(back.intrinsics, camera.intrinsics)
    assert back.orthographic == orthographic


@pytest.mark.parametrize("orthographic", [False, True])
def test_opengl_draws_points_where_we_do(orthographic):
    camera = cameras(orthographic, skew=3.0)
    view, projection = to_opengl(camera, SIZE, 0.5, 10.0)
    clip = torch.cat([points(), torch.ones(1, 9, 1, dtype=D)], -1) @ view.mT @ projection.mT
    ndc = clip[..., :3] / clip[..., 3:]
    seen = torch.stack([(ndc[..., 0] + 1) / 2 * SIZE[1], (1 - ndc[..., 1]) / 2 * SIZE[0]], -1)
    torch.testing.assert_close(seen, pixels(camera))
    order = camera.to_camera(points())[..., 2].argsort()
    assert torch.equal(ndc[..., 2].argsort(), order)  # nearer is smaller
    assert (ndc[..., 2].abs() < 1).all()


def test_the_depths_of_the_clipping_planes_are_minus_and_plus_one():
    for orthographic in (False, True):
        _, projection = to_opengl(cameras(orthographic), SIZE, 0.5, 10.0)
        clip = torch.tensor([[0, 0, -0.5, 1], [0, 0, -10, 1]], dtype=D) @ projection[0].mT
        torch.testing.assert_close(clip[:, 2] / clip[:, 3], torch.tensor([-1.0, 1.0], dtype=D))


def test_the_projection_is_the_one_of_the_textbook():
    # gluPerspective with 90 degrees and aspect 4/3: cot(45 degrees) / aspect and cot(45 degrees).
    camera = Camera.orbit(0.0, 0.0, 2.0, 24.0, SIZE)
    _, projection = to_opengl(camera, SIZE, 1.0, 3.0)
    expected = torch.tensor([[0.75, 0, 0, 0], [0, 1, 0, 0], [0, 0, -2, -3], [0, 0, -1, 0]])
    torch.testing.assert_close(projection[0], expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: to_opengl(cameras(False), SIZE, 2.0, 1.0), "near < far, got 2.0 and 1.0"),
        (lambda: to_opengl(cameras(False), SIZE, 0.0, 1.0), "0 < near"),
        (
            lambda: from_opengl(torch.eye(4)[None], torch.zeros(1, 4, 4), SIZE),
            r"last row .* got \[0.0, 0.0, 0.0, 0.0\]",
        ),
        (lambda: to_opengl(cameras(False), (0, 4), 0.1, 1.0), r"size must be .* got \(0, 4\)"),
        (lambda: from_opengl(torch.eye(4)[None], torch.eye(4)[None], (4,)), r"size must be .* got \(4,\)"),
    ],
)
def test_what_is_no_camera_is_refused(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    with pytest.raises(ShapeError, match=message):
        call()


@pytest.fixture
def peer():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("pytorch3d.renderer")


@pytest.mark.parametrize("orthographic", [False, True])
def test_pytorch3d_draws_points_where_we_do_and_back_is_the_same_camera(peer, orthographic):
    camera = cameras(orthographic)
    theirs = to_pytorch3d(camera, SIZE)
    seen = theirs.transform_points_screen(points().float().expand(6, 9, 3), image_size=(SIZE,))
    torch.testing.assert_close(seen[..., :2].to(D), pixels(camera), atol=1e-4, rtol=0)  # theirs is float32
    kept = theirs.R.clone()
    back = from_pytorch3d(theirs, SIZE).to(D)
    torch.testing.assert_close(back.world_to_camera, camera.world_to_camera, atol=1e-6, rtol=0)
    torch.testing.assert_close(back.intrinsics, camera.intrinsics, atol=1e-4, rtol=0)
    assert back.orthographic == orthographic
    assert torch.equal(theirs.R, kept)  # theirs is left as it was


def test_every_parametrisation_of_pytorch3d_is_understood(peer):
    rotation, translation = peer.look_at_view_transform(dist=3.0, elev=20.0, azim=torch.tensor([0.0, 50.0]))
    pose = {"R": rotation, "T": translation}
    screen = peer.PerspectiveCameras(
        focal_length=50.0, principal_point=((30.0, 20.0),), in_ndc=False, image_size=(SIZE,), **pose
    )
    kinds = [screen, peer.FoVPerspectiveCameras(fov=60, **pose), peer.FoVOrthographicCameras(max_x=0.7, **pose)]
    for theirs in kinds:
        camera = from_pytorch3d(theirs, SIZE).to(D)
        seen = theirs.transform_points_screen(points().float().expand(2, 9, 3), image_size=(SIZE,))
        torch.testing.assert_close(seen[..., :2].to(D), pixels(camera), atol=1e-3, rtol=0)


def test_viewpoints_of_pytorch3d_are_ours(peer):
    azimuth = torch.tensor([0.0, 50.0, 200.0])
    rotation, translation = peer.look_at_view_transform(dist=3.0, elev=20.0, azim=azimuth)
    theirs = from_pytorch3d(peer.PerspectiveCameras(R=rotation, T=translation), SIZE)
    ours = Camera.orbit(azimuth.deg2rad(), torch.tensor(20.0).deg2rad(), 3.0, 40.0, SIZE)
    torch.testing.assert_close(theirs.world_to_camera, ours.world_to_camera, atol=1e-5, rtol=0)


def test_pytorch3d_cannot_skew(peer):
    with pytest.raises(ShapeError, match="no skew"):
        to_pytorch3d(cameras(False, skew=1.0), SIZE)
