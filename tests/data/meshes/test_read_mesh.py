"""Mesh files: shapes, colours and sizes of files made here, one kind after the other; and files nobody wants."""

import contextlib
import io
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from genstruct.data.meshes.read import read_mesh
from genstruct.errors import DataError
from genstruct.geometry.measures import bounds, unique_edges, volume
from genstruct.geometry.mesh import GRAY
from genstruct.geometry.surfaces import box

trimesh = pytest.importorskip("trimesh")

QUAD = """v 0 0 0
v 2 0 0
v 2 1 0
v 0 1 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
"""
FACE = "f 1/1 2/2 3/3 4/4\n"


PLY = """ply
format ascii 1.0
element vertex 3
property float x
property float y
property float z
element face 1
property list uchar int vertex_indices
end_header
"""


def quadrants(size=8):
    """Red upper left, green upper right, blue lower left, white lower right."""
    pixels = np.zeros((size, size, 3), np.uint8)
    half = size // 2
    pixels[:half, :half], pixels[:half, half:] = (255, 0, 0), (0, 255, 0)
    pixels[half:, :half], pixels[half:, half:] = (0, 0, 255), (255, 255, 255)
    return pixels


def write_obj(folder, text, materials="", **pictures):
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "m.mtl").write_text(materials)
    (folder / "mesh.obj").write_text("mtllib m.mtl\n" + text)
    return folder / "mesh.obj"


def color_at(mesh, point):
    """What the texture shows at the place of the surface that is nearest to a point, of 255."""
    corners = mesh.vertices[0, mesh.faces]
    uv = mesh.uv[mesh.uv_faces]
    samples = torch.rand(400, 3, generator=torch.Generator().manual_seed(0)) + 1e-3
    weights = samples / samples.sum(-1, keepdim=True)
    points, places = torch.einsum("sk,fkc->sfc", weights, corners), torch.einsum("sk,fkc->sfc", weights, uv)
    nearest = (points - torch.tensor(point)).norm(dim=-1).flatten().argmin()
    place = places.flatten(0, 1)[nearest] * 2 - 1
    return (F.grid_sample(mesh.texture, place.view(1, 1, 1, 2), align_corners=False).flatten() * 255).round().tolist()


def close(got, wanted, by=3.0):
    return all(abs(a - b) <= by for a, b in zip(got, wanted, strict=True))


# Shapes and units


def test_a_file_is_centered_and_scaled_to_the_unit_ball(tmp_path):
    path = write_obj(tmp_path, "v 100 0 0\nv 106 0 0\nv 106 8 0\nv 100 8 0\nf 1 2 3 4\n")
    mesh = read_mesh(path)
    low, high = bounds(mesh.vertices)
    torch.testing.assert_close(low, torch.tensor([[-0.6, -0.8, 0]]))  # 6 x 8: the diagonal is 10, half of it is 1
    torch.testing.assert_close(high, torch.tensor([[0.6, 0.8, 0]]))
    assert read_mesh(path, fit=False).vertices.amax().item() == 106


def test_z_up_is_turned_so_that_y_is_up_and_the_front_is_in_front(tmp_path):
    path = write_obj(tmp_path, "v 1 2 3\nv 0 0 0\nv 1 0 0\nf 1 2 3\n")
    assert read_mesh(path, up="z", fit=False).vertices[0, 0].tolist() == [1, 3, -2]


@pytest.mark.parametrize("unit", [1e-40, 1e-20, 1e6, 1e20, 1e38, 1e200])
def test_the_unit_of_a_file_does_not_matter(tmp_path, unit):
    corners = np.array([[0, 0, 0], [2, 0, 0], [0, 1, 0], [0, 0, 3.0]])
    faces = "f 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n"
    lines = "".join(f"v {x!r} {y!r} {z!r}\n" for x, y, z in (corners * unit).tolist())
    found = read_mesh(write_obj(tmp_path, lines + faces)).vertices[0]
    middle = corners - corners.max(0) / 2
    torch.testing.assert_close(found, torch.from_numpy(middle / np.linalg.norm(middle, axis=1).max()).float())


