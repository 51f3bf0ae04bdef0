"""glTF 2.0: containers, accessors, nodes, poses, modes, pictures and extensions, each by its specification."""

import base64
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_files import BLUE, FOUR, GRAY, GREEN, KINDS, RED, SQUARE, TWO, UV, WHITE, Gltf, coded, near, quadrants, read

from genstruct.data.meshes import wear
from genstruct.errors import DataError

TURN = [0, 0, 2**-0.5, 2**-0.5]  # 90 degrees about z


def textured(folder, **options):
    g = Gltf()
    g.textured(**options)
    return read(g.glb(folder))


# Containers


def test_the_buffer_may_be_inside_beside_or_in_the_text(tmp_path):
    for uri in (
        "car.bin",
        "my%20car.bin",
        "my car.bin",
        "MY%20CAR.BIN",
        "./my%20car.bin",
        "gr%C3%B6%C3%9Fe.bin",
        "größe.bin",
    ):
        g = Gltf()
        g.textured()
        name = {"c": "car.bin", "g": "größe.bin"}.get(uri[0], "my car.bin")
        (tmp_path / name).write_bytes(g.data)
        seen = read(g.gltf(tmp_path, uri))
        assert seen.quarters() == FOUR and seen.remarks == []
    g = Gltf()
    g.textured()
    assert read(g.gltf(tmp_path, "data:application/gltf-buffer;base64," + base64.b64encode(g.data).decode())).area == 4
    quoted = "data:application/octet-stream," + "".join(f"%{byte:02X}" for byte in g.data)
    assert read(g.gltf(tmp_path, quoted)).quarters() == FOUR


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_the_text_may_be_of_other_letters(tmp_path, encoding):
    g = Gltf()
    g.mesh()
    g.tree["nodes"][0]["name"] = "größe"
    (tmp_path / "a.bin").write_bytes(g.data)
    assert read(g.gltf(tmp_path, "a.bin", encoding)).area == 4


def test_a_container_under_the_other_name_and_with_further_chunks_is_read(tmp_path):
    g = Gltf()
    g.mesh()
    g.glb(tmp_path, chunks=[(b"XTRA", b"1234"), (b"BIN\0", b"not this")])
    (tmp_path / "mesh.gltf").write_bytes((tmp_path / "mesh.glb").read_bytes())
    assert read(tmp_path / "mesh.glb").area == 4 and read(tmp_path / "mesh.gltf").area == 4
    g = Gltf()
    g.mesh()
    (tmp_path / "a.bin").write_bytes(g.data)
    (tmp_path / "mesh.glb").write_bytes(g.gltf(tmp_path, "a.bin").read_bytes())
    assert read(tmp_path / "mesh.glb").area == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:15], "it is cut after 15 bytes"),
        (lambda data: data[:-10], "it is cut after"),
        (lambda data: data[:4] + struct.pack("<I", 1) + data[8:], "is binary glTF 1, only 2 is read"),
        (lambda data: data[:12] + struct.pack("<I", 10**6) + data[16:], "reaches beyond its end"),
        (lambda data: data.replace(b"JSON", b"JSOM"), "it has no JSON"),
        (lambda data: data.replace(b'{"asset"', b'["asset"'), "its JSON: "),
        (lambda data: data.replace(b"BIN\0", b"BIM\0"), "its buffer 0 is not in the file"),
        (lambda data: data.replace(b'"version": "2.0"', b'"version": "3.0"'), "is glTF 3.0, only 2.0 is read"),
        (lambda data: data.replace(b'"version": "2.0"', b'"vers!on": "2.0"'), "is glTF of no version"),
        (lambda data: data.replace(b'"mesh": 0', b'"mesh": 7'), "it names meshes[7], but there are 1"),
        (lambda data: data.replace(b'"mesh": 0', b'"mesh":-1'), "it names meshes[-1], but there are 1"),
        (lambda data: data.replace(b'"count": 4', b'"count": 9'), "an accessor reaches beyond its bufferView"),
        (lambda data: data.replace(b'"POSITION": 0', b'"POSITION": 5'), "it names accessors[5], but there are 2"),
    ],
)
def test_damage_is_one_line_that_names_it(tmp_path, change, said):
    g = Gltf()
    g.mesh()
    path = g.glb(tmp_path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError) as caught:
        read(path)
    assert said in str(caught.value) and "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tree, part: tree["accessors"][0].pop("count"), "an entry of it has no 'count'"),
        (lambda tree, part: tree["accessors"][0].update(type="VEC2"), "a POSITION of 2 numbers a corner"),
        (lambda tree, part: tree["accessors"][0].update(type="VEC9"), "accessors[0] is a VEC9 of 5126"),
        (lambda tree, part: tree["accessors"][0].update(componentType=5124), "accessors[0] is a VEC3 of 5124"),
        (lambda tree, part: part["attributes"].update(COLOR_0=2), "a COLOR_0 of 1 numbers a corner"),
        (
            lambda tree, part: part.update(targets=[{"POSITION": 2}]),
            "a morph target has 4 POSITION for 4, or of another",
        ),
        (lambda tree, part: tree["scenes"][0].update(nodes=[]), "(none of its 1 meshes is in the scene)"),
    ],
)
def test_entries_that_do_not_fit_are_one_line_that_names_them(tmp_path, change, said):
    g = Gltf()
    part = g.mesh()
    g.accessor([0.5, 0.5, 0.5, 0.5])
    g.tree["meshes"][0]["weights"] = [1.0]
    change(g.tree, part)
    with pytest.raises(DataError) as caught:
        read(g.glb(tmp_path))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_of_version_one_and_buffers_that_are_not_there_or_cut_are_named(tmp_path):
    (tmp_path / "mesh.gltf").write_text(json.dumps({"asset": {"version": "1.0"}, "meshes": {"m": {"primitives": []}}}))
    with pytest.raises(DataError, match=r"is glTF 1\.0, only 2\.0 is read"):
        read(tmp_path / "mesh.gltf")
    g = Gltf()
    g.mesh()
    path = g.gltf(tmp_path, "my%20car.bin")
    with pytest.raises(DataError, match=r"needs the file 'my car.bin' \(written my%20car.bin\), which is not there"):
        read(path)
    (tmp_path / "my car.bin").write_bytes(g.data[:-5])
    with pytest.raises(DataError, match=r"its buffer 'my%20car.bin' has \d+ of \d+ bytes"):
        read(path)


