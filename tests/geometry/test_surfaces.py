"""Surface templates: closed, outward, evenly spread, with textures the right way round."""

import math

import jaxtyping
import pytest
import torch
from gradients import assert_exact

from genstruct.errors import ShapeError
from genstruct.geometry.measures import face_areas, face_corners, face_normals, unique_edges, vertex_normals, volume
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import (
    box,
    icosphere,
    octahedral_point,
    octahedral_sphere,
    octahedral_uv,
    pad_octahedral,
    plane,
    sample_at_vertices,
    sheet,
    subdivide,
)

CLOSED = {"box": box, "icosphere": lambda: icosphere(2), "octahedral sphere": lambda: octahedral_sphere(8)}
ALL = CLOSED | {"plane": plane, "sheet": lambda: sheet(3, 4)}
closed = pytest.mark.parametrize("make", CLOSED.values(), ids=CLOSED.keys())
every = pytest.mark.parametrize("make", ALL.values(), ids=ALL.keys())


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def uv_corners(mesh):
    return mesh.uv[mesh.faces if mesh.uv_faces is None else mesh.uv_faces]


@every
def test_templates_are_usable_meshes_inside_the_picture(make):
    mesh = make().check()
    assert len(mesh) == 1 and mesh.vertices.dtype == mesh.uv.dtype == torch.float32
    assert mesh.uv.min() >= 0 and mesh.uv.max() <= 1
    assert torch.equal(mesh.faces.flatten().unique(), torch.arange(mesh.vertices.shape[1]))  # every vertex is used
    assert face_areas(mesh.vertices, mesh.faces).min() > 0


@closed
def test_closed_templates_have_every_edge_twice_once_in_each_direction(make):
    faces = make().faces
    directed = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    assert len(directed.unique(dim=0)) == len(directed)
    assert torch.equal(directed.unique(dim=0), directed.flip(1).unique(dim=0))
    assert len(faces.unique()) - len(unique_edges(faces)) + len(faces) == 2  # Euler: a sphere


@closed
def test_closed_templates_look_outwards(make):
    mesh = make()
    middles = face_corners(mesh.vertices, mesh.faces).mean(2)
    assert ((face_normals(mesh.vertices, mesh.faces) * middles).sum(-1) > 0).all()
    assert volume(mesh.vertices, mesh.faces).item() > 0


@every
def test_textures_are_not_mirrored_seen_from_outside(make):
    """On every triangle, the directions in which u and v grow and the outward normal are left-handed: v is down."""
    mesh = make()
    corners, uv = face_corners(mesh.vertices, mesh.faces)[0], uv_corners(mesh)
    sides, steps = corners[:, 1:] - corners[:, :1], uv[:, 1:] - uv[:, :1]
    grow_u, grow_v = torch.linalg.solve(steps, sides).unbind(1)  # per unit of u and of v
    outward = torch.linalg.cross(grow_u, -grow_v)
    assert ((outward * face_normals(mesh.vertices, mesh.faces)[0]).sum(-1) > 0).all()