def test_coordinates_that_count_from_far_away_keep_their_digits(tmp_path):
    corners = np.array([[-1, 0, 0], [1, 0, 0], [0, 0.5, 0], [0, 0, 0.25]])
    lines = "".join(f"v {x!r} {y!r} {z!r}\n" for x, y, z in (corners + np.array([456789.25, 5432109.5, 300])).tolist())
    found = read_mesh(write_obj(tmp_path, lines + "f 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n")).vertices[0]
    middle = corners - (corners.min(0) + corners.max(0)) / 2
    torch.testing.assert_close(found, torch.from_numpy(middle / np.linalg.norm(middle, axis=1).max()).float())


def test_text_that_is_not_unicode_is_read(tmp_path):
    path = write_obj(tmp_path, "")
    (tmp_path / "m.mtl").write_bytes("newmtl Größe\nKd 0 1 0\n".encode("latin-1"))
    text = "# Künstler: Müller\nmtllib m.mtl\nusemtl Größe\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    path.write_bytes(text.encode("latin-1"))
    assert read_mesh(path).texture.mean((0, 2, 3)).tolist() == [0, 1, 0]
    solid = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]]).export(file_type="stl")
    (tmp_path / "a.stl").write_bytes("Größe in Zoll".encode("latin-1").ljust(80) + solid[80:])
    assert len(read_mesh(tmp_path / "a.stl").faces) == 1


def test_values_beyond_float32_need_fitting(tmp_path):
    path = write_obj(tmp_path, "v 0 0 0\nv 1e50 0 0\nv 0 1e50 0\nf 1 2 3\n")
    assert read_mesh(path).vertices.abs().max() <= 1
    with pytest.raises(DataError, match=r"mesh.obj has coordinates beyond the range of float32"):
        read_mesh(path, fit=False)


def test_polygons_become_triangles_and_surfaces_without_color_are_gray(tmp_path):
    mesh = read_mesh(write_obj(tmp_path, "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 5 5 5\nf 1 2 3 4\n"))
    assert len(mesh.faces) == 2 and mesh.vertices.shape == (1, 4, 3)  # the fifth is used by nobody
    assert close(color_at(mesh, (0.0, 0, 0)), [GRAY] * 3, 0)


@pytest.mark.parametrize("kind", ["glb", "obj", "ply", "stl", "off"])
def test_corners_at_one_place_are_one_vertex(tmp_path, kind):
    solid = box()
    split = trimesh.Trimesh(
        solid.vertices[0, solid.faces.flatten()].numpy(), np.arange(36).reshape(12, 3), process=False
    )
    split.export(tmp_path / f"box.{kind}")
    mesh = read_mesh(tmp_path / f"box.{kind}", fit=False).check()
    assert mesh.vertices.shape == (1, 8, 3) and len(unique_edges(mesh.faces)) == 18
    assert volume(mesh.vertices, mesh.faces).item() == pytest.approx(1)


def test_parts_are_placed_as_the_scene_says(tmp_path):
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.creation.box((2, 2, 2)))
    moved = np.eye(4)
    moved[:3, 3] = (5, 0, 0)
    scene.add_geometry(trimesh.creation.box((2, 2, 2)), transform=moved)
    scene.export(tmp_path / "two.glb")
    mesh = read_mesh(tmp_path / "two.glb", fit=False)
    assert len(mesh.faces) == 24 and bounds(mesh.vertices).highest.tolist() == [[6, 1, 1]]


def test_mirrored_parts_still_look_outwards(tmp_path):
    scene = trimesh.Scene()
    scene.add_geometry(trimesh.creation.box((2, 2, 2)), transform=np.diag([-1.0, 1, 1, 1]))
    scene.export(tmp_path / "mirrored.glb")
    mesh = read_mesh(tmp_path / "mirrored.glb", fit=False)
    assert volume(mesh.vertices, mesh.faces).item() == pytest.approx(8)