# Accessors


@pytest.mark.parametrize(("kind", "most"), [("u1", 255), ("u2", 65535), ("i1", 127), ("i2", 32767)])
@pytest.mark.parametrize("gap", [None, 1, 6])
def test_texture_coordinates_as_normalized_integers(tmp_path, kind, most, gap):
    g = Gltf()
    values = np.array(UV) * most
    numbers = g.accessor(values, kind, True) if gap is None else g.spread(values, kind, gap, normalized=True)
    g.textured(uv=numbers)
    assert read(g.glb(tmp_path)).quarters() == FOUR


@pytest.mark.parametrize(("kind", "most"), [("u1", 255), ("u2", 65535), ("i1", 127), ("i2", 32767)])
@pytest.mark.parametrize("normalized", [False, True])
def test_quantized_places_stand_where_each_node_puts_them(tmp_path, kind, most, normalized):
    g = Gltf()
    places = np.array(SQUARE) // 2 * most
    g.mesh(g.spread(places, kind, 1 if kind[1] == "1" else 2, normalized=normalized))
    size = 2 if normalized else 2 / most
    g.tree["nodes"] = [{"mesh": 0, "scale": [size] * 3}, {"mesh": 0, "scale": [size] * 3, "translation": [4, 0, 0]}]
    g.tree["scenes"] = [{"nodes": [0, 1]}]
    g.uses("KHR_mesh_quantization")
    seen = read(g.glb(tmp_path))
    assert seen.area == pytest.approx(8, rel=1e-5) and seen.span() == [0, 6]


@pytest.mark.parametrize("indices", ["u1", "u2", "u4"])
@pytest.mark.parametrize("based", [False, True])
def test_sparse_values_replace_those_of_a_view_or_zeros(tmp_path, indices, based):
    g = Gltf()
    places = np.array(SQUARE, "f4")
    rows, new = g.view(b"\xee" * 4 + np.array([1, 2, 3], indices).tobytes()), places[1:]
    entry = {"componentType": 5126, "count": 4, "type": "VEC3"}
    entry |= {"bufferView": g.view((places * 9).astype("f4").tobytes())} if based else {}
    entry["sparse"] = {
        "count": 3,
        "indices": {"bufferView": rows, "byteOffset": 4, "componentType": KINDS[indices]},
        "values": {"bufferView": g.view(new.tobytes())},
    }  # fmt: skip
    g.tree["accessors"].append(entry)
    g.mesh(0)
    seen = read(g.glb(tmp_path))
    assert seen.area == pytest.approx(4) and seen.span() == [0, 2]


def test_sparse_counts_in_every_attribute_and_offsets_too(tmp_path):
    g = Gltf()
    uv = np.array(UV, "f4")
    wrong = np.full((4, 2), 0.9, "f4")
    number = g.accessor(wrong)
    rows = g.view(np.arange(4, dtype="u2").tobytes())
    g.tree["accessors"][number]["sparse"] = {
        "count": 4,
        "indices": {"bufferView": rows, "componentType": 5123},
        "values": {"bufferView": g.view(uv.tobytes())},
    }
    part = g.textured(uv=number)
    part["attributes"]["POSITION"] = g.accessor(np.array([[9, 9, 9], *SQUARE], "f4"))
    g.tree["accessors"][-1] |= {"byteOffset": 12, "count": 4}
    part["indices"] = g.accessor([7, 7, *np.ravel(TWO)], "u4")
    g.tree["accessors"][-1] |= {"byteOffset": 8, "count": 6}
    assert read(g.glb(tmp_path)).quarters() == FOUR


