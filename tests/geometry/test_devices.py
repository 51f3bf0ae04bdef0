"""Geometry on a CUDA device gives what it gives on the CPU."""

import pytest
import torch

from genstruct.geometry.camera import Camera
from genstruct.geometry.measures import cotangent_laplacian, face_areas, laplacian, vertex_normals, volume
from genstruct.geometry.plane import Plane, plane_homography
from genstruct.geometry.rotation import about_y, from_axis_angle, geodesic_distance, to_quaternion
from genstruct.geometry.surfaces import octahedral_sphere, pad_octahedral, sample_at_vertices
from genstruct.render.planes import warp_plane

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def everything(device):
    numbers = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).to(device)
    mesh = octahedral_sphere(8).to(device)
    bent = mesh.vertices + 0.1 * sample_at_vertices(mesh, numbers)
    measures = [f(bent, mesh.faces) for f in (vertex_normals, face_areas, volume, laplacian, cotangent_laplacian)]
    turn, camera = about_y(numbers[0, 0, 0, :2]), Camera.orbit(numbers[0, 1, 0, :2], 0.2, 3.0, 8.0, (8, 8))
    looking = Camera.look_at(camera.position, torch.zeros(1, 3, device=device), 8.0, (8, 8))
    plane = Plane.facing(numbers[0, 1, 0, :2], 0.1)
    found = plane_homography(plane, turn, camera)
    turns = [to_quaternion(turn), from_axis_angle(numbers[:, :, 0, 0]), geodesic_distance(turn, camera.rotation)]
    pictures = [warp_plane(numbers, plane, turn, camera), pad_octahedral(numbers, 2), looking.world_to_camera]
    return [*measures, found.matrix, found.horizon, found.visible, *turns, *pictures, camera.to_camera(bent)]


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_cuda)])
def test_results_stay_on_the_device_and_are_those_of_the_cpu(device):
    for found, expected in zip(everything(device), everything("cpu"), strict=True):
        assert found.device.type == device
        torch.testing.assert_close(found.cpu(), expected, atol=1e-4, rtol=1e-4)