def test_triangles_without_area_by_repeated_corners_are_dropped(tmp_path):
    mesh = read_mesh(write_obj(tmp_path, "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 0 0\nf 1 2 3\nf 1 2 4\n"))
    assert len(mesh.faces) == 1 and len(mesh.uv_faces) == 1


# Colours


@pytest.mark.parametrize("kind", ["obj", "glb"])
def test_a_picture_is_the_right_way_up(tmp_path, kind):
    path = write_obj(
        tmp_path, QUAD + "usemtl a\n" + FACE, "newmtl a\nKd 0.5 0.5 0.5\nmap_Kd paint.png\n", paint=quadrants()
    )
    if kind == "glb":
        uv, image = [[0, 0], [1, 0], [1, 1], [0, 1]], Image.fromarray(quadrants())
        visual = trimesh.visual.TextureVisuals(uv, material=trimesh.visual.material.PBRMaterial(baseColorTexture=image))
        points = [[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0]]
        trimesh.Trimesh(points, [[0, 1, 2], [0, 2, 3]], visual=visual, process=False).export(tmp_path / "mesh.glb")
        path = tmp_path / "mesh.glb"
    mesh = read_mesh(path, fit=False)
    assert mesh.texture.shape == (1, 3, 8, 8)  # one picture stays as it is
    for point, color in {
        (0.4, 0.8, 0): [255, 0, 0],
        (1.6, 0.8, 0): [0, 255, 0],
        (0.4, 0.2, 0): [0, 0, 255],
        (1.6, 0.2, 0): [255] * 3,
    }.items():
        assert close(color_at(mesh, point), color), point


def test_several_materials_share_one_texture(tmp_path):
    text = QUAD + "v 4 0 0\nv 4 1 0\nv 6 0 0\nv 6 1 0\nusemtl a\n" + FACE
    text += "usemtl b\nf 2/1 5/2 6/3 3/4\nusemtl c\nf 5 7 8 6\n"
    materials = "newmtl a\nmap_Kd first.png\nnewmtl b\nmap_Kd second.png\nnewmtl c\nKd 1 0.5 0\n"
    mesh = read_mesh(write_obj(tmp_path, text, materials, first=quadrants(), second=255 - quadrants(16)), fit=False)
    assert len(mesh) == 1 and len(mesh.faces) == 6
    assert close(color_at(mesh, (0.4, 0.8, 0.0)), [255, 0, 0])
    assert close(color_at(mesh, (2.4, 0.8, 0.0)), [0, 255, 255])
    assert close(color_at(mesh, (3.6, 0.2, 0.0)), [0, 0, 0])
    assert close(color_at(mesh, (5.0, 0.5, 0.0)), [255, 128, 0])


def test_colors_of_vertices_blend_across_triangles(tmp_path):
    colors = [[200, 0, 0, 255], [0, 200, 0, 255], [0, 0, 200, 255]]
    points = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    trimesh.Trimesh(points, [[0, 1, 2]], vertex_colors=colors, process=False).export(tmp_path / "c.ply")
    mesh = read_mesh(tmp_path / "c.ply", fit=False)
    uv = mesh.uv[mesh.uv_faces][0]
    weights = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0.2, 0.4, 0.4], [1 / 3, 1 / 3, 1 / 3]])
    places = (weights @ uv * 2 - 1).view(1, 1, -1, 2)
    seen = F.grid_sample(mesh.texture, places, align_corners=False)[0, :, 0].mT * 255
    expected = weights @ torch.tensor(colors)[:, :3].float()
    # Exact at the corners; the fourth pixel of the cell is clipped from -200, which leaves up to an eighth inside.
    torch.testing.assert_close(seen[:4], expected[:4], atol=1e-2, rtol=0)
    assert (seen - expected).abs().max() < 35


