"""Measures of meshes: closed forms of spheres and squares, invariances, agreement with PyTorch3D, exact gradients."""

import math
import warnings

import jaxtyping
import pytest
import torch
from gradients import assert_exact

from genstruct.errors import ShapeError
from genstruct.geometry.measures import (
    bounds,
    cotangent_laplacian,
    edge_lengths,
    face_areas,
    face_normals,
    laplacian,
    unique_edges,
    vertex_normals,
    volume,
)
from genstruct.geometry.rotation import random_rotations
from genstruct.geometry.surfaces import box, icosphere, octahedral_sphere, sheet

D = torch.float64
MEASURES = (face_normals, face_areas, vertex_normals, volume, edge_lengths, laplacian, cotangent_laplacian)
TRIANGLE = torch.tensor([[0, 1, 2]])
NONE = torch.zeros(0, 3, dtype=torch.int64)


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def sphere(subdivisions=3, radius=1.0):
    mesh = icosphere(subdivisions).to(dtype=D)
    return torch.nn.functional.normalize(mesh.vertices, dim=-1) * radius, mesh.faces


def bumpy(make=lambda: octahedral_sphere(4), batch=2):
    mesh = make().to(dtype=D)
    return mesh.vertices + 0.1 * torch.randn(batch, *mesh.vertices.shape[1:], generator=stream(), dtype=D), mesh.faces


def test_a_right_triangle():
    vertices = torch.tensor([[[0.0, 0, 0], [3, 0, 0], [0, 4, 0]]])
    assert face_normals(vertices, TRIANGLE).tolist() == [[[0, 0, 1]]]
    assert face_normals(vertices, TRIANGLE.flip(1)).tolist() == [[[0, 0, -1]]]
    assert face_areas(vertices, TRIANGLE).item() == 6
    assert edge_lengths(vertices, TRIANGLE).tolist() == [[3, 4, 5]]
    assert bounds(vertices).highest.tolist() == [[3, 4, 0]] and bounds(vertices).lowest.tolist() == [[0, 0, 0]]


def test_a_sphere():
    vertices, faces = sphere(3, radius=2.0)
    torch.testing.assert_close(vertex_normals(vertices, faces), vertices / 2, atol=0.02, rtol=0)
    assert volume(vertices, faces).item() == pytest.approx(4 / 3 * math.pi * 8, rel=0.02)
    assert volume(vertices, faces.flip(1)).item() == pytest.approx(-volume(vertices, faces).item())
    curvature = cotangent_laplacian(vertices, faces)  # 2 / r inwards
    off = (curvature + vertices / 2).norm(dim=-1)
    assert (off > 0.03).sum() == 12 and off.max() < 0.15  # where five triangles meet


def test_curvature_does_not_depend_on_the_triangles_but_the_uniform_laplacian_does():
    mesh = octahedral_sphere(32).to(dtype=D)
    length = cotangent_laplacian(mesh.vertices, mesh.faces).norm(dim=-1)
    # All but the corners of the octahedron, where four triangles meet and a third of their area is too little.
    assert length.mean().item() == pytest.approx(2, rel=0.02) and ((length - 2).abs() > 0.1).sum() <= 6
    uniform = laplacian(mesh.vertices, mesh.faces).norm(dim=-1)
    assert uniform.std() > 0.2 * uniform.mean()


def test_a_flat_grid_has_no_curvature_inside():
    mesh = sheet(6, 6).to(dtype=D)
    vertices = mesh.vertices + 0.03 * torch.randn(1, 49, 3, generator=stream(), dtype=D) * torch.tensor([1.0, 1, 0])
    inside = torch.arange(49).view(7, 7)[1:-1, 1:-1].flatten()
    left = torch.arange(49).view(7, 7)[1:-1, 1:3].flatten()  # diagonals are mirrored in the middle
    assert cotangent_laplacian(vertices, mesh.faces)[0, inside].abs().max() < 1e-10
    assert laplacian(mesh.vertices, mesh.faces)[0, left].norm(dim=-1).max() < 1e-6  # evenly spread too
    assert laplacian(vertices, mesh.faces)[0, inside].norm(dim=-1).max() > 0.02


def test_the_uniform_laplacian_is_the_mean_of_the_neighbors():
    vertices, faces = bumpy(lambda: box())
    edges = unique_edges(faces)
    for vertex in range(8):
        near = torch.cat([edges[edges[:, 0] == vertex, 1], edges[edges[:, 1] == vertex, 0]])
        expected = vertices[:, near].mean(1) - vertices[:, vertex]
        torch.testing.assert_close(laplacian(vertices, faces)[:, vertex], expected)


