"""PLY: any header, any mixture of elements and lengths of lists, text and binary; colours and pictures in any form."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_files import FOUR, GRAY, RED, SQUARE, coded, near, quadrants, read

from genstruct.errors import DataError

HOUSE = [*SQUARE, [1, 3, 0]]
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
LETTERS = {"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I", "float": "f", "double": "d"}
FIXED = {"int8": "char", "uint8": "uchar", "int16": "short", "uint16": "ushort", "int32": "int", "uint32": "uint",
         "float32": "float", "float64": "double"}  # fmt: skip
PLACE = [("float", name) for name in "xyz"]
CORNERS = ("list uchar int", "vertex_indices")


def ply(folder, elements, kind="ascii", comments=(), end="\n"):
    """mesh.ply of (name, properties, rows); a list's value is a sequence."""
    head = ["ply", f"format {kind} 1.0", *comments]
    body = b""
    for name, properties, rows in elements:
        head.append(f"element {name} {len(rows)}")
        head += [f"property {type_} {key}" for type_, key in properties]
        for row in rows:
            body += row_bytes([type_ for type_, _ in properties], row, ORDERS[kind], end)
    path = folder / "mesh.ply"
    path.write_bytes((end.join([*head, "end_header"]) + end).encode("latin-1") + body)
    return path


def row_bytes(types, row, order, end):
    values = []  # of a type each
    for type_, value in zip(types, row, strict=True):
        words = type_.split()
        many = words[0] == "list"
        if many:
            values.append((words[1], len(value)))
        values += [(words[-1], one) for one in (value if many else [value])]
    if not order:
        return (" ".join(str(value) for _, value in values) + end).encode()
    return b"".join(struct.pack(order + LETTERS[FIXED.get(type_, type_)], value) for type_, value in values)


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(
    "types", ["uchar int", "uchar uint", "ushort ushort", "int uchar", "uint8 int32", "int32 uint32", "char short"]
)
def test_lists_of_any_lengths_and_types(tmp_path, kind, mixed, types):
    faces = [[[0, 1, 2, 3]], [[3, 2, 4]]] if mixed else [[[0, 1, 2, 3]]]
    path = ply(tmp_path, [("vertex", PLACE, HOUSE), ("face", [(f"list {types}", "vertex_index")], faces)], kind)
    seen = read(path)
    assert seen.area == pytest.approx(5 if mixed else 4) and seen.remarks == [] and seen.color(1, 0.5) == GRAY


@pytest.mark.parametrize("kind", ORDERS)
def test_elements_and_properties_in_any_order(tmp_path, kind):
    mixed = [("uchar", "flag"), ("list uchar float", "texcoord"), CORNERS, ("double", "quality")]
    faces = [[1, [0.5] * 4, [0, 1, 2, 3], 2.5], [0, [], [3, 2, 4], -1]]
    elements = [
        ("face", mixed, faces),
        ("edge", [("int", "vertex1"), ("int", "vertex2")], [[0, 1]]),
        (
            "vertex",
            [("short", "extra"), ("double", "z"), ("float", "y"), ("float", "x")],
            [[7, *p[::-1]] for p in HOUSE],
        ),
        ("camera", [("float", "view_px"), ("list int short", "more")], [[1.5, [1, 2]]]),
    ]
    seen = read(ply(tmp_path, elements, kind))
    assert seen.area == pytest.approx(5) and seen.span(1) == [0, 3]
    assert len(seen.file.notes) == 1 and "loose edges are not drawn" in seen.file.notes[0] and not seen.file.problems


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way_and_comments_hold_any_letters(tmp_path, kind, end):
    comments = ["comment Größe in Metern", "obj_info made by hand", "comment end_header is not here", ""]
    path = ply(tmp_path, [("vertex", PLACE, SQUARE), ("face", [CORNERS], [[[0, 1, 2, 3]]])], kind, comments, end)
    assert read(path).area == pytest.approx(4)


@pytest.mark.parametrize(
    ("names", "type_", "values", "color"),
    [
        ("red green blue", "uchar", (200, 100, 50), (200, 100, 50)),
        ("red green blue", "float", (1.0, 0.5, 0.0), (255, 128, 0)),
        ("red green blue", "float", (200, 100, 50), (200, 100, 50)),
        ("red green blue", "double", (1, 0, 0), RED),
        ("red green blue", "ushort", (65535, 32896, 0), (255, 128, 0)),
        ("red green blue", "int", (200, 100, 50), (200, 100, 50)),
        ("red green blue", "uint", (200, 100, 50), (200, 100, 50)),
        ("r g b", "uint8", (200, 100, 50), (200, 100, 50)),
        ("diffuse_red diffuse_green diffuse_blue", "uchar", (200, 100, 50), (200, 100, 50)),
        ("Red Green Blue", "uchar", (200, 100, 50), (200, 100, 50)),
    ],
)
@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize("of_faces", [False, True])
def test_colors_in_any_form(tmp_path, names, type_, values, color, kind, of_faces):
    colors = [(type_, name) for name in names.split()]
    if of_faces:
        elements = [("vertex", PLACE, SQUARE), ("face", [*colors, CORNERS], [[*values, [0, 1, 2, 3]]])]
    else:
        rows = [[*values, *point, 255] for point in SQUARE]
        elements = [("vertex", [*colors, *PLACE, ("uchar", "alpha")], rows), ("face", [CORNERS], [[[0, 1, 2, 3]]])]
    seen = read(ply(tmp_path, elements, kind))
    assert near(seen.color(1, 0.5), color, 1) and seen.remarks == []