@pytest.mark.parametrize("kind", ["u1", "u2", "u4"])
def test_corners_of_any_type_and_corners_that_are_not_there(tmp_path, kind):
    g = Gltf()
    g.mesh(faces=g.accessor(np.ravel(TWO), kind))
    assert read(g.glb(tmp_path)).area == 4
    g = Gltf()
    g.mesh(faces=g.accessor([0, 1, 4], kind))
    with pytest.raises(DataError, match=r"primitive 0 of meshes\[0\] names vertex 4 of 4, counted from 0"):
        read(g.glb(tmp_path))


@pytest.mark.parametrize("kind", ["f4", "u1", "u2"])
@pytest.mark.parametrize("width", [3, 4])
def test_colors_of_corners_are_linear_in_every_type(tmp_path, kind, width):
    most = {"f4": 1, "u1": 255, "u2": 65535}[kind]
    g = Gltf()
    g.mesh(COLOR_0=g.accessor(np.array([[1, 0, 0.2, 1][:width]] * 4) * most, kind, kind != "f4"))
    assert near(read(g.glb(tmp_path)).color(1, 0.5), (255, 0, 124), 1)


def test_bad_corners_that_no_face_uses_do_not_matter_others_do(tmp_path):
    g = Gltf()
    g.mesh([*SQUARE, [float("nan")] * 3])
    assert read(g.glb(tmp_path)).area == 4
    g = Gltf()
    g.mesh([*SQUARE[:3], [float("nan")] * 3])
    with pytest.raises(DataError, match="NaN or infinite"):
        read(g.glb(tmp_path))


def test_attributes_of_other_lengths_are_named(tmp_path):
    g = Gltf()
    g.mesh(COLOR_0=[[1, 0, 0]] * 3)
    with pytest.raises(DataError, match="a primitive has 3 COLOR_0 for 4 positions"):
        read(g.glb(tmp_path))


def test_counts_beyond_the_file_take_no_memory(tmp_path):
    g = Gltf()
    g.mesh()
    g.tree["accessors"][0] = {"componentType": 5126, "count": 10**12, "type": "VEC3"}
    with pytest.raises(DataError, match=r"has 1000000000000 values, none of them in the file"):
        read(g.glb(tmp_path))
    g = Gltf()
    g.mesh()
    g.tree["nodes"] = [{"mesh": 0} for _ in range(1000)]
    g.tree["scenes"] = [{"nodes": list(range(1000))}]
    with pytest.raises(DataError, match="at most 100 are read"):
        read(g.glb(tmp_path), most_faces=100)


# Nodes and poses


def test_places_of_nodes_are_products_along_their_parents(tmp_path):
    g = Gltf()
    g.mesh()
    matrix = np.eye(4)
    matrix[:3, 3] = (10, 0, 0)
    g.tree["nodes"] = [
        {"children": [1], "matrix": matrix.T.ravel().tolist()},
        {"children": [2], "rotation": TURN, "scale": [2, 1, 1]},
        {"mesh": 0, "translation": [1, 0, 0]},
    ]
    seen = read(g.glb(tmp_path))
    assert seen.span(0) == [8, 10] and seen.span(1) == [2, 6] and seen.area == pytest.approx(8)


@pytest.mark.parametrize("node", [{"scale": [-1, 1, 1]}, {"matrix": np.diag([1.0, -1, 1, 1]).ravel().tolist()}])
def test_mirrored_nodes_still_look_outwards_and_keep_their_picture(tmp_path, node):
    g = Gltf()
    g.textured()
    g.tree["nodes"] = [{"mesh": 0} | node]
    seen = read(g.glb(tmp_path))
    assert seen.normal[2] == pytest.approx(8)
    assert seen.color(-0.4 if "scale" in node else 0.4, 1.6 if "scale" in node else -1.6) == RED


def test_scenes(tmp_path):
    def seen(**tree):
        g = Gltf()
        g.mesh()
        g.mesh(np.add(SQUARE, [10, 0, 0]))
        g.tree["nodes"] = [{"mesh": 0}, {"mesh": 1}]
        g.tree |= tree
        g.tree = {key: value for key, value in g.tree.items() if value is not None}
        found = read(g.glb(tmp_path))
        assert not found.file.problems
        return found.span(), " ".join(found.file.notes)

    span, notes = seen()
    assert span == [0, 2] and "1 of its 2 meshes are not in the scene" in notes
    assert seen(scenes=[{"nodes": [0, 1]}]) == ([0, 12], "")
    span, notes = seen(scenes=[{"nodes": [0]}, {"nodes": [1]}], scene=1)
    assert span == [10, 12] and "scenes[1] is drawn" in notes
    assert seen(scenes=[{"nodes": [1]}, {"nodes": [0]}], scene=None)[0] == [10, 12]
    assert seen(scenes=[{"nodes": [1]}], scene=None)[0] == [10, 12]
    span, notes = seen(scenes=None, scene=None)
    assert span == [0, 12] and "it has no scene; all its nodes are drawn" in notes
    span, notes = seen(scenes=None, scene=None, nodes=None)
    assert span == [0, 12] and "it has no nodes" in notes
    assert seen(nodes=[{"mesh": 0, "camera": 0, "extras": [1]}, {"children": [0]}], scenes=[{"nodes": [1]}])[0] == [
        0,
        2,
    ]