def test_colors_of_faces_stay_apart(tmp_path):
    cube = trimesh.creation.box()
    cube.visual.face_colors = np.repeat(np.arange(6) * 40 + 10, 2)[:, None] * [1, 0, 1, 0] + [0, 0, 0, 255]
    cube.export(tmp_path / "f.ply")
    mesh = read_mesh(tmp_path / "f.ply", fit=False)
    for face in range(12):
        middle = mesh.vertices[0, mesh.faces[face]].mean(0).tolist()
        gray = face // 2 * 40 + 10
        assert close(color_at(mesh, middle), [gray, 0, gray])


def add_material(path):
    """A plain white one, by changing the text inside the file: header, then length and kind of each part."""
    contents = path.read_bytes()
    length = int.from_bytes(contents[12:16], "little")
    text = json.loads(contents[20 : 20 + length])
    text["materials"] = [{"pbrMetallicRoughness": {"baseColorFactor": [1, 1, 1, 1]}}]
    text["meshes"][0]["primitives"][0]["material"] = 0
    new = json.dumps(text).encode()
    new += b" " * (-len(new) % 4)
    rest = contents[20 + length :]
    sizes = [size.to_bytes(4, "little") for size in (20 + len(new) + len(rest), len(new))]
    path.write_bytes(contents[:8] + sizes[0] + sizes[1] + contents[16:20] + new + rest)


@pytest.mark.parametrize("material", [False, True])
def test_colors_of_vertices_in_gltf_are_linear_and_count_beside_a_material(tmp_path, material):
    colors = np.array([[128, 255, 0, 255]] * 3, np.uint8)
    surface = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], vertex_colors=colors, process=False)
    surface.export(tmp_path / "v.glb")
    if material:
        add_material(tmp_path / "v.glb")
    assert close(color_at(read_mesh(tmp_path / "v.glb"), (0.0, 0, 0)), [188, 255, 0], 1)


def test_factors_of_gltf_are_linear(tmp_path):
    material = trimesh.visual.material.PBRMaterial(baseColorFactor=[128, 255, 0, 255])
    visual = trimesh.visual.TextureVisuals(material=material)
    trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]], visual=visual, process=False).export(
        tmp_path / "g.glb"
    )
    # Half the light is 188 of 255 in sRGB.
    assert close(color_at(read_mesh(tmp_path / "g.glb"), (0.0, 0, 0)), [188, 255, 0], 1)


def test_pictures_repeat(tmp_path):
    text = QUAD.replace("vt 1", "vt 3").replace(" 1\n", " 1\n") + "usemtl a\n" + FACE  # three times across
    mesh = read_mesh(write_obj(tmp_path, text, "newmtl a\nmap_Kd paint.png\n", paint=quadrants(32)), fit=False)
    for x in (0.1, 0.1 + 2 / 3, 0.1 + 4 / 3):
        assert close(color_at(mesh, (x, 0.8, 0.0)), [255, 0, 0]) and close(
            color_at(mesh, (x + 0.4, 0.8, 0)), [0, 255, 0]
        )
    shifted = QUAD.replace("vt 0", "vt -5").replace("vt 1", "vt -4") + "usemtl a\n" + FACE
    mesh = read_mesh(write_obj(tmp_path, shifted, "newmtl a\nmap_Kd paint.png\n", paint=quadrants(32)), fit=False)
    assert mesh.texture.shape[-1] == 32 and close(color_at(mesh, (0.4, 0.8, 0.0)), [255, 0, 0])
    many = QUAD.replace("vt 1", "vt 1000") + "usemtl a\n" + FACE
    mesh = read_mesh(write_obj(tmp_path, many, "newmtl a\nmap_Kd paint.png\n", paint=quadrants(32)), fit=False)
    assert mesh.texture.numel() < 1000 and close(color_at(mesh, (0.4, 0.8, 0.0)), quadrants().mean((0, 1)).round())