PAINT = "comment TextureFile paint.png"
UPWARDS = [(0, 0), (1, 0), (1, 1), (0, 1)]


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize("names", ["s t", "u v", "texture_u texture_v", "S T", None])
@pytest.mark.parametrize("colored", [False, True])
def test_pictures_lie_by_coordinates_of_vertices_or_faces(tmp_path, kind, names, colored):
    (tmp_path / "paint.png").write_bytes(coded(quadrants()))
    more = [("uchar", name) for name in ("red", "green", "blue")] if colored else []
    white = [255] * len(more)
    if names is None:
        rows = [[*point, *white] for point in SQUARE]
        places = [*UPWARDS[0], *UPWARDS[1], *UPWARDS[2], *UPWARDS[3]]
        face = ("face", [CORNERS, ("list uchar float", "texcoord")], [[[0, 1, 2, 3], places]])
    else:
        more = [("float", name) for name in names.split()] + more
        rows = [[*point, *place, *white] for point, place in zip(SQUARE, UPWARDS, strict=True)]
        face = ("face", [CORNERS], [[[0, 1, 2, 3]]])
    seen = read(ply(tmp_path, [("vertex", [*PLACE, *more], rows), face], kind, [PAINT]))
    assert seen.quarters() == FOUR and seen.remarks == []


def test_colors_multiply_pictures_and_several_pictures_are_chosen_by_number(tmp_path):
    (tmp_path / "paint.png").write_bytes(coded(quadrants()))
    (tmp_path / "my red.png").write_bytes(coded(np.full((4, 4, 3), RED, np.uint8)))
    points = [*SQUARE, *([x + 4, y, z] for x, y, z in SQUARE), *([x + 8, y, z] for x, y, z in SQUARE)]
    places = [value for place in UPWARDS for value in place]
    corners = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    faces = [[number, places, one] for number, one in zip((1, 0, -1), corners, strict=True)]
    properties = [("int", "texnumber"), ("list uchar float", "texcoord"), CORNERS]
    colors = [("uchar", name) for name in ("red", "green", "blue")]
    rows = [[*point, 0, 255, 255] for point in points]
    comments = [PAINT, "comment TextureFile: my red.png"]
    path = ply(tmp_path, [("vertex", [*PLACE, *colors], rows), ("face", properties, faces)], comments=comments)
    seen = read(path)
    assert seen.color(1, 0.5) == (0, 0, 0) and seen.color(5.6, 1.6) == (0, 255, 0) and seen.color(4.4, 1.6) == (0, 0, 0)
    assert seen.color(9, 0.5) == (0, 255, 255) and seen.remarks == []


@pytest.mark.parametrize(
    ("comments", "placed", "said"),
    [
        ([PAINT], True, "the picture 'paint.png' that the header names is not there"),
        ([PAINT], False, "no texture coordinates for the picture 'paint.png'"),
    ],
)
def test_a_picture_that_cannot_be_had_is_told(tmp_path, capfd, comments, placed, said):
    places = [value for place in UPWARDS for value in place]
    properties, row = ([CORNERS, ("list uchar float", "texcoord")], [[0, 1, 2, 3], places]) if placed else (
        [CORNERS], [[0, 1, 2, 3]])  # fmt: skip
    seen = read(ply(tmp_path, [("vertex", PLACE, SQUARE), ("face", properties, [row])], comments=comments))
    assert seen.color(1, 0.5) == GRAY and len(seen.file.problems) == 1 and said in seen.file.problems[0]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ORDERS)
def test_strips_turn_all_the_same_way(tmp_path, kind):
    points = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 2, 0], [1, 2, 0], [5, 0, 0], [6, 0, 0], [5, 1, 0]]
    strips = [[[0, 1, 2, 3, 4, 5, -1, 6, 7, 8]], [[6, 7, 8]]]
    seen = read(
        ply(tmp_path, [("vertex", PLACE, points), ("tristrips", [("list int int", "vertex_indices")], strips)], kind)
    )
    assert seen.area == pytest.approx(3) and seen.normal[2] == pytest.approx(6)


