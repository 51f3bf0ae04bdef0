"""Meshes: what is accepted, what is refused, and that range checks see changes."""

import math

import jaxtyping
import pytest
import torch

from genstruct.errors import ShapeError
from genstruct.geometry.mesh import Mesh, check_faces, fitted
from genstruct.geometry.remember import remembered

TRIANGLE = torch.tensor([[0, 1, 2]])


def corners(batch=1, count=3):
    return torch.rand(batch, count, 3, generator=torch.Generator().manual_seed(0))


def textured(**changes):
    parts = {"vertices": corners(), "faces": TRIANGLE, "uv": torch.rand(3, 2), "texture": torch.rand(1, 3, 4, 5)}
    return Mesh(**(parts | changes))


def test_the_batch_is_that_of_vertices_or_of_textures():
    assert len(Mesh(corners(4), TRIANGLE)) == 4
    assert len(textured(texture=torch.rand(6, 3, 4, 5))) == 6
    assert len(textured(vertices=corners(6), texture=torch.rand(1, 3, 4, 5))) == 6
    assert len(textured(texture=torch.rand(6, 3, 4, 5))[:0]) == 0  # vertices are still the one that is shared


def test_some_meshes_of_a_batch_are_a_batch(monkeypatch):
    mesh = textured(texture=torch.rand(6, 3, 4, 5))  # vertices are shared
    chosen = mesh[torch.tensor([4, 1])]
    assert len(chosen) == 2 and torch.equal(chosen.texture, mesh.texture[[4, 1]])
    assert torch.equal(chosen.vertices, mesh.vertices)
    both = textured(vertices=corners(6), texture=torch.rand(6, 3, 4, 5))
    assert torch.equal(both[2:3].vertices, both.vertices[2:3]) and len(both[2:3].texture) == 1
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    with pytest.raises(ShapeError, match=r"write mesh\[2 : 3\]"):
        both[2]


def test_moving_changes_numbers_but_not_faces():
    moved = textured(uv_faces=TRIANGLE).to(dtype=torch.float64)
    assert moved.vertices.dtype == moved.texture.dtype == moved.uv.dtype == torch.float64
    assert moved.faces.dtype == moved.uv_faces.dtype == torch.int64


def test_a_mesh_may_be_empty():
    assert len(Mesh(torch.zeros(1, 0, 3), torch.zeros(0, 3, dtype=torch.int64)).check()) == 1
    assert len(Mesh(corners(), torch.zeros(0, 3, dtype=torch.int64))) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vertices": corners()[0]}, r"vertices must be \[batch, vertices, 3\], got \[3, 3\]"),
        ({"vertices": corners().long()}, r"vertices must be floating point, got torch.int64 \[1, 3, 3\]"),
        ({"faces": TRIANGLE[None]}, r"faces must be \[faces, 3\], got \[1, 1, 3\]"),
        ({"faces": TRIANGLE.int()}, r"faces \[1, 3\] must be int64, got torch.int32; use .long\(\)"),
        ({"faces": TRIANGLE.float()}, r"faces \[1, 3\] must be int64, got torch.float32"),
        ({"faces": TRIANGLE + 1}, r"faces \[1, 3\] must hold rows of vertices, 0 to 2, got 1 to 3"),
        ({"faces": TRIANGLE - 1}, r"faces \[1, 3\] must hold rows of vertices, 0 to 2, got -1 to 1"),
        ({"uv": None}, r"a texture \[1, 3, 4, 5\] needs uv \[uvs, 2\], got None"),
        ({"uv": torch.rand(1, 3, 2)}, r"uv must be \[uvs, 2\], got \[1, 3, 2\]"),
        ({"uv": torch.rand(2, 2)}, r"faces \[1, 3\] must hold rows of uv, 0 to 1, got 0 to 2"),
        ({"uv": torch.rand(2, 2), "uv_faces": TRIANGLE}, r"uv_faces \[1, 3\] must hold rows of uv, 0 to 1"),
        ({"uv_faces": torch.cat([TRIANGLE, TRIANGLE])}, r"uv_faces must be \[1, 3\] like faces, got \[2, 3\]"),
        ({"texture": torch.rand(3, 4, 5)}, r"texture must be \[batch, 3, height, width\], got \[3, 4, 5\]"),
        ({"texture": torch.rand(1, 4, 5, 3)}, r"texture must be \[batch, 3, .* got \[1, 4, 5, 3\]"),
        ({"texture": torch.zeros(1, 3, 4, 5).byte()}, r"texture must be floating point, got torch.uint8"),
        ({"texture": torch.rand(1, 3, 0, 5)}, r"texture must be \[1 or 1, 3, .* not empty .* got \[1, 3, 0, 5\]"),
        ({"vertices": corners(2), "texture": torch.rand(3, 3, 4, 5)}, r"\[1 or 2, .* vertices \[2, 3, 3\], got \[3, "),
        ({"faces": TRIANGLE.to("meta")}, r"one device, got vertices on cpu, faces on meta"),
        ({"texture": torch.rand(1, 3, 4, 5, device="meta")}, r"one device, got vertices on cpu, .*texture on meta"),
    ],
)
def test_wrong_parts_are_named(changes, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    with pytest.raises(ShapeError, match=message):
        textured(**changes)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["vertices", "uv", "texture"])
def test_check_finds_what_is_not_finite(name, value):
    mesh = textured()
    assert mesh.check() is mesh
    getattr(mesh, name).view(-1)[-1] = value
    with pytest.raises(
        ShapeError, match=rf"{name} .* must be finite, but 1 values are NaN or infinite, the first at \["
    ):
        mesh.check()


def test_faces_are_checked_again_when_they_change():
    faces = TRIANGLE.clone()
    check_faces("faces", faces, "vertices", 3)
    check_faces("faces", faces, "vertices", 3)
    faces[0, 0] = 7
    with pytest.raises(ShapeError, match="got 1 to 7"):
        check_faces("faces", faces, "vertices", 3)


def test_remembered_results_are_computed_once_for_each_state_of_a_tensor():
    calls = []

    @remembered
    def total(tensor):
        calls.append(1)
        return int(tensor.sum())

    first, second = torch.ones(3), torch.ones(3)
    assert [total(first), total(first), total(second)] == [3, 3, 3] and len(calls) == 2
    first += 1
    assert [total(first), total(first)] == [6, 6] and len(calls) == 3
    with torch.inference_mode():
        assert total(torch.ones(2)) == 2  # these tensors keep no count of changes


def test_every_mesh_of_a_batch_fits_by_itself():
    vertices = torch.tensor([[[0.0, 0, 0], [2, 0, 0], [0, 2, 0]], [[5, 5, 5], [5, 5, 5], [5, 5, 5]]])
    mesh = fitted(Mesh(vertices, torch.tensor([[0, 1, 2]])))
    assert mesh.vertices[0].norm(dim=-1).tolist() == pytest.approx([1, 1, 1])
    assert mesh.vertices[0, 1, 0].item() == pytest.approx(math.sqrt(0.5))
    assert not mesh.vertices[1].any()
    with pytest.raises(ShapeError, match="fitting needs a vertex"):
        fitted(Mesh(vertices[:, :0], torch.zeros(0, 3, dtype=torch.long)))
    for unit in (1e-30, 1e30):
        assert fitted(Mesh(vertices[:1] * unit, mesh.faces)).vertices[0, 1, 0].item() == pytest.approx(math.sqrt(0.5))