def test_parts_with_the_same_picture_share_it(tmp_path):
    scene = trimesh.Scene()
    for number in range(5):  # five materials, each with its own copy
        image = Image.fromarray(quadrants(64))
        material = trimesh.visual.material.PBRMaterial(baseColorTexture=image, name=f"m{number}")
        visual = trimesh.visual.TextureVisuals([[0, 0], [1, 0], [1, 1], [0, 1]], material=material)
        points = np.add([[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0]], [3 * number, 0, 0])
        scene.add_geometry(trimesh.Trimesh(points, [[0, 1, 2], [0, 2, 3]], visual=visual, process=False))
    scene.export(tmp_path / "five.glb")
    mesh = read_mesh(tmp_path / "five.glb", fit=False)
    assert mesh.texture.shape == (1, 3, 64, 64) and len(mesh.faces) == 10
    for number in range(5):
        assert close(color_at(mesh, (3 * number + 0.4, 0.8, 0.0)), [255, 0, 0])


def test_a_repeated_picture_shrinks_before_it_is_repeated(tmp_path):
    text = QUAD.replace("vt 1 0", "vt 3 0").replace("vt 1 1", "vt 3 3").replace("vt 0 1", "vt 0 3") + "usemtl a\n"
    path = write_obj(tmp_path, text + FACE, "newmtl a\nmap_Kd paint.png\n", paint=quadrants(256))
    mesh = read_mesh(path, fit=False, largest_texture=120)
    assert mesh.texture.shape == (1, 3, 120, 120)  # 9 pictures of 40 x 40
    assert close(color_at(mesh, (0.17, 0.92, 0.0)), [255, 0, 0]) and close(color_at(mesh, (1.83, 0.08, 0)), [255] * 3)


def test_large_pictures_shrink(tmp_path):
    path = write_obj(tmp_path, QUAD + "usemtl a\n" + FACE, "newmtl a\nmap_Kd paint.png\n", paint=quadrants(256))
    mesh = read_mesh(path, fit=False, largest_texture=64)
    assert mesh.texture.shape == (1, 3, 64, 64) and close(color_at(mesh, (0.4, 0.8, 0.0)), [255, 0, 0])


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
def test_pictures_of_any_mode_are_read(tmp_path, mode):
    path = write_obj(tmp_path, QUAD + "usemtl a\n" + FACE, "newmtl a\nmap_Kd paint.png\n")
    Image.new("L", (4, 4), 255).convert(mode).save(tmp_path / "paint.png")
    assert close(color_at(read_mesh(path), (0.0, 0, 0)), [255] * 3)


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_missing_and_broken_pictures_leave_the_color_of_the_material(tmp_path, content):
    materials = "newmtl a\nKd 0.2 0.4 0.6\nmap_Kd lost.png\n"
    path = write_obj(tmp_path, QUAD + "usemtl a\n" + FACE, materials)
    if content is not None:
        (tmp_path / "lost.png").write_bytes(content)
    assert close(color_at(read_mesh(path), (0.0, 0, 0)), [51, 102, 153])


def test_half_a_picture_counts_as_none(tmp_path):
    path = write_obj(tmp_path, QUAD + "usemtl a\n" + FACE, "newmtl a\nmap_Kd paint.png\n")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "paint.png")
    (tmp_path / "paint.png").write_bytes((tmp_path / "paint.png").read_bytes()[:2000])
    assert close(color_at(read_mesh(path), (0.0, 0, 0)), [GRAY] * 3)


def test_a_missing_material_file_leaves_gray(tmp_path):
    (tmp_path / "mesh.obj").write_text("mtllib lost.mtl\nusemtl a\n" + QUAD + FACE)
    assert close(color_at(read_mesh(tmp_path / "mesh.obj"), (0.0, 0, 0)), [GRAY] * 3)


# Files nobody wants