def test_edges_are_unique_and_sorted():
    edges = unique_edges(torch.tensor([[2, 1, 0], [1, 2, 3]]))
    assert edges.tolist() == [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]


@pytest.mark.parametrize("measure", [face_normals, vertex_normals, laplacian, cotangent_laplacian])
def test_directions_turn_with_the_mesh(measure):
    vertices, faces = bumpy()
    turn = random_rotations(1, stream(1), D)[0]
    torch.testing.assert_close(measure(vertices @ turn.mT + 3, faces), measure(vertices, faces) @ turn.mT)


@pytest.mark.parametrize("measure", [face_areas, volume, edge_lengths])
def test_sizes_do_not_turn_with_the_mesh(measure):
    vertices, faces = bumpy()
    turn = random_rotations(1, stream(1), D)[0]
    torch.testing.assert_close(measure(vertices @ turn.mT + 3, faces), measure(vertices, faces))


@pytest.mark.parametrize("measure", MEASURES)
def test_every_mesh_of_a_batch_is_measured_alone(measure):
    vertices, faces = bumpy(batch=3)
    together = measure(vertices, faces)
    assert len(together) == 3
    torch.testing.assert_close(together[1:2], measure(vertices[1:2], faces))


@pytest.mark.parametrize("measure", MEASURES)
def test_gradients_are_exact(measure):
    vertices, faces = bumpy(lambda: octahedral_sphere(2), batch=1)
    assert_exact(lambda x: measure(x, faces), vertices)


@pytest.mark.parametrize("measure", MEASURES)
def test_triangles_without_area_do_no_harm(measure):
    vertices = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0], [0, 0, 0]]], requires_grad=True)
    faces = torch.tensor(
        [[0, 1, 2], [0, 4, 1], [0, 0, 3], [0, 1, 3]]
    )  # collinear, coincident, repeated, and a good one
    measured = measure(vertices, faces)
    assert torch.isfinite(measured).all()
    measured.sum().backward()
    assert torch.isfinite(vertices.grad).all() and vertices.grad.abs().max() < 100


@pytest.mark.parametrize("measure", MEASURES)
def test_empty_meshes_measure_nothing(measure):
    for vertices in (torch.zeros(2, 0, 3), torch.rand(2, 5, 3)):
        measured = measure(vertices, NONE)
        assert len(measured) == 2 and not measured.any()


@pytest.mark.parametrize("measure", MEASURES)
def test_no_meshes_measure_nothing(measure):
    assert len(measure(torch.zeros(0, 3, 3), TRIANGLE)) == 0


def test_bounds_need_a_vertex():
    with pytest.raises(ShapeError, match=r"bounds need a vertex, got vertices \[2, 0, 3\]"):
        bounds(torch.zeros(2, 0, 3))


@pytest.mark.parametrize(
    "measure", [face_normals, face_areas, vertex_normals, volume, edge_lengths, cotangent_laplacian, laplacian]
)
@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (torch.rand(3, 3), TRIANGLE, r"vertices must be \[batch, vertices, "),
        (torch.rand(1, 3, 3).long(), TRIANGLE, "vertices must be floating point, got torch.int64"),
        (torch.rand(1, 3, 3), TRIANGLE.int(), "must be int64, got torch.int32"),
        (torch.rand(1, 2, 3), TRIANGLE, r"faces \[1, 3\] must hold rows of vertices, 0 to 1, got 0 to 2"),
        (torch.rand(1, 3, 3, device="meta"), TRIANGLE, "one device, got vertices on meta, faces on cpu"),
    ],
)
def test_wrong_input_is_named(measure, vertices, faces, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    with pytest.raises(ShapeError, match=message):
        measure(vertices, faces)


def test_measures_are_those_of_pytorch3d():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        structures = pytest.importorskip("pytorch3d.structures")
        compare_with(structures.Meshes)


def compare_with(meshes):
    vertices, faces = bumpy(batch=1)
    peer = meshes(vertices.float(), faces[None])
    torch.testing.assert_close(face_normals(vertices, faces)[0].float(), peer.faces_normals_packed())
    torch.testing.assert_close(face_areas(vertices, faces)[0].float(), peer.faces_areas_packed())
    torch.testing.assert_close(vertex_normals(vertices, faces)[0].float(), peer.verts_normals_packed())
    assert torch.equal(unique_edges(faces), peer.edges_packed())
    expected = peer.laplacian_packed() @ vertices[0].float()
    torch.testing.assert_close(laplacian(vertices, faces)[0].float(), expected)