def test_nodes_in_a_circle_end(tmp_path):
    g = Gltf()
    g.mesh()
    g.tree["nodes"] = [{"children": [1], "mesh": 0}, {"children": [0]}]
    with pytest.raises(DataError, match="circle"):
        read(g.glb(tmp_path))


def test_skins_stand_by_their_joints_alone(tmp_path):
    g = Gltf()
    places = [[0, 0, 0], [1, 0, 0], [1, 4, 0], [0, 4, 0]]
    g.mesh(places, JOINTS_0=g.accessor(np.zeros((4, 4)), "u1"), WEIGHTS_0=[[1, 0, 0, 0]] * 4)
    bind = np.eye(4)
    bind[:3, 3] = (-10, 0, 0)
    g.tree["skins"] = [{"joints": [1], "inverseBindMatrices": g.accessor(bind.T.reshape(1, 16))}]
    g.tree["nodes"] = [
        {"mesh": 0, "skin": 0, "scale": [7, 7, 7], "translation": [50, 0, 0]},
        {"rotation": TURN},
        {"children": [1], "translation": [0, 10, 0]},
    ]
    g.tree["scenes"] = [{"nodes": [0, 2]}]
    seen = read(g.glb(tmp_path))
    assert seen.span(0) == [-4, 0] and seen.span(1) == [0, 1] and seen.normal[2] > 0


@pytest.mark.parametrize("kind", ["f4", "u1", "u2"])
def test_weights_of_several_joints_in_every_type_and_set(tmp_path, kind):
    most = {"f4": 1, "u1": 255, "u2": 65535}[kind]
    shares = np.array([[1, 0, 0, 0], [0.6, 0.4, 0, 0], [0.2, 0, 0, 0], [0, 1, 0, 0]]) * most
    rest = np.array([[0, 0, 0, 0], [0, 0, 0, 0], [0.8, 0, 0, 0], [0, 0, 0, 0]]) * most
    joints = [[0, 1, 0, 0]] * 4
    g = Gltf()
    normal = kind != "f4"
    g.mesh(
        JOINTS_0=g.accessor(joints, "u2"),
        WEIGHTS_0=g.accessor(shares, kind, normal),
        JOINTS_1=g.accessor([[1, 9, 9, 9]] * 4, "u1"),
        WEIGHTS_1=g.accessor(rest, kind, normal),
    )
    g.tree["skins"] = [{"joints": [1, 2]}]
    g.tree["nodes"] = [{"mesh": 0, "skin": 0}, {}, {"translation": [0, 0, 10]}]
    seen = read(g.glb(tmp_path))
    heights = sorted(round(z, 2) for z in seen.file.mesh.vertices[0, :, 2].tolist())
    assert heights == pytest.approx([0, 4, 8, 10], abs=0.01)


@pytest.mark.parametrize("where", ["mesh", "node", "both"])
def test_targets_count_by_the_default_weights(tmp_path, where):
    g = Gltf()
    part = g.mesh()
    up = g.accessor([[0, 0, 1]] * 4)
    right = g.accessor(np.zeros((4, 3)))
    g.tree["accessors"][right].pop("bufferView")
    g.tree["accessors"][right]["sparse"] = {
        "count": 1,
        "indices": {"bufferView": g.view(b"\2\0"), "componentType": 5123},
        "values": {"bufferView": g.view(np.array([4, 0, 0], "f4").tobytes())},
    }
    part["targets"] = [{"POSITION": up, "NORMAL": up}, {"POSITION": right}]
    if where != "node":
        g.tree["meshes"][0]["weights"] = [0.5, 0.25] if where == "mesh" else [7, 7]
    if where != "mesh":
        g.tree["nodes"][0]["weights"] = [0.5, 0.25]
    seen = read(g.glb(tmp_path))
    assert seen.span(0) == [0, 3] and seen.span(2) == [0.5, 0.5]


def test_instances_stand_where_the_extension_puts_them_and_hidden_nodes_are_left_out(tmp_path):
    g = Gltf()
    g.mesh()
    several = {"TRANSLATION": g.accessor([[0, 0, 0], [4, 0, 0], [8, 0, 0]]), "SCALE": g.accessor([[1, 1, 1]] * 3)}
    hidden = {"extensions": {"KHR_node_visibility": {"visible": False}}, "mesh": 0, "translation": [99, 0, 0]}
    g.tree["nodes"] = [{"mesh": 0, "extensions": {"EXT_mesh_gpu_instancing": {"attributes": several}}}, hidden]
    g.tree["scenes"] = [{"nodes": [0, 1]}]
    g.uses("EXT_mesh_gpu_instancing", "KHR_node_visibility")
    seen = read(g.glb(tmp_path))
    assert seen.area == pytest.approx(12) and seen.span() == [0, 10] and "hides" in seen.file.notes[0]


