"""Inside autocast geometry is as precise as outside."""

import pytest
import torch

from genstruct.geometry.camera import Camera
from genstruct.geometry.measures import cotangent_laplacian, vertex_normals
from genstruct.geometry.plane import Plane, plane_homography
from genstruct.geometry.precision import full_precision
from genstruct.geometry.rotation import about_y, from_six, geodesic_distance
from genstruct.geometry.surfaces import octahedral_sphere, sample_at_vertices

SPHERE = octahedral_sphere(4)
CAMERA = Camera.orbit(0.3, 0.2, 2.5, 60.0, (48, 64))
TURN = about_y(torch.tensor([0.31]))
CALLS = {
    "to_camera": lambda: CAMERA.to_camera(SPHERE.vertices),
    "position": lambda: CAMERA.position,
    "look_at": lambda: Camera.look_at(CAMERA.position, torch.zeros(1, 3), 40.0, (8, 8)).world_to_camera,
    "normals": lambda: vertex_normals(SPHERE.vertices, SPHERE.faces),
    "laplacian": lambda: cotangent_laplacian(SPHERE.vertices, SPHERE.faces),
    "homography": lambda: plane_homography(Plane.facing(0.1, 0.2), TURN, CAMERA).matrix,
    "distance": lambda: geodesic_distance(TURN, CAMERA.rotation),
    "sampling": lambda: sample_at_vertices(SPHERE, torch.linspace(0, 1, 64).view(1, 1, 8, 8)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_autocast_changes_nothing(call):
    expected = call()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = call()
    assert found.dtype == torch.float32 and torch.equal(found, expected)


def test_rotations_from_a_network_in_half_precision_are_rotations():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        columns = torch.nn.Linear(4, 6)(torch.ones(5, 4))
        rotations = from_six(columns)
    assert columns.dtype == torch.bfloat16 and rotations.dtype == torch.float32
    torch.testing.assert_close(rotations.mT @ rotations, torch.eye(3).expand(5, 3, 3), atol=1e-6, rtol=0)


def test_other_arguments_and_other_types_pass_through():
    seen = full_precision(lambda *args, **kwargs: (args, kwargs))
    double, count = torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    args, kwargs = seen(double, count, 3, half=torch.zeros(1, dtype=torch.float16))
    assert args[0] is double and args[1] is count and args[2] == 3 and kwargs["half"].dtype == torch.float32
