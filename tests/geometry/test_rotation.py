"""Rotations: round trips, agreement with scipy, exact gradients where other code has none."""

import math

import jaxtyping
import pytest
import torch
from gradients import assert_exact
from scipy.spatial.transform import Rotation as Peer

from genstruct.errors import ShapeError
from genstruct.geometry.rotation import (
    about_x,
    about_y,
    about_z,
    from_axis_angle,
    from_quaternion,
    from_six,
    geodesic_distance,
    random_rotations,
    to_axis_angle,
    to_quaternion,
    to_six,
)

D = torch.float64


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def some(count=50, seed=0):
    return random_rotations(count, stream(seed), D)


@pytest.mark.parametrize(
    ("there", "back"),
    [(to_axis_angle, from_axis_angle), (to_quaternion, from_quaternion), (to_six, from_six)],
    ids=["axis-angle", "quaternion", "six"],
)
def test_there_and_back_is_the_same_rotation(there, back):
    half_turns = torch.stack([about_x(torch.tensor(math.pi)), about_y(torch.tensor(math.pi))]).to(D)
    rotations = torch.cat([some(), torch.eye(3, dtype=D)[None], half_turns])
    torch.testing.assert_close(back(there(rotations)), rotations, atol=1e-6, rtol=0)
    one = rotations[0]  # any number of leading dimensions
    torch.testing.assert_close(back(there(one)), one)
    torch.testing.assert_close(back(there(rotations[:6].unflatten(0, (2, 3)))), rotations[:6].unflatten(0, (2, 3)))


def test_matrices_are_those_of_scipy():
    vectors = torch.randn(50, 3, generator=stream(1), dtype=D)
    torch.testing.assert_close(from_axis_angle(vectors), torch.from_numpy(Peer.from_rotvec(vectors).as_matrix()))
    quaternions = torch.randn(50, 4, generator=stream(2), dtype=D)
    torch.testing.assert_close(from_quaternion(quaternions), torch.from_numpy(Peer.from_quat(quaternions).as_matrix()))
    torch.testing.assert_close(to_axis_angle(some()), torch.from_numpy(Peer.from_matrix(some().numpy()).as_rotvec()))


@pytest.mark.parametrize(("about", "axis"), [(about_x, "x"), (about_y, "y"), (about_z, "z")])
def test_turns_about_the_axes_are_right_handed(about, axis):
    angles = torch.linspace(-4, 4, 9, dtype=D)
    torch.testing.assert_close(
        about(angles), torch.from_numpy(Peer.from_euler(axis, angles[:, None].numpy()).as_matrix())
    )


@pytest.mark.parametrize("lengths", [(1, 1), (1e-30, 1e30), (1e30, 1e30), (1e-30, 1e-30)])
def test_six_numbers_of_any_length_and_angle_give_rotations(lengths):
    columns = torch.randn(100, 6, generator=stream()) * torch.tensor(lengths).repeat_interleave(3)
    rotations = from_six(columns)
    torch.testing.assert_close(rotations.mT @ rotations, torch.eye(3).expand(100, 3, 3))
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(100))


def test_the_distance_is_the_angle_of_the_turn():
    angles = torch.tensor([0.0, 1e-7, 0.3, 2.0, math.pi - 1e-7, math.pi], dtype=D)
    axis = torch.nn.functional.normalize(torch.tensor([1.0, -2.0, 0.5], dtype=D), dim=0)
    start = some(1)
    distance = geodesic_distance(start, start @ from_axis_angle(angles[:, None] * axis))
    torch.testing.assert_close(distance, angles, atol=1e-9, rtol=0)  # also where arccos has no digits left


def test_distances_of_scipy_and_symmetry():
    first, second = some(seed=1), some(seed=2)
    expected = (Peer.from_matrix(first.numpy()).inv() * Peer.from_matrix(second.numpy())).magnitude()
    torch.testing.assert_close(geodesic_distance(first, second), torch.from_numpy(expected))
    torch.testing.assert_close(geodesic_distance(first, second), geodesic_distance(second, first))
    assert geodesic_distance(first[:, None], second).shape == (50, 50)  # broadcasts to all pairs


@pytest.mark.parametrize("function", [from_axis_angle, from_quaternion, from_six])
def test_gradients_are_exact(function):
    size = {from_axis_angle: 3, from_quaternion: 4, from_six: 6}[function]
    assert_exact(function, torch.randn(4, size, generator=stream(3), dtype=D))


def test_the_gradient_at_the_identity_is_exact():
    zero = torch.zeros(1, 3, dtype=D)
    assert_exact(from_axis_angle, zero, step=1e-5)
    assert_exact(lambda v: to_axis_angle(from_axis_angle(v)), zero, step=1e-5)


@pytest.mark.parametrize("angle", [0.0, 1e-4, 1.0, math.pi])
def test_the_distance_never_has_infinite_gradients(angle):
    first = torch.eye(3)[None].requires_grad_()
    geodesic_distance(first, about_y(torch.tensor([angle]))).sum().backward()
    assert torch.isfinite(first.grad).all()


def test_descending_the_distance_arrives():
    target, vector = some(1, seed=5), torch.zeros(1, 3, dtype=D, requires_grad=True)
    for _ in range(60):
        (slope,) = torch.autograd.grad(geodesic_distance(from_axis_angle(vector), target).sum(), vector)
        vector = (vector - 0.1 * slope).detach().requires_grad_()
    assert geodesic_distance(from_axis_angle(vector), target).item() < 0.11  # one step


def test_random_rotations_are_uniform():
    rotations = random_rotations(20_000, stream())
    assert rotations.mean(0).abs().max() < 0.02  # each entry has mean 0 and deviation 0.58 / sqrt(20 000)
    # The angle has density (1 - cos) / pi, so its mean is pi / 2 + 2 / pi.
    angles = geodesic_distance(rotations, torch.eye(3))
    assert angles.mean().item() == pytest.approx(math.pi / 2 + 2 / math.pi, abs=0.02)
    assert torch.equal(rotations, random_rotations(20_000, stream()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_axis_angle(torch.zeros(3, 4)), r"vector must be .*3\], got torch.float32 \[3, 4\]"),
        (lambda: from_axis_angle([0.0, 0.0, 1.0]), r"vector must be a tensor .* got list"),
        (lambda: from_six(torch.zeros(2, 3, 2)), r"columns must be .*6\], got torch.float32 \[2, 3, 2\]"),
        (lambda: to_quaternion(torch.zeros(3, 3, dtype=torch.long)), r"rotation must be floating point .*int64"),
        (
            lambda: geodesic_distance(torch.eye(3).expand(2, 3, 3), torch.eye(3).expand(4, 3, 3)),
            r"one batch size \(or 1\), got \[2, 3, 3\] and \[4, 3, 3\]",
        ),
        (lambda: geodesic_distance(torch.eye(3), torch.zeros(3)), r"second must be .*3, 3\]"),
    ],
)
def test_what_is_no_rotation_is_refused(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    with pytest.raises(ShapeError, match=message):
        call()
