"""Warps of planes: pictures of a painted wall computed ray by ray, agreement with kornia, exact gradients."""

import jaxtyping
import pytest
import torch
from gradients import assert_exact
from kornia.geometry.transform import warp_perspective

from genstruct.errors import ConfigError, ShapeError
from genstruct.geometry.camera import Camera
from genstruct.geometry.plane import Homography, Plane, plane_homography
from genstruct.geometry.rotation import about_x, about_y, from_axis_angle
from genstruct.render.layers import affine
from genstruct.render.planes import warp_back, warp_plane

D = torch.float64
kinds = pytest.mark.parametrize("orthographic", [False, True], ids=["perspective", "orthographic"])


def camera(size, orthographic=False, batch=1, focal=1.2):
    focal = focal * size[0] * (1 / 3 if orthographic else 1)
    return Camera.orbit(torch.full((batch,), 0.2, dtype=D), 0.1, 3.0, focal, size, orthographic)


def painted(plane, turn, view, size):
    """Picture of a wall with a smooth pattern, turned with it: for each pixel, where its ray meets the wall."""
    rows, columns = (torch.arange(n, dtype=D) + 0.5 for n in size)
    u, v = torch.meshgrid(columns, rows, indexing="xy")
    rays = torch.stack([u, v, torch.ones_like(u)], -1).view(1, -1, 3) @ torch.linalg.inv(view.intrinsics).mT
    if view.orthographic:
        start = view.to_world(rays * torch.tensor([1.0, 1, 0], dtype=D))
        direction = view.rotation[:, 2:]
    else:
        start, direction = view.position[:, None], rays @ view.rotation
    normal = (turn @ plane.normal[..., None]).mT
    points = start - direction * (start * normal).sum(-1, keepdim=True) / (direction * normal).sum(-1, keepdim=True)
    x, y, z = (points @ turn).unbind(-1)  # on the wall before it turned
    pattern = torch.stack([(3 * x).sin() * (2 * y).cos(), (2 * x + y).cos(), (3 * z - y).sin()], 1)
    return (pattern / 2 + 0.5).view(1, 3, *size)


@kinds
def test_a_painted_wall_turns_as_it_should(orthographic):
    size = (96, 128)
    view, plane = camera(size, orthographic), Plane.facing(torch.tensor([-0.3], dtype=D), 0.2)
    turn = from_axis_angle(torch.tensor([[0.2, -0.3, 0.1]], dtype=D))
    before, after = painted(plane, torch.eye(3, dtype=D)[None], view, size), painted(plane, turn, view, size)
    warped = warp_plane(torch.cat([before, torch.ones_like(before[:, :1])], 1), plane, turn, view)
    covered = warped[0, 3] > 0.999
    assert 0.5 < covered.double().mean() < 1
    assert (warped[:, :3] - after)[:, :, covered].abs().max() < 0.004  # bilinear error of the pattern
    assert (before - after)[:, :, covered].abs().max() > 0.3  # it did turn


@kinds
def test_no_turn_gives_the_picture_back(orthographic):
    picture = torch.rand(2, 3, 9, 13, dtype=D)
    plane, still = Plane.facing(torch.tensor(0.1, dtype=D), 0.3), torch.eye(3, dtype=D)[None]
    kept = warp_plane(picture, plane, still, camera((9, 13), orthographic))
    torch.testing.assert_close(kept, picture, atol=1e-9, rtol=0)


def test_a_wall_that_turns_away_shrinks_like_a_layer():
    picture = torch.rand(1, 2, 16, 16, dtype=D)
    view = Camera.orbit(torch.zeros(1, dtype=D), 0.0, 3.0, 8.0, (16, 16), orthographic=True)
    angle = torch.tensor([0.4], dtype=D)
    wide = warp_plane(picture, Plane.facing(angle, 0.0), about_y(-angle), view, fill="replicate")
    tall = warp_plane(picture, Plane.facing(torch.zeros(1, dtype=D), angle), about_x(angle), view, fill="replicate")
    both = warp_plane(wide, Plane.facing(torch.zeros(1, dtype=D), angle), about_x(angle), view, fill="replicate")
    grown = affine(picture, torch.zeros(1, 2, dtype=D), 1 / angle.cos(), "replicate")
    assert (wide[0, :, :, 8] - picture[0, :, :, 8]).abs().max() > 0  # it did something
    torch.testing.assert_close(
        tall.mT, warp_plane(picture.mT, Plane.facing(angle, 0.0), about_y(-angle), view, fill="replicate")
    )
    # Two bilinear lookups in turn, one along each axis, are one along both.
    torch.testing.assert_close(both, grown)