# Modes


@pytest.mark.parametrize(
    ("mode", "faces"), [(4, [0, 1, 2, 0, 2, 3]), (5, [0, 1, 3, 2]), (6, [0, 1, 2, 3]), (None, [0, 1, 2, 0, 2, 3])]
)
@pytest.mark.parametrize("indexed", [False, True])
def test_modes_of_triangles(tmp_path, mode, faces, indexed):
    g = Gltf()
    if indexed:
        g.mesh(faces=faces, mode=mode)
    else:
        g.mesh(np.array(SQUARE)[faces], None, mode=mode)
    seen = read(g.glb(tmp_path))
    assert seen.area == 4 and seen.normal[2] == pytest.approx(8) and seen.remarks == []


def test_long_strips_and_fans_turn_one_way(tmp_path):
    rows = np.arange(12)
    g = Gltf()
    g.mesh(np.stack([rows // 2, rows % 2, rows * 0], 1) * [1, -1, 1], None, mode=5)
    ring = [[np.cos(a), np.sin(a), 0] for a in np.arange(7) * np.pi / 3]
    g.mesh(np.add([[0, 0, 0], *ring], [20, 0, 0]), None, mode=6)
    g.tree["scenes"] = [{"nodes": [0, 1]}]
    g.tree["nodes"] = [{"mesh": 0}, {"mesh": 1}]
    seen = read(g.glb(tmp_path))
    assert seen.area == pytest.approx(5 + 1.5 * 3**0.5, abs=1e-5)
    assert seen.normal[2] == pytest.approx(2 * seen.area, abs=1e-5)


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_points_and_lines_beside_triangles_are_told(tmp_path, mode):
    g = Gltf()
    g.mesh()
    g.tree["meshes"][0]["primitives"].append({"attributes": {"POSITION": 0}, "mode": mode})
    seen = read(g.glb(tmp_path))
    assert seen.area == 4 and "are not drawn" in seen.file.notes[0] and not seen.file.problems


# Pictures


def test_the_picture_lies_as_it_should(tmp_path):
    assert textured(tmp_path).quarters() == FOUR


def test_the_picture_uses_the_coordinates_that_it_names(tmp_path):
    wrong = [[0.9, 0.9]] * 4
    assert textured(tmp_path, uv=wrong, info={"texCoord": 1}, TEXCOORD_1=UV).quarters() == FOUR
    moved = {"texCoord": 1, "extensions": {"KHR_texture_transform": {"texCoord": 2}}}
    assert textured(tmp_path, uv=wrong, info=moved, TEXCOORD_1=wrong, TEXCOORD_2=UV).quarters() == FOUR
    seen = textured(tmp_path, uv=UV, info={"texCoord": 1})
    assert seen.color(1, 0.5) == WHITE and "has no TEXCOORD_1" in seen.file.problems[0]


@pytest.mark.parametrize(
    ("moved", "quarters"),
    [
        ({"offset": [0.5, 0]}, [WHITE, BLUE, GREEN, RED]),
        ({"offset": [0, 0.5]}, [RED, GREEN, BLUE, WHITE]),
        ({"scale": [0.5, 0.5]}, [RED] * 4),
        ({"scale": [0.5, 0.5], "offset": [0.5, 0]}, [GREEN] * 4),
        ({"scale": [1, -1], "offset": [0, 1]}, [RED, GREEN, BLUE, WHITE]),
        # The specification's example: the lower left quadrant, which is of one colour here.
        ({"offset": [0, 1], "rotation": np.pi / 2, "scale": [0.5, 0.5]}, [BLUE] * 4),
        # The picture turned clockwise.
        ({"offset": [0, 1], "rotation": np.pi / 2}, [WHITE, GREEN, BLUE, RED]),
    ],
)
def test_the_picture_is_moved_by_its_transform(tmp_path, moved, quarters):
    assert textured(tmp_path, info={"extensions": {"KHR_texture_transform": moved}}).quarters() == quarters


CLAMP, MIRROR, REPEAT = 33071, 33648, 10497


@pytest.mark.parametrize(("across", "down"), [(a, b) for a in (CLAMP, MIRROR, REPEAT) for b in (CLAMP, MIRROR, REPEAT)])
@pytest.mark.parametrize("reach", [(-1, 2), (0, 2), (-3, -1), (0.25, 0.75)])
def test_pictures_go_on_beyond_their_border_as_samplers_say(tmp_path, across, down, reach):
    low, high = reach
    uv = np.array(UV) * (high - low) + low
    seen = textured(tmp_path, uv=uv, sampler={"wrapS": across, "wrapT": down})

    def inside(value, wrap):
        if wrap == CLAMP:
            return min(max(value, 0.01), 0.99)
        return value % 1 if wrap == REPEAT else 1 - abs(value % 2 - 1)

    pixels = quadrants()
    for place in ((0.17, 0.2), (1.03, 0.29), (1.81, 1.45), (0.22, 1.6), (0.52, 1.13)):
        u = inside(low + place[0] / 2 * (high - low), across)
        v = inside(low + (1 - place[1] / 2) * (high - low), down)
        if min(abs(u % 0.5), abs(v % 0.5), 0.5 - u % 0.5, 0.5 - v % 0.5) > 0.06:
            assert near(seen.color(*place), pixels[int(v * 16), int(u * 16)], 4), (place, u, v)


def test_many_large_pictures_and_many_colors_of_one_take_no_more_memory_than_some(tmp_path, monkeypatch):
    monkeypatch.setattr("genstruct.data.meshes.reading.MOST_WHOLE", 4)
    monkeypatch.setattr("genstruct.data.meshes.wear.MOST_COPIED", 4 * 256**2 * 3)
    held, kept = [], []
    merged, unmirrored = wear._merged, wear._unmirrored
    monkeypatch.setattr(wear, "_unmirrored", lambda layer, uv: kept.append(layer.pixels.size) or unmirrored(layer, uv))
    monkeypatch.setattr(wear, "_merged", lambda *given: held.append(given[0].picture.pixels.size) or merged(*given))
    for several in (True, False):
        g = Gltf()
        part = g.mesh(uv=UV)
        pictures = [g.texture(np.kron(quadrants(16), np.full((16, 16, 1), 1, np.uint8))) for _ in range(16)]
        bases = [{"baseColorTexture": {"index": one}} for one in pictures[: 16 if several else 1]] * (
            1 if several else 16
        )
        shades = [base | {"baseColorFactor": [(n + 1) / 16, 1, 1, 1]} for n, base in enumerate(bases)]
        g.tree["meshes"] = [{"primitives": [part | {"material": g.material(shade)} for shade in shades]}]
        if not several:
            g.tree["images"] = g.tree["images"][:1]
        seen = read(g.glb(tmp_path), largest_texture=256)
        assert near(seen.quarters()[0], BLUE, 20) and seen.remarks == []
        assert np.prod(seen.file.mesh.texture.shape[2:]) < 2 * 256**2
    assert sum(held[:16]) <= 4 * 256**2 * 3 * 1.1
    assert sum(kept[16:]) <= 6 * 256**2 * 3


def test_triangles_that_reach_far_beyond_a_picture_take_no_memory(tmp_path):
    g = Gltf()
    uv = np.array(UV) * 1e7
    g.textured(uv=uv, sampler={"wrapS": CLAMP, "wrapT": CLAMP}, faces=TWO * 200, COLOR_0=np.eye(4, 3))
    assert np.prod(read(g.glb(tmp_path), largest_texture=256).file.mesh.texture.shape[2:]) < 2 * 256**2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tree: tree.update(images=[{"mimeType": "image/png"}]), "'images[0]' has no contents"),
        (lambda tree: tree.update(images=[{"bufferView": 99}]), "'images[0]' is lost: it names bufferViews[99]"),
        (lambda tree: tree.update(images=[{"uri": "data:image/png;base64,AAAA"}]), "'images[0]' is lost"),
        (lambda tree: tree["materials"][0]["pbrMetallicRoughness"].update(baseColorFactor=[1, float("nan"), 1, 1]),
         "a colour of its materials is none"),
        (lambda tree: tree["materials"][0]["pbrMetallicRoughness"].update(baseColorFactor=[1]), "is none ([1])"),
    ],
)  # fmt: skip
def test_damage_to_pictures_and_colors_is_told_and_the_shape_is_drawn(tmp_path, change, said):
    g = Gltf()
    g.textured()
    change(g.tree)
    seen = read(g.glb(tmp_path))
    assert seen.area == 4 and len(seen.file.problems) == 1 and said in seen.file.problems[0]
    assert seen.quarters() in ([WHITE] * 4, FOUR)