def glb_bytes():
    buffer = io.BytesIO()
    trimesh.creation.box().export(buffer, file_type="glb")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"x", r"a.txt is not a mesh file .* end in .glb"),
        ("a.glb", b"", "a.glb cannot be read as a mesh"),
        ("a.glb", b"glTF" + bytes(40), "a.glb is binary glTF 0, only 2 is read"),
        ("a.glb", glb_bytes()[:300], "a.glb cannot be read as a mesh"),
        ("a.gltf", b"{", "a.gltf cannot be read as a mesh"),
        ("a.ply", b"ply\nformat binary_little_endian 1.0\n", "a.ply (cannot be read as a mesh|has no triangle)"),
        ("a.ply", b"nothing", "a.ply (cannot be read as a mesh|has no triangle)"),
        ("a.obj", b"", "a.obj (cannot be read as a mesh|has no triangle)"),
        ("a.obj", bytes(range(256)) * 10, "a.obj (cannot be read as a mesh|has no triangle)"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 1 1 0\n", "a.obj (cannot be read as a mesh|has no triangle)"),
        ("a.obj", b"v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 9\n", "a.obj cannot be read as a mesh"),
        ("a.off", b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n", "a.off cannot be read as a mesh"),
        (
            "a.ply",
            PLY.encode() + b"0 0 0\n1 0 0\n0 1 0\n3 0 1 7\n",
            r"a.ply cannot be read as a mesh \(a face names vertex 7 of 3",
        ),
        ("a.obj", b"v 0 0 0\nv nan 0 0\nv 1 1 0\nf 1 2 3\n", "a.obj has vertices that are NaN or infinite"),
        ("a.obj", b"v 0 0 0\nv inf 0 0\nv 1 1 0\nf 1 2 3\n", "a.obj has vertices that are NaN or infinite"),
        ("a.obj", b"v 0 0 0\nv 0 0 0\nv 1 1 0\nf 1 2 3\n", "a.obj has no triangle with an area"),
        ("a.obj", b"v 1 1 1\nv 1.1 1.2 1.3\nv 1.3 1.6 1.9\nf 1 2 3\n", "a.obj has no triangle with an area"),
        (
            "a.ply",
            b"ply\nformat binary_little_endian 1.0\nelement vertex 999999999999\nproperty float x\nproperty float y\n"
            b"property float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n" + bytes(50),
            "a.ply cannot be read as a mesh",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 8 else "",
)
def test_broken_and_empty_files_are_one_clear_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_mesh(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["glb", "ply", "obj"])
def test_damaged_bytes_give_a_mesh_or_one_clear_line(tmp_path, kind):
    """Whatever a disk or a download does to a file."""
    random = np.random.default_rng(0)
    path = tmp_path / f"a.{kind}"
    trimesh.creation.icosphere(1).export(path)
    whole = path.read_bytes()
    for _ in range(60):
        damaged = bytearray(whole[: random.integers(len(whole) // 2, len(whole) + 1)])
        for place in random.integers(len(damaged), size=random.integers(12)):
            damaged[place] = random.integers(256)
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(DataError):
            assert torch.isfinite(read_mesh(path).vertices).all()


def test_missing_files_folders_and_huge_files_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"lost.glb does not exist"):
        read_mesh(tmp_path / "lost.glb")
    (tmp_path / "folder.obj").mkdir()
    with pytest.raises(DataError, match=r"folder.obj does not exist or is not a file"):
        read_mesh(tmp_path / "folder.obj")
    (tmp_path / "box.glb").write_bytes(glb_bytes())
    with pytest.raises(DataError, match=r"box.glb has 12 triangles, at most 5 are read"):
        read_mesh(tmp_path / "box.glb", most_faces=5)
    with pytest.raises(DataError, match=r"box.glb has 0.0 MB, at most 0.0 MB are read"):
        read_mesh(tmp_path / "box.glb", most_bytes=100)