def test_warps_are_those_of_a_peer():
    size = (40, 56)
    view, plane = camera(size), Plane.facing(torch.tensor([0.4], dtype=D), 0.2)
    turn = from_axis_angle(torch.tensor([[0.3, 0.4, -0.2]], dtype=D))
    picture = torch.rand(1, 3, *size, dtype=D, generator=torch.Generator().manual_seed(0))
    half = torch.tensor([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]], dtype=D)  # its pixel centres are whole numbers
    matrix = half.inverse() @ plane_homography(plane, turn, view).matrix @ half
    expected = warp_perspective(picture, matrix, size, align_corners=True)
    assert (expected == 0).double().mean() < 0.5
    torch.testing.assert_close(warp_plane(picture, plane, turn, view), expected)


def shrunk(picture, across, down, samples):
    """The picture at 1 / across of its width and 1 / down of its height, its border repeated."""
    back = Homography(torch.diag(torch.tensor([across, down, 1], dtype=D))[None], *PLAIN)
    return warp_back(picture, back, "replicate", samples)[:, :, : int(SIDE / down), : int(SIDE / across)]


PLAIN = torch.tensor([[0, 0, 1]], dtype=D), torch.ones(1, dtype=D)
SIDE = 48
STRIPES = (torch.arange(SIDE) % 2).to(D).expand(1, 1, SIDE, SIDE)
CHECKERS = (STRIPES - STRIPES.mT).abs()


@pytest.mark.parametrize(("shrink", "samples"), [(1.6, 3), (1.9, 3), (2.4, 4), (3.3, 6), (4.4, 8)])
def test_a_fine_checkerboard_that_shrinks_becomes_its_mean(shrink, samples):
    inside = (..., slice(2, -2), slice(2, -2))
    assert (shrunk(CHECKERS, shrink, shrink, 1)[inside] - 0.5).abs().max() > 0.3  # aliases
    assert (shrunk(CHECKERS, shrink, shrink, samples)[inside] - 0.5).abs().max() < 0.05


def test_what_only_shrinks_in_width_is_not_blurred_in_height():
    narrow = shrunk(STRIPES, 2.2, 1, 4)
    assert (narrow[..., 2:-2] - 0.5).abs().max() < 0.06
    torch.testing.assert_close(shrunk(STRIPES.mT, 2.2, 1, 4), STRIPES.mT[..., : narrow.shape[-1]])


