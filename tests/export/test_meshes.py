"""Mesh files: what is written is read again, by us and by trimesh, with its colours the right way up."""

import jaxtyping
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from genstruct.data.meshes.read import read_mesh
from genstruct.errors import OutputError, ShapeError
from genstruct.export.meshes import write_mesh
from genstruct.geometry.measures import face_normals, volume
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import box, icosphere, octahedral_sphere, sheet

trimesh = pytest.importorskip("trimesh")


def painted(surface, size=32):
    """A texture that is smooth, so that it survives bytes, and different up and down, left and right."""
    ramp = (torch.arange(size) + 0.5) / size
    u, v = torch.meshgrid(ramp, ramp, indexing="xy")
    return Mesh(surface.vertices, surface.faces, surface.uv, surface.uv_faces, torch.stack([u, v, u * v])[None])


def colors_at_middles(mesh):
    corners = mesh.uv[mesh.faces if mesh.uv_faces is None else mesh.uv_faces]
    places = corners.mean(1).view(1, 1, -1, 2) * 2 - 1
    return F.grid_sample(mesh.texture, places, align_corners=False)[0, :, 0].mT


def by_place(mesh):
    """Middles, normals and colours of triangles, in an order that does not depend on their numbers."""
    middles = mesh.vertices[0, mesh.faces].mean(1)
    order = sorted(range(len(middles)), key=lambda n: (middles[n] * 1e3).round().tolist())
    return torch.cat([middles, face_normals(mesh.vertices, mesh.faces)[0], colors_at_middles(mesh)], -1)[order]


@pytest.mark.parametrize("kind", ["glb", "obj"])
@pytest.mark.parametrize("make", [box, lambda: icosphere(1), lambda: octahedral_sphere(4), lambda: sheet(2, 3)])
def test_what_is_written_is_read_again(tmp_path, kind, make):
    mesh = painted(make())
    files = write_mesh(tmp_path / "new folder" / f"a shape.{kind}", mesh)
    assert all(file.is_file() for file in files) and sorted(files) == sorted((tmp_path / "new folder").iterdir())
    back = read_mesh(files[0], fit=False)
    assert back.vertices.shape == mesh.vertices.shape and len(back.faces) == len(mesh.faces)
    torch.testing.assert_close(by_place(back), by_place(mesh), atol=0.006, rtol=0)  # colours are bytes


def test_an_obj_keeps_the_numbers_of_vertices_and_faces(tmp_path):
    mesh = painted(octahedral_sphere(4))
    write_mesh(tmp_path / "a.obj", mesh)
    text = (tmp_path / "a.obj").read_text().splitlines()
    assert sum(line.startswith("v ") for line in text) == mesh.vertices.shape[1]
    assert sum(line.startswith("vt ") for line in text) == len(mesh.uv)
    faces = [[int(corner.split("/")[0]) - 1 for corner in line.split()[1:]] for line in text if line.startswith("f ")]
    assert faces == mesh.faces.tolist()


def test_a_ply_has_the_colors_of_its_vertices(tmp_path):
    mesh = painted(sheet(2, 2))
    write_mesh(tmp_path / "a.ply", mesh)
    peer = trimesh.load_mesh(tmp_path / "a.ply", process=False)
    np.testing.assert_allclose(peer.vertices, mesh.vertices[0].numpy(), atol=1e-6)
    assert np.array_equal(peer.faces, mesh.faces.numpy())
    middle = peer.visual.vertex_colors[4]  # u = v = 1/2
    assert np.abs(middle[:3].astype(int) - [128, 128, 64]).max() <= 1
    assert peer.visual.vertex_colors[2][0] > 245 > 10 > peer.visual.vertex_colors[2][1]  # upper right: u = 1, v = 0


@pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
def test_meshes_without_a_texture_are_written_too(tmp_path, kind):
    solid = box((1.0, 2.0, 3.0))
    for number, mesh in enumerate([Mesh(solid.vertices, solid.faces), solid]):
        files = write_mesh(tmp_path / f"{number}.{kind}", mesh)
        assert len(files) == 1
        back = read_mesh(files[0], fit=False)
        assert volume(back.vertices, back.faces).item() == pytest.approx(6)


def test_other_programs_get_smooth_normals_and_a_matt_surface(tmp_path):
    write_mesh(tmp_path / "a.glb", painted(icosphere(2)))
    (peer,) = trimesh.load_scene(tmp_path / "a.glb", process=False).geometry.values()
    np.testing.assert_allclose(peer.vertex_normals, peer.vertices, atol=0.05)  # also along the seams of the texture
    assert peer.visual.material.metallicFactor == 0 and peer.visual.material.roughnessFactor == 1


def test_an_empty_mesh_is_written_as_it_is(tmp_path):
    write_mesh(tmp_path / "a.ply", Mesh(torch.zeros(1, 0, 3), torch.zeros(0, 3, dtype=torch.int64)))
    assert b"element vertex 0" in (tmp_path / "a.ply").read_bytes()
    with pytest.raises(ShapeError, match=r"at least one triangle, got faces \[0, 3\]"):
        write_mesh(tmp_path / "a.glb", Mesh(torch.zeros(1, 0, 3), torch.zeros(0, 3, dtype=torch.int64)))


@pytest.mark.parametrize("kind", ["glb", "obj", "ply"])
def test_a_mesh_under_training_is_written(tmp_path, kind):
    mesh = painted(box())
    learnt = Mesh(mesh.vertices.clone().requires_grad_(), mesh.faces, mesh.uv, mesh.uv_faces, mesh.texture * 1)
    write_mesh(tmp_path / f"a.{kind}", mesh)
    write_mesh(tmp_path / f"b.{kind}", learnt.to(dtype=torch.float64))
    assert len(learnt.vertices) == 1 and learnt.vertices.requires_grad
    first, second = (read_mesh(tmp_path / f"{name}.{kind}").vertices for name in "ab")
    assert torch.equal(first, second)


def test_what_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    mesh = box()
    with pytest.raises(OutputError, match=r"a.stl must end in .glb, .obj, .ply"):
        write_mesh(tmp_path / "a.stl", mesh)
    pair = Mesh(mesh.vertices.expand(2, -1, -1), mesh.faces)
    with pytest.raises(ShapeError, match=r"got a batch of 2; choose one with mesh\[i"):
        write_mesh(tmp_path / "a.glb", pair)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_mesh(tmp_path / "file" / "a.glb", mesh)
    with pytest.raises(ShapeError, match=r"vertices .* must be finite"):
        write_mesh(tmp_path / "a.glb", Mesh(mesh.vertices / 0, mesh.faces))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