def test_colors_of_corners_and_factors_multiply_the_picture_in_linear_light(tmp_path):
    g = Gltf()
    white = g.texture(np.full((4, 4, 3), 255, np.uint8))
    base = {"baseColorTexture": {"index": white}, "baseColorFactor": [1, 0.5, 1, 1]}
    colors = [[1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 1, 0]]
    g.mesh(uv=UV, material=g.material(base), COLOR_0=np.array(colors))
    seen = read(g.glb(tmp_path))
    assert near(seen.color(1, 0.001), (255, 188, 0)) and near(seen.color(1, 1.999), (0, 188, 0), 20)
    assert near(seen.color(0.5, 1), (188, 188, 0), 6)
    g = Gltf()
    base = {"baseColorFactor": [1, 0.5, 1, 1]}
    g.mesh(material=g.material(base), COLOR_0=np.array([[1, 1, 0]] * 4))
    assert near(read(g.glb(tmp_path)).color(1, 0.5), (255, 188, 0))


def test_red_corners_on_a_white_picture_are_red(tmp_path):
    g = Gltf()
    base = {"baseColorTexture": {"index": g.texture(np.full((4, 4, 3), 255, np.uint8))}}
    g.mesh(uv=UV, material=g.material(base), COLOR_0=np.array([[1, 0, 0]] * 4))
    assert read(g.glb(tmp_path)).quarters() == [RED] * 4