def test_shrinking_is_that_of_resizing():
    picture = torch.rand(1, 3, SIDE, SIDE, dtype=D, generator=torch.Generator().manual_seed(0))
    small = torch.nn.functional.interpolate(picture, (SIDE // 2,) * 2, mode="bilinear", antialias=True)
    ours, plain = shrunk(picture, 2, 2, 6), shrunk(picture, 2, 2, 1)
    inside = (..., slice(2, -2), slice(2, -2))
    assert (ours - small)[inside].square().mean().sqrt() < 0.2 * (plain - small)[inside].square().mean().sqrt()


@kinds
def test_no_turn_gives_the_picture_back_with_many_samples_too(orthographic):
    picture = torch.rand(2, 3, 9, 13, dtype=D)
    plane, still = Plane.facing(torch.tensor(0.1, dtype=D), 0.3), torch.eye(3, dtype=D)[None]
    kept = warp_plane(picture, plane, still, camera((9, 13), orthographic), samples=3)
    torch.testing.assert_close(kept, picture, atol=1e-9, rtol=0)


@kinds
def test_each_picture_turns_alone(orthographic):
    picture = torch.rand(3, 2, 8, 10, dtype=D)
    plane = Plane.facing(torch.tensor([0.0, 0.3, -0.2], dtype=D), 0.1)
    turn = about_y(torch.tensor([0.3, -0.2, 0.1], dtype=D))
    together = warp_plane(picture, plane, turn, camera((8, 10), orthographic, batch=3))
    for n in range(3):
        one = slice(n, n + 1)
        alone = warp_plane(picture[one], Plane(plane.normal[one]), turn[one], camera((8, 10), orthographic))
        torch.testing.assert_close(together[one], alone)
    shared = warp_plane(picture[:1], plane, turn, camera((8, 10), orthographic))  # one picture, three hypotheses
    assert shared.shape == (3, 2, 8, 10)
    torch.testing.assert_close(shared[:1], together[:1])


def test_what_is_not_seen_is_empty():
    picture = torch.ones(3, 1, 8, 8, dtype=D)
    normal = torch.tensor([[0.0, 0, -1], [1, 0, 0], [0, 0, 1]], dtype=D)  # from behind, from the edge, turned away
    view = Camera.orbit(torch.zeros(1, dtype=D), 0.0, 3.0, 8.0, (8, 8))
    turn = about_y(torch.tensor([0.0, 0.0, 2.0], dtype=D))
    for fill in ("zero", "replicate"):
        assert not warp_plane(picture, Plane(normal), turn, view, fill).any()


def test_a_floor_ends_at_its_horizon():
    view = Camera.orbit(torch.zeros(1, dtype=D), 0.0, 2.0, 10.0, (32, 32))
    floor = Plane(torch.tensor([[0.0, 1, 0.3]], dtype=D))
    warped = warp_plane(
        torch.ones(1, 1, 32, 32, dtype=D), floor, about_y(torch.tensor([0.1], dtype=D)), view, "replicate"
    )
    assert not warped[0, 0, :10].any()  # sky
    assert warped[0, 0, 20:].all()


@kinds
@pytest.mark.parametrize(("fill", "samples"), [("zero", 1), ("replicate", 1), ("zero", 3)])
def test_gradients_are_exact(orthographic, fill, samples):
    picture = torch.rand(1, 1, 4, 5, dtype=D, generator=torch.Generator().manual_seed(1))
    view = camera((4, 5), orthographic)
    normal = Plane.facing(torch.tensor([0.3], dtype=D), 0.2).normal
    vector = torch.tensor([[0.21, -0.13, 0.17]], dtype=D) * (1 if samples == 1 else 4)  # shrinks

    def warped(image, normal, vector, pose):
        return warp_plane(
            image, Plane(normal), from_axis_angle(vector), Camera(pose, view.intrinsics, orthographic), fill, samples
        )

    assert_exact(warped, picture, normal, vector, view.world_to_camera)


@pytest.mark.parametrize("samples", [1, 3])
def test_gradients_are_finite_where_a_plane_passes_the_camera(samples):
    picture = torch.rand(1, 1, 16, 16)
    normal = torch.tensor([[0.0, 1, 0.05]], requires_grad=True)  # nearly seen from its edge
    view = Camera.orbit(0.0, 0.0, 1.0, 4.0, (16, 16))
    warped = warp_plane(picture, Plane(normal), about_x(torch.tensor([0.04])), view, samples=samples)
    warped.sum().backward()
    assert torch.isfinite(warped).all() and torch.isfinite(normal.grad).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.rand(3, 8, 8), r"image must be \[batch, channels, height, width\], got \[3, 8, 8\]"),
        (torch.zeros(1, 3, 8, 8).byte(), "image must be floating point, got torch.uint8"),
        (torch.rand(1, 3, 8, 8).double(), "image must be .* of torch.float32 like rotation"),
        (torch.rand(1, 3, 0, 8), r"not empty, got torch.float32 \[1, 3, 0, 8\]"),
        (torch.rand(3, 3, 8, 8), r"image \[3, 3, 8, 8\] must have a batch of 1 or 2"),
        (torch.rand(1, 3, 8, 8, device="meta"), "one device, got image on meta"),
    ],
)
def test_wrong_input_is_named(image, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    view = Camera.orbit(0.0, 0.0, 3.0, 8.0, (8, 8))
    with pytest.raises(ShapeError, match=message):
        warp_plane(image, Plane.facing(torch.zeros(2), 0.0), about_y(torch.zeros(2)), view)


@pytest.mark.parametrize("samples", [0, 1.5])
def test_no_samples_are_refused(samples, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    with pytest.raises(ConfigError, match=f"samples must be a whole number of at least 1, got {samples}"):
        shrunk(CHECKERS, 2, 2, samples)


def test_an_unknown_fill_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ConfigError, match="fill must be zero or replicate, got 'black'"):
        warp_plane(torch.zeros(1, 3, 4, 4), FACING, TURN, Camera.orbit(0.0, 0.0, 3.0, 8.0, (4, 4)), "black")


def test_half_precision_is_widened_and_other_types_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    back = plane_homography(FACING, TURN, Camera.orbit(0.0, 0.0, 3.0, 8.0, (4, 4)))
    image = torch.rand(1, 3, 4, 4).bfloat16()
    torch.testing.assert_close(warp_back(image, back), image.float(), atol=1e-6, rtol=0)
    with pytest.raises(ShapeError, match=r"image must be torch.float32 like the homography, got torch.float64"):
        warp_back(image.double(), back)


FACING, TURN = Plane.facing(0.0, 0.0), torch.eye(3)[None]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", ["plane.normal", "plane.center", "rotation", "camera", "intrinsics"])
def test_numbers_that_are_none_are_found(name, bad):
    camera, one = Camera.orbit(0.0, 0.0, 3.0, 8.0, (4, 4)), torch.ones(1)
    parts = {"plane.normal": FACING.normal, "plane.center": torch.zeros(1, 3), "rotation": TURN}
    parts |= {"camera": camera.world_to_camera, "intrinsics": camera.intrinsics}
    parts[name] = parts[name] + bad * one
    plane = Plane(parts["plane.normal"], parts["plane.center"])
    with pytest.raises(ShapeError, match=f"{name} .* must be finite"):
        warp_plane(torch.zeros(1, 3, 4, 4), plane, parts["rotation"], Camera(parts["camera"], parts["intrinsics"]))