def test_elements_with_surface_that_are_not_read_are_named(tmp_path):
    elements = [("vertex", PLACE, SQUARE), ("face", [CORNERS], [[[0, 1, 2, 3]]])]
    grid = ("range_grid", [("list uchar int", "vertex_indices")], [[[0]], [[]]])
    told = read(ply(tmp_path, [*elements, grid])).file.problems
    assert len(told) == 1 and "its 2 x 'range_grid' are not read" in told[0]
    seen = read(ply(tmp_path, [*elements, ("material", [("float", "shine")], [[1]])]))
    assert "1 x 'material'" in seen.file.notes[0] and not seen.file.problems


def test_bad_corners_that_no_face_uses_do_not_matter(tmp_path):
    for kind in ORDERS:
        points = [*SQUARE, [float("nan")] * 3, [float("inf"), 0, 0]]
        seen = read(ply(tmp_path, [("vertex", PLACE, points), ("face", [CORNERS], [[[0, 1, 2, 3]]])], kind))
        assert seen.area == pytest.approx(4) and seen.remarks == []


TEXT = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
BODY = "element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n2 0 0\n2 2 0\n0 2 0\n4 0 1 2 3\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "does not begin with the line 'ply'"),
        ("plya\n", "does not begin with the line 'ply'"),
        (TEXT, "its header has no end"),
        (TEXT.replace("ascii", "binary"), "its header has no end"),
        ((TEXT + BODY).replace("ascii", "binary"), "the line 'format binary 1.0' of its header"),
        ((TEXT + BODY).replace("vertex 4", "vertex four"), "the line 'element vertex four'"),
        ((TEXT + BODY).replace("vertex 4", "vertex -4"), "the line 'element vertex -4'"),
        ((TEXT + BODY).replace("float x", "real x"), "the line 'property real x'"),
        ((TEXT + BODY).replace("property float x\n", ""), "3 numbers, its header tells of 2"),
        ((TEXT + BODY).replace("float x", "float a"), "no x, y and z"),
        ((TEXT + BODY).replace("format ascii 1.0\n", ""), "no line 'format'"),
        ((TEXT + BODY).replace("vertex 4", "vertex 999999999999"), "it ends within its 999999999999 x 'vertex'"),
        ((TEXT + BODY).replace("face 1", "face 3"), "it ends within its 3 x 'face'"),
        ((TEXT + BODY).replace("4 0 1 2 3", "5 0 1 2 3"), "it ends within its 1 x 'face'"),
        (
            (TEXT + BODY).replace("2 2 0\n", "2 2 0 255 0 0\n"),
            "a line of its 'vertex' has 6 numbers, its header tells of 3",
        ),
        ((TEXT + BODY).replace("2 2 0\n", "2 2\n"), "a line of its 'vertex' has 2 numbers, its header tells of 3"),
        ((TEXT + BODY).replace("4 0 1 2 3", "-4 0 1 2 3"), "a length below 0"),
        ((TEXT + BODY).replace("4 0 1 2 3", "4 0 1 2 7"), "a face names vertex 7 of 4, counted from 0"),
        ((TEXT + BODY).replace("4 0 1 2 3", "4 0 1 2 -1"), "a face names vertex -1 of 4"),
        ((TEXT + BODY).replace("2 2 0", "2 zwei 0"), "'zwei' is no number"),
        ((TEXT + BODY).replace("2 2 0", "2 nan 0"), "NaN or infinite"),
        ((TEXT + BODY).replace("list uchar int vertex_indices", "int a"), "5 numbers, its header tells of 1"),
        (
            TEXT + BODY[BODY.index("end") :].replace("end", "element face 1\nproperty int a\nend")[:-9] + "4\n",
            "no list of",
        ),
        ((TEXT + BODY).replace("4 0 1 2 3", "4 0 1 2.5 3"), "a face names vertex 2.5 of 4"),
        ((TEXT + BODY).replace("4 0 1 2 3", "4 0 1 nan 3"), "a face names vertex nan of 4"),
        (TEXT + "end_header\n0 0 0\n2 0 0\n2 2 0\n0 2 0\n", "no triangle with an area (points and lines"),
        ((TEXT + BODY).replace("face", "range_grid"), "no triangle with an area (its 1 x 'range_grid' are not read"),
    ],
)
def test_slips_are_named(tmp_path, content, said):
    (tmp_path / "mesh.ply").write_text(content)
    with pytest.raises(DataError) as caught:
        read(tmp_path / "mesh.ply")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_may_begin_with_a_mark_or_be_of_wide_letters_and_go_on_behind_its_end(tmp_path):
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
        (tmp_path / "mesh.ply").write_bytes((TEXT + BODY).encode(encoding))
        assert read(tmp_path / "mesh.ply").area == pytest.approx(4)
    (tmp_path / "mesh.ply").write_text(TEXT + BODY + "7 7\n")
    assert "2 numbers behind its last element" in read(tmp_path / "mesh.ply").file.notes[0]