@pytest.mark.parametrize("base", [{"baseColorFactor": [0, 0, 0, 1]}, {"baseColorFactor": [0, 0, 0]}])
def test_a_picture_that_glows_alone_is_drawn(tmp_path, base):
    g = Gltf()
    glow = {"emissiveFactor": [1, 1, 1], "emissiveTexture": {"index": g.texture()}}
    g.mesh(uv=UV, material=g.material(base, **glow))
    assert read(g.glb(tmp_path)).quarters() == FOUR


def test_glow_adds_to_the_picture_wherever_it_lies(tmp_path):
    for turned in (False, True):
        g = Gltf()
        base = {"baseColorTexture": {"index": g.texture()}}
        green = np.zeros((4, 4, 3), np.uint8)
        green[:, :2, 1] = 255
        info = {"index": g.texture(green), "texCoord": int(turned)}
        more = {"TEXCOORD_1": np.array(UV)[[1, 2, 3, 0]]} if turned else {}
        g.mesh(uv=UV, material=g.material(base, emissiveTexture=info, emissiveFactor=[1, 1, 1]), **more)
        seen = read(g.glb(tmp_path)).quarters()
        wanted = [(0, 255, 255), WHITE, (255, 255, 0), GREEN] if not turned else [BLUE, WHITE, (255, 255, 0), GREEN]
        assert all(near(one, other, 8) for one, other in zip(seen, wanted, strict=True)), turned
    g = Gltf()
    g.mesh(material=g.material({"baseColorFactor": [0, 0, 0, 1]}, emissiveFactor=[0, 1, 0]))
    assert read(g.glb(tmp_path)).color(1, 0.5) == GREEN


def test_materials_by_extensions(tmp_path):
    g = Gltf()
    gloss = {"diffuseTexture": {"index": g.texture()}, "specularFactor": [0, 0, 0]}
    g.mesh(uv=UV, material=g.material(extensions={"KHR_materials_pbrSpecularGlossiness": gloss}))
    g.uses("KHR_materials_pbrSpecularGlossiness", "KHR_materials_unlit")
    assert read(g.glb(tmp_path)).quarters() == FOUR
    g = Gltf()
    g.mesh(material=g.material({"baseColorFactor": [1, 1, 1, 1]}), uv=UV)
    g.mesh(np.add(SQUARE, [4, 0, 0]))
    g.tree["scenes"], g.tree["nodes"] = [{"nodes": [0, 1]}], [{"mesh": 0}, {"mesh": 1}]
    seen = read(g.glb(tmp_path))
    assert seen.color(1, 0.5) == WHITE and seen.color(5, 0.5) == GRAY


def test_pictures_of_any_depth_and_container(tmp_path):
    deep = np.full((16, 16), 100 * 257, np.uint16)
    assert _with_picture(tmp_path, coded(deep)).quarters() == [(100,) * 3] * 4
    clear = np.dstack([quadrants(), np.zeros((16, 16), np.uint8)])
    assert _with_picture(tmp_path, coded(clear)).quarters() == FOUR  # opaque unless the material says otherwise
    g = Gltf()
    g.textured()
    g.tree["images"][0] = {"uri": "data:image/png;base64," + base64.b64encode(coded(quadrants())).decode()}
    assert read(g.glb(tmp_path)).quarters() == FOUR
    g.tree["images"][0] = {"uri": "my%20paint.png"}
    (tmp_path / "my paint.png").write_bytes(coded(quadrants()))
    assert read(g.glb(tmp_path)).quarters() == FOUR
    (tmp_path / "my paint.png").unlink()
    seen = read(g.glb(tmp_path))
    assert (
        seen.color(1, 0.5) == WHITE and "the picture 'my paint.png' (written my%20paint.png)" in seen.file.problems[0]
    )


def _with_picture(folder, data, mime="image/png", extension=None, fallback=False):
    g = Gltf()
    number = g.texture(data=data, mime=mime)
    g.mesh(uv=UV, material=g.material({"baseColorTexture": {"index": number}}))
    if extension is not None:
        g.tree["textures"][number] = {"extensions": {extension: {"source": 0}}}
        g.uses(extension, required=not fallback)
    if fallback:
        g.tree["images"].append({"bufferView": g.view(coded(quadrants())), "mimeType": "image/png"})
        g.tree["textures"][number]["source"] = 1
    return read(g.glb(folder))