@every
def test_no_two_triangles_share_texture(make):
    uv = uv_corners(make())
    first, second = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    area = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).abs() / 2
    # Of random places, as many fall in no triangle as the areas say, and none in two.
    places = torch.rand(2000, 1, 2, generator=stream()) - uv[:, 0]
    b = (places[..., 0] * second[:, 1] - places[..., 1] * second[:, 0]) / (2 * area)
    c = (first[:, 0] * places[..., 1] - first[:, 1] * places[..., 0]) / (2 * area)
    sign = torch.sign(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    b, c = b * sign, c * sign
    hits = ((b > 1e-6) & (c > 1e-6) & (b + c < 1 - 1e-6)).sum(1)
    assert hits.max() == 1
    assert (hits == 1).float().mean().item() == pytest.approx(area.sum().item(), abs=0.04)


def test_the_box_is_where_and_as_large_as_it_should_be():
    mesh = box((1.0, 2.0, 3.0))
    assert mesh.vertices.amax((0, 1)).tolist() == [0.5, 1.0, 1.5]
    assert volume(mesh.vertices, mesh.faces).item() == pytest.approx(6)
    assert face_areas(mesh.vertices, mesh.faces).sum().item() == pytest.approx(2 * (2 + 3 + 6))


@pytest.mark.parametrize(
    ("side", "outward", "up"),
    [
        (0, (1, 0, 0), (0, 1, 0)),
        (1, (0, 0, 1), (0, 1, 0)),
        (2, (-1, 0, 0), (0, 1, 0)),
        (3, (0, 1, 0), (0, 0, -1)),
        (4, (0, 0, -1), (0, 1, 0)),
        (5, (0, -1, 0), (0, 0, 1)),
    ],
)
def test_each_side_of_the_box_has_its_place_in_the_texture(side, outward, up):
    mesh = box()
    faces = slice(2 * side, 2 * side + 2)
    assert face_normals(mesh.vertices, mesh.faces)[0, faces].tolist() == [list(map(float, outward))] * 2
    uv, corners = uv_corners(mesh)[faces].flatten(0, 1), mesh.vertices[0, mesh.faces[faces].flatten()]
    low = torch.tensor([side % 3 / 3, side // 3 / 2])
    torch.testing.assert_close(uv.amin(0), low)
    torch.testing.assert_close(uv.amax(0), low + torch.tensor([1 / 3, 1 / 2]))
    height = corners @ torch.tensor(up, dtype=torch.float32)
    torch.testing.assert_close(0.5 - height, (uv[:, 1] - low[1]) * 2)  # v goes down from the side's top


@pytest.mark.parametrize(("subdivisions", "faces"), [(0, 20), (1, 80), (3, 1280)])
def test_the_icosphere_is_a_sphere_of_even_triangles(subdivisions, faces):
    mesh = icosphere(subdivisions)
    assert len(mesh.faces) == faces and mesh.vertices.shape[1] == faces / 2 + 2
    torch.testing.assert_close(mesh.vertices.norm(dim=-1), torch.ones(1, faces // 2 + 2))
    areas = face_areas(mesh.vertices, mesh.faces)
    assert areas.max() < 1.6 * areas.min()
    assert areas.sum().item() == pytest.approx(4 * math.pi, rel=0.31 / 4**subdivisions)
    assert torch.equal(mesh.vertices[0, 0], torch.tensor([0.0, 1, 0]))


def test_the_front_of_the_icosphere_is_in_the_middle_of_its_texture():
    mesh = icosphere(3)
    corners, uv = mesh.vertices[0, mesh.faces].flatten(0, 1), uv_corners(mesh).flatten(0, 1)
    front = uv[corners[:, 2] > 0.99]
    assert ((front - 0.5).abs() < 0.12).all()
    left = uv[corners[:, 0] > 0.99]  # the object's left is to the right of its front
    assert (left[:, 0] > front[:, 0].max()).all()


@pytest.mark.parametrize("cells", [2, 4, 16])
def test_the_octahedral_sphere_has_the_promised_size(cells):
    mesh = octahedral_sphere(cells)
    assert len(mesh.faces) == 2 * cells**2 and mesh.vertices.shape[1] == cells**2 + 2
    torch.testing.assert_close(mesh.vertices.norm(dim=-1), torch.ones(1, cells**2 + 2))


def test_the_octahedral_sphere_is_an_octahedron_subdivided_evenly():
    faces = octahedral_sphere(2)
    assert len(faces.faces) == 8
    assert sorted(map(tuple, faces.vertices[0].round().tolist())) == sorted(
        tuple(map(float, v)) for v in [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    )
    mesh = octahedral_sphere(32)
    areas = face_areas(mesh.vertices, mesh.faces)[0] * len(mesh.faces) / (4 * math.pi)
    assert areas.max() < 4  # of the mean, so every place gets a quarter of the mean texture or more


def test_the_vertices_of_the_octahedral_sphere_lie_where_its_picture_says():
    mesh = octahedral_sphere(8)
    places, numbers = uv_corners(mesh).flatten(0, 1), mesh.faces.flatten()
    torch.testing.assert_close(octahedral_point(places), mesh.vertices[0, numbers], atol=1e-6, rtol=0)


def test_octahedral_coordinates_there_and_back():
    directions = torch.nn.functional.normalize(torch.randn(500, 3, generator=stream(), dtype=torch.float64), dim=-1)
    torch.testing.assert_close(octahedral_point(octahedral_uv(directions * 3)), directions)
    uv = torch.rand(500, 2, generator=stream(1), dtype=torch.float64)
    torch.testing.assert_close(octahedral_uv(octahedral_point(uv)), uv)
    where = {(0, 1, 0): (0.5, 0.5), (1, 0, 0): (1, 0.5), (0, 0, 1): (0.5, 1), (0, -1, 0): (1, 1)}
    torch.testing.assert_close(octahedral_uv(torch.tensor(list(where)).float()), torch.tensor(list(where.values())))


@pytest.mark.parametrize("make", [lambda: octahedral_sphere(8), lambda: sheet(3, 4)], ids=["sphere", "sheet"])
def test_a_mirrored_picture_makes_a_mirrored_surface(make):
    mesh = make()
    picture = torch.rand(1, 3, 6, 6, generator=stream())
    sign = torch.tensor([-1.0, 1, 1])
    bent = mesh.vertices + sample_at_vertices(mesh, picture)
    mirrored = mesh.vertices + sample_at_vertices(mesh, picture.flip(-1) * sign[:, None, None])

    def triangles(vertices, flip):
        corners = vertices[0, mesh.faces].flip(1) if flip else vertices[0, mesh.faces]
        keys = [sorted(map(tuple, (c * 1e4).round().long().tolist())) for c in corners]
        return sorted(keys)

    assert triangles(mirrored, False) == triangles(bent * sign, True)


def test_the_sheet_is_a_flat_grid_under_the_whole_picture():
    mesh = sheet(2, 3, height=4.0, width=6.0)
    assert mesh.vertices[0, 0].tolist() == [-3, 2, 0] and mesh.vertices[0, -1].tolist() == [3, -2, 0]
    assert mesh.uv[0].tolist() == [0, 0] and mesh.uv[-1].tolist() == [1, 1]
    assert mesh.vertices.shape == (1, 12, 3) and len(mesh.faces) == 12
    assert vertex_normals(mesh.vertices, mesh.faces).unique(dim=1).tolist() == [[[0.0, 0.0, 1.0]]]
    assert face_areas(mesh.vertices, mesh.faces).sum().item() == pytest.approx(24)
    assert len(plane().faces) == 2 and plane(3.0).vertices.abs().amax().item() == 1.5


# Maps at vertices


def test_a_picture_of_positions_puts_vertices_there():
    """A picture linear in u and v is read exactly away from the border, where it ends half a pixel inside."""
    mesh = sheet(4, 4)
    ramp = (torch.arange(16) + 0.5) / 16
    picture = torch.stack(torch.meshgrid(ramp, ramp, indexing="xy"))[None]
    expected = mesh.uv.clamp(0.5 / 16, 1 - 0.5 / 16)
    torch.testing.assert_close(sample_at_vertices(mesh, picture)[0], expected)


def test_both_sides_of_the_fold_count_alike():
    mesh = octahedral_sphere(4)
    picture = torch.zeros(2, 1, 8, 8)
    picture[1, 0, :, :4] = 1.0  # the left half
    values = sample_at_vertices(mesh, picture)
    assert values.shape == (2, 18, 1) and not values[0].any()
    back = (mesh.vertices[0] - torch.tensor([0.0, 0, -1])).norm(dim=-1).argmin()  # the middle of the upper side
    bottom = (mesh.vertices[0] - torch.tensor([0.0, -1, 0])).norm(dim=-1).argmin()  # all four corners
    assert values[1, back].item() == pytest.approx(0.5) and values[1, bottom].item() == pytest.approx(0.5)
    left, right = mesh.vertices[0, :, 0] < -0.3, mesh.vertices[0, :, 0] > 0.3
    assert values[1, left].min() == 1 and values[1, right].max() == 0


def test_a_padded_picture_goes_on_across_the_border_without_a_jump():
    ramp = (torch.arange(16, dtype=torch.float64) + 0.5) / 16
    places = torch.stack(torch.meshgrid(ramp, ramp, indexing="xy"), -1)
    picture = octahedral_point(places).permute(2, 0, 1)[None]  # where on the sphere each pixel is
    for margin in (0, 1, 5, 16):
        padded = pad_octahedral(picture, margin)
        assert padded.shape == (1, 3, 16 + 2 * margin, 16 + 2 * margin)
        assert torch.equal(padded[..., margin : margin + 16, margin : margin + 16], picture)
        for step in (padded.diff(dim=-1), padded.diff(dim=-2)):
            lengths, inside = step.norm(dim=1), picture.diff(dim=-1).norm(dim=1).max()
            assert lengths.max() < 1.2 * inside and lengths.min() > 0


def test_padding_closes_the_seam():
    """On both sides of the fold a lookup in the padded picture finds the same."""
    picture = torch.rand(1, 2, 8, 8, generator=stream(), dtype=torch.float64)
    padded = pad_octahedral(picture, 1)
    along = torch.linspace(0, 1, 9, dtype=torch.float64)
    top = torch.stack([along, torch.zeros_like(along)], -1)
    places = torch.stack([top, top * torch.tensor([-1, 1]) + torch.tensor([1, 0])])  # a place and its twin
    places = (places * 8 + 1) / 10  # in the padded picture
    first, second = torch.nn.functional.grid_sample(
        padded.expand(2, -1, -1, -1), places[:, None] * 2 - 1, align_corners=False
    )
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("make", [lambda: octahedral_sphere(2), lambda: icosphere(0), plane])
def test_reading_maps_has_exact_gradients(make):
    mesh = make().to(dtype=torch.float64)
    picture = torch.rand(1, 1, 3, 4, generator=stream(), dtype=torch.float64)
    assert_exact(lambda x: sample_at_vertices(mesh, x), picture)


def test_subdividing_keeps_the_surface_and_its_order():
    mesh = octahedral_sphere(4)
    vertices, faces = subdivide(mesh.vertices[0], mesh.faces)
    before, after = face_areas(mesh.vertices, mesh.faces)[0], face_areas(vertices[None], faces)[0]
    torch.testing.assert_close(after.view(-1, 4), before[:, None].expand(-1, 4) / 4)
    assert volume(vertices[None], faces).item() == pytest.approx(volume(mesh.vertices, mesh.faces).item())
    uv, uv_faces = subdivide(mesh.uv, mesh.uv_faces)
    assert faces.shape == uv_faces.shape and uv_faces.max() == len(uv) - 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: octahedral_sphere(3), "even and at least 2, got 3"),
        (lambda: octahedral_sphere(0), "cells must be .* even"),
        (lambda: icosphere(-1), "from 0 to 8, got -1"),
        (lambda: icosphere(12), "got 12"),
        (lambda: icosphere(1.5), "a whole number .* got 1.5"),
        (lambda: sheet(0, 3), "at least 1 x 1, got 0 x 3"),
        (lambda: sheet(2.5, 3), "whole numbers .* got 2.5 x 3"),
        (lambda: octahedral_sphere(4.0), "a whole number, .* got 4.0"),
        (lambda: box((1.0, 2.0)), r"size must be \(x, y, z\), got \(1.0, 2.0\)"),
        (lambda: pad_octahedral(torch.zeros(1, 1, 4, 6), 1), r"must be square .* got \[1, 1, 4, 6\] and a margin of 1"),
        (lambda: pad_octahedral(torch.zeros(1, 1, 4, 4), 5), "margin of 5"),
        (lambda: sample_at_vertices(plane(), torch.zeros(3, 4, 4)), r"picture must be .* got \[3, 4, 4\]"),
        (lambda: sample_at_vertices(plane(), torch.zeros(1, 3, 4, 4, device="meta")), "one device"),
        (
            lambda: sample_at_vertices(Mesh(torch.zeros(1, 3, 3), torch.tensor([[0, 1, 2]])), torch.zeros(1, 3, 4, 4)),
            "uv",
        ),
    ],
)
def test_wrong_input_is_named(call, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    with pytest.raises(ShapeError, match=message):
        call()