@pytest.mark.parametrize("kind", ORDERS)
@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.replace(" ", "\t"),
        lambda head: head.replace("element", "ELEMENT").replace("property", "Property").replace("list", "LIST"),
        lambda head: head.replace("vertex 4", "Vertex 4").replace("face", "FACE"),
        lambda head: head.replace("\n", "\r\n").replace("ply\r", "ply"),
        lambda head: head.replace("\n", "\r\n").replace("end_header\r", "end_header"),
        lambda head: head.replace("\n", "\r")[:-1] + "\n",
        lambda head: head.replace("\n", " \n"),
    ],
)
def test_headers_in_any_writing(tmp_path, kind, change):
    path = ply(tmp_path, [("vertex", PLACE, SQUARE), ("face", [CORNERS], [[[0, 1, 2, 3]]])], kind)
    head, end, body = path.read_bytes().partition(b"end_header\n")
    path.write_bytes(change((head + end).decode()).encode() + body)
    seen = read(path)
    assert seen.area == pytest.approx(4) and seen.span() == [0, 2] and seen.remarks == []


@pytest.mark.parametrize("kind", ["binary_little_endian", "binary_big_endian"])
def test_a_count_beyond_the_file_takes_no_memory(tmp_path, kind):
    path = ply(
        tmp_path, [("vertex", PLACE, SQUARE), ("face", [("list uint int", "vertex_indices")], [[[0, 1, 2, 3]]])], kind
    )
    whole = path.read_bytes()
    for old, new in ((b"vertex 4", b"vertex 4000000000"), (b"face 1", b"face 1000000000")):
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(DataError, match="it ends within its"):
            read(path)
    at = whole.index(b"end_header\n") + 11 + 48
    path.write_bytes(whole[:at] + b"\xff\xff\xff\xff" + whole[at + 4 :])
    with pytest.raises(DataError, match="it ends within its 1 x 'face'"):
        read(path)


@given(st.integers(0, 10**6), st.sampled_from(list(ORDERS)), st.booleans())
def test_random_polygons_survive_every_writing(tmp_path_factory, seed, kind, more):
    random = np.random.default_rng(seed)
    points, faces, area = [], [], 0.0
    for face in range(random.integers(1, 5)):
        count = int(random.integers(3, 9))
        angles = np.sort(random.random(count)) * 2 * np.pi
        flat = np.stack([np.cos(angles) + 3 * face, np.sin(angles)], 1).astype(np.float32).astype(float)
        following = np.roll(flat, -1, 0)
        area += abs((flat[:, 0] * following[:, 1] - flat[:, 1] * following[:, 0]).sum()) / 2
        corners = list(range(len(points), len(points) + count))
        points += [[x, y, 0.0] for x, y in flat.tolist()]
        faces.append([corners, [0.25] * int(random.integers(0, 4)), 7] if more else [corners])
    properties = [("list ushort uint", "vertex_indices")]
    properties += [("list int double", "weights"), ("short", "flags")] if more else []
    path = ply(tmp_path_factory.mktemp("ply"), [("vertex", PLACE, points), ("face", properties, faces)], kind)
    seen = read(path)
    assert seen.area == pytest.approx(area, rel=1e-4, abs=1e-6) and seen.remarks == []


words = st.one_of(
    st.sampled_from(["ply", "format", "ascii", "1.0", "element", "vertex", "face", "4", "end_header"]),
    st.sampled_from(["property", "list", "uchar", "int", "float", "x", "y", "z"]),
    st.sampled_from(
        ["vertex_indices", "binary_little_endian", "comment", "TextureFile", "tristrips", "red", "-1", "é"]
    ),
    st.integers(-3, 5).map(str),
)
any_lines = st.lists(st.tuples(st.lists(words, max_size=5), st.sampled_from(["\n", "\r\n"])), max_size=15)


@given(any_lines, any_lines, st.booleans())
def test_any_text_gives_a_mesh_or_one_line(tmp_path_factory, header, body, plain):
    path = tmp_path_factory.getbasetemp() / "any.ply"
    first, second = ("".join(" ".join(some) + end for some, end in lines) for lines in (header, body))
    start = TEXT if plain else TEXT.replace("ascii", "binary_little_endian")
    path.write_text(start + first + BODY + second)
    try:
        assert len(read(path).file.mesh.faces)
    except DataError as error:
        assert "\n" not in str(error) and "ype-check" not in str(error)