def test_pictures_in_other_formats(tmp_path):
    webp = coded(quadrants(), "WEBP", lossless=True)
    assert _with_picture(tmp_path, webp, "image/webp", "EXT_texture_webp").quarters() == FOUR
    ktx = b"\xabKTX 20\xbb\r\n\x1a\n" + bytes(80)
    seen = _with_picture(tmp_path, ktx, "image/ktx2", "KHR_texture_basisu")
    assert seen.color(1, 0.5) == WHITE and "KTX2" in seen.file.problems[0]
    seen = _with_picture(tmp_path, ktx, "image/ktx2", "KHR_texture_basisu", fallback=True)
    assert seen.quarters() == FOUR and not seen.file.problems and "images[1] stands for it" in seen.file.notes[0]
    g = Gltf()
    g.textured()
    g.tree["bufferViews"].append({"buffer": 0, "byteOffset": 10**6, "byteLength": 9})
    g.tree["images"][0]["bufferView"] = len(g.tree["bufferViews"]) - 1
    seen = read(g.glb(tmp_path))
    assert seen.color(1, 0.5) == WHITE and "reaches beyond its buffer" in seen.file.problems[0]
    seen = _with_picture(tmp_path, b"no picture")
    assert seen.color(1, 0.5) == WHITE and "is lost: not an image" in seen.file.problems[0]


# Extensions


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("required", [False, True])
def test_compressed_parts_are_refused_by_name(tmp_path, beside, required):
    g = Gltf()
    part = g.mesh()
    for number in (part["attributes"]["POSITION"], part["indices"]):
        g.tree["accessors"][number].pop("bufferView")
    packed = {"bufferView": g.view(b"DRACO" + bytes(59)), "attributes": {"POSITION": 0}}
    part["extensions"] = {"KHR_draco_mesh_compression": packed}
    if beside:
        g.mesh(np.add(SQUARE, [10, 0, 0]))
        g.tree["scenes"], g.tree["nodes"] = [{"nodes": [0, 1]}], [{"mesh": 0}, {"mesh": 1}]
    g.uses("KHR_draco_mesh_compression", required=required)
    with pytest.raises(DataError, match="KHR_draco_mesh_compression, which is not implemented") as caught:
        read(g.glb(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_fallback_is_read_and_told(tmp_path):
    g = Gltf()
    part = g.mesh()
    part["extensions"] = {"KHR_draco_mesh_compression": {"bufferView": g.view(bytes(64)), "attributes": {}}}
    g.uses("KHR_draco_mesh_compression", required=False)
    seen = read(g.glb(tmp_path))
    assert seen.area == 4 and "its fallback is read" in seen.file.notes[0] and not seen.file.problems


@pytest.mark.parametrize("name", ["EXT_meshopt_compression", "KHR_meshopt_compression"])
def test_compressed_buffers(tmp_path, name):
    g = Gltf()
    g.mesh()
    for view in g.tree["bufferViews"]:
        view["extensions"] = {name: {"buffer": 0, "byteLength": 8, "byteStride": 12, "count": 4, "mode": "ATTRIBUTES"}}
    g.uses(name, required=False)
    seen = read(g.glb(tmp_path))
    assert seen.area == 4 and "its fallback is read" in seen.file.notes[0]
    for view in g.tree["bufferViews"]:
        view["buffer"] = 1
    g.tree["buffers"].append({"byteLength": 999, "extensions": {name: {"fallback": True}}})
    for required in (False, True):
        g.uses(name, required=required)
        if not required:
            g.tree.pop("extensionsRequired", None)
        with pytest.raises(DataError, match=f"{name}, which is not implemented"):
            read(g.glb(tmp_path))


def test_unknown_extensions_are_refused_where_required_and_told_otherwise(tmp_path):
    g = Gltf()
    g.mesh()
    g.uses("ACME_shape", required=False)
    seen = read(g.glb(tmp_path))
    assert seen.area == 4 and "ACME_shape is not read" in seen.file.notes[0]
    g.uses("ACME_shape")
    with pytest.raises(DataError, match="requires the glTF extension ACME_shape, which is not implemented"):
        read(g.glb(tmp_path))


values = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 9), st.floats(), st.text(max_size=3), st.just([]), st.just({})
)


@given(st.data())
def test_any_change_of_the_text_gives_a_mesh_or_one_line(tmp_path_factory, data):
    g = Gltf()
    g.textured()
    path = g.glb(tmp_path_factory.getbasetemp())
    parent = place = g.tree
    key = "asset"
    while isinstance(place, dict | list) and place:
        parent, key = place, data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        place = parent[key]
        if data.draw(st.integers(0, 3)) == 0:
            break
    parent[key] = data.draw(values)
    g.glb(tmp_path_factory.getbasetemp())
    try:
        assert len(read(path).file.mesh.faces)
    except DataError as error:
        assert "\n" not in str(error) and str(path) in str(error)
