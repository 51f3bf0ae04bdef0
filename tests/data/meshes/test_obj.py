"""OBJ: text in any writing, polygons of any make, corners counted in any way, colours in any form."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mesh_files import BLUE, FACE, FOUR, GRAY, GREEN, QUAD, RED, WHITE, coded, near, obj, quadrants, read

from genstruct.errors import DataError

PLAIN = "v 0 0 0\nv 2 0 0\nv 2 2 0\nv 0 2 0\n"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN + "f 1 2 3 4 # front",
        PLAIN + "f 1 2 3 4",
        PLAIN.replace("v ", "v\t").replace(" 0\n", "\t 0 \t\n") + "f\t1 2\t3 4\n",
        PLAIN.replace("v", "  \tv") + "   f 1 2 3 4\n",
        (PLAIN + "f 1 2 3 4\n").replace("\n", "\r\n"),
        (PLAIN + "f 1 2 3 4\n").replace("\n", "\r"),
        "\ufeff" + PLAIN + "f 1 2 3 4\n",
        PLAIN + "f 1 2 \\\n 3 \\\n4\n",
        PLAIN.replace("2 2 0", "2 \\\r\n2 0") + "f 1 2 3 4\n",
        "# C:\\models\\\n" + PLAIN + "f 1 2 3 4\n",
        PLAIN.replace("2 2 0\n", "2 2 0 # C:\\models\\\n") + "f 1 2 \\\n3 4 # of D:\\ \n",
        "# f 1 2 9\n#v 7 7 7\n" + PLAIN.replace("0\n", "0 # a corner\n") + "f 1 2 3 4\n# mtllib lost.mtl\n",
        PLAIN + "\n\n  \n\t\ns off\ng a b\no thing\nf 1 2 3 4\n\n",
        PLAIN + "fo 1 2 3 4\n",
        PLAIN + "f 1/ 2/ 3/ 4/\n",
        PLAIN + "vn 0 0 1\nf 1//1 2//1 3//1 4//1\n",
        PLAIN + "vn 0 0 1\nvt 0 0\nf 1/1/1 2//1 3/1 4\n",
        PLAIN + "vn 0 0 1\nvt 0 0\nf 1/1/1 2/1/1 3/1/1 4/1/\n",
        PLAIN + "f -4 -3 -2 -1\nv 9 9 9\n",
        PLAIN.replace(" 0\n", " 0 1.0\n") + "f 1 2 3 4\n",
        PLAIN + "v nan nan nan\nv 1.#QNAN -1.#IND 0\nv 0 -nan(ind) inf\nf 1 2 3 4\n",
        PLAIN + "f 1 2 3 4\x1a",
        PLAIN + "\x00\x00f 1 2 3 4\n\x00",
        PLAIN.replace("2 0", "2.0e0 +0") + "f +1 2 3 4\n",
        PLAIN + "f 4 3 2 1\n",
    ],
)
def test_any_writing_of_a_square(tmp_path, text):
    seen = read(obj(tmp_path, text))
    assert seen.area == pytest.approx(4) and seen.span(0) == [0, 2] and seen.span(1) == [0, 2]
    assert seen.color(1, 0.5) == GRAY and seen.remarks == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_other_encodings_with_a_mark_are_read(tmp_path, encoding):
    assert read(obj(tmp_path, "# Größe\n" + PLAIN + "f 1 2 3 4\n", encoding=encoding)).area == pytest.approx(4)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["", "# Größe\n"])
def test_wide_letters_without_a_mark_keep_their_numbers_whole(tmp_path, encoding, text):
    seen = read(obj(tmp_path, text + PLAIN.replace("2", "20") + "f 1 2 3 4\n", encoding=encoding))
    assert seen.area == pytest.approx(400) and seen.span() == [0, 20] and seen.remarks == []


def test_some_corners_behind_tabs_keep_their_numbers(tmp_path):
    corners = [(0, 0), (1, 0), (1, 1), (0, 1), (4, 0), (5, 0), (5, 1), (4, 1)]
    rows = "".join(f"v{chr(9) if n in (1, 2) else ' '}{x} {y} 0\n" for n, (x, y) in enumerate(corners))
    seen = read(obj(tmp_path, rows + "v 9 9 9\nv 9 9 9\nf 1 2 3 4\nf 5 6 7 8\n"))
    assert seen.area == pytest.approx(2) and seen.span() == [0, 5]


def test_numbers_below_zero_count_back_from_what_was_read_so_far(tmp_path):
    one = "v {0} 0 0\nv {1} 0 0\nv {1} 1 0\nv {0} 1 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nvn 0 0 1\n"
    face = "f -4/-4/-1 -3/-3/-1 -2/-2/-1 -1/-1/-1\n"
    material = "newmtl a\nmap_Kd paint.png\n"
    text = "usemtl a\n" + one.format(0, 1) + face + one.format(4, 5) + face
    seen = read(obj(tmp_path, text, material, ["paint.png"]))
    assert seen.area == pytest.approx(2) and seen.span() == [0, 5]
    assert seen.color(0.2, 0.8) == RED and seen.color(4.8, 0.8) == GREEN


def test_faces_of_different_make_are_each_read_for_themselves(tmp_path):
    ring = "".join(f"v {5 + np.cos(a):.6f} {np.sin(a):.6f} 0\n" for a in np.arange(6) * np.pi / 3)
    text = "v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nvn 0 0 1\n" + ring
    text += "usemtl a\nf 1/1 2/2 3/3\nf 4 5 6 7 8 9\nf 1/1/1 2/2/1 3/3/1\nf 4//1 5//1 6//1\n"
    seen = read(obj(tmp_path, text, "newmtl a\nKd 0 0 1\nmap_Kd paint.png\n", ["paint.png"]))
    assert seen.area == pytest.approx(1 + 1.5 * 3**0.5 + 3**0.5 / 4, abs=1e-5)
    assert seen.color(0.2, 0.7) == RED and seen.color(5, 0) == BLUE


def test_a_hollow_face_covers_its_own_area(tmp_path):
    seen = read(obj(tmp_path, "v 2 0 0\nv 2 1 0\nv 1 1 0\nv 1 2 0\nv 0 2 0\nv 0 0 0\nf 1 2 3 4 5 6\n"))
    assert seen.area == pytest.approx(3) and len(seen.file.mesh.faces) == 4


@pytest.mark.parametrize(
    ("columns", "color"),
    [
        ("1 0 0", RED),
        ("1 0.5 0", (255, 128, 0)),
        ("200 100 50", (200, 100, 50)),
        ("51400 25700 12850", (200, 100, 50)),
        ("1.0 1 0 0", RED),  # w first
        ("1 0 0 1", RED),  # alpha behind
        ("1.0000001 0 0", RED),
    ],
)
def test_colors_of_corners_in_any_form(tmp_path, columns, color):
    wide = len(columns.split()) == 4 and columns.startswith("1.0 ")
    rows = "".join(
        f"v {x} {y} 0 {columns if not wide or x else columns.replace('1.0 1 0 0', '1.0 1 0 0')}\n"
        for x, y in ((0, 0), (2, 0), (2, 2), (0, 2))
    )
    if wide:  # something must differ in the last column, or it is an alpha
        rows = rows.replace("v 2 2 0 1.0 1 0 0", "v 2 2 0 1.0 1 0 0.5")
    seen = read(obj(tmp_path, rows + "f 1 2 3 4\n"))
    assert near(seen.color(0.1, 0.05), color, 4)


def test_corners_without_a_color_are_gray_beside_others(tmp_path):
    text = "v 0 0 0 1 0 0\nv 1 0 0 1 0 0\nv 0 1 0 1 0 0\nv 5 0 0\nv 6 0 0\nv 5 1 0\nf 1 2 3\nf 4 5 6\n"
    seen = read(obj(tmp_path, text))
    assert seen.color(0.2, 0.2) == RED and seen.color(5.2, 0.2) == GRAY


def test_paint_in_comments_counts(tmp_path):
    seen = read(obj(tmp_path, PLAIN + "#MRGB ffc86432ffc86432ffc86432\n#MRGB ffc86432\nf 1 2 3 4\n"))
    assert seen.color(1, 0.5) == (200, 100, 50)


def test_colors_of_corners_multiply_materials_and_pictures(tmp_path):
    rows = "".join(f"v {x} {y} 0 1 {1 if y else 0} 0\n" for x, y in ((0, 0), (2, 0), (2, 2), (0, 2)))
    text = rows + QUAD[QUAD.index("vt") :] + "usemtl a\n"
    seen = read(obj(tmp_path, text + FACE, "newmtl a\nmap_Kd paint.png\n", ["paint.png"]))
    assert near(seen.color(1.8, 0.2), (255, 25, 0), 4) and near(seen.color(1.8, 1.8), (0, 230, 0), 4)
    assert near(seen.color(0.2, 0.2), (0, 0, 0)) and near(seen.color(0.2, 1.8), RED)
    seen = read(obj(tmp_path, text + "f 1 2 3 4\n", "newmtl a\nKd 0.5 0.5 1\n"))
    assert near(seen.color(0.4, 1.998), (128, 128, 0)) and near(seen.color(0.4, 0.002), (128, 0, 0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PLAIN + "f 1 2 9\n", "a face in line 5 names v 9 of 4"),
        (PLAIN + "f 1 2 -5\n", "a face in line 5 names v -5 of 4"),
        ("f -1 -2 -3\n" + PLAIN, "a face in line 1 names v -1 of 4"),
        (PLAIN + "f 0 1 2\n", "a face in line 5 names v 0 of 4"),
        (PLAIN + "f 1/1 2/1 3/1\n", "a face in line 5 names vt 1 of 0"),
        (PLAIN + "f 1//3 2//3 3//3\n", "a face in line 5 names vn 3 of 0"),
        (PLAIN + "f 1 2 x\n", "a face in line 5 has 'x' where"),
        (PLAIN + "f 1 2 3.5\n", "a face in line 5 has '3.5' where"),
        (PLAIN + "f 1/1/1/1 2 3\n", "a face in line 5 has more than two slashes"),
        (PLAIN + "f /1 /2 /3\n", "slash without a number"),
        (PLAIN + "f 99999999999999999999 2 3\n", "a face in line 5 "),
        ("v 0 0\n" + PLAIN + "f 1 2 3\n", "line 1 holds 2 of 3 coordinates"),
        ("v 0,5 0 0\n" + PLAIN + "f 1 2 3\n", "line 1: '0,5' is no number"),
        ("# two\r\n\r\nv 0 0 zero\r\nf 1 1 1\r\n", "line 3: 'zero' is no number"),
        (PLAIN, "no triangle with an area (points and lines are not drawn)"),
        (PLAIN + "surf 0 1 0 1 1 2 3\n", "no triangle with an area (what 'surf' in line 5 stands for is not read"),
        ("ply\nformat ascii 1.0\n", "no triangle with an area (line 1 begins with 'ply', which is no statement"),
        (PLAIN.upper() + "F 1 2 3\n", "no triangle with an area (line 1 begins with 'V', which is no statement"),
    ],
)
def test_slips_are_named_with_their_line(tmp_path, text, said):
    with pytest.raises(DataError) as caught:
        read(obj(tmp_path, text))
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said", "harmless"),
    [
        ("l 1 2\n", "lines are not drawn", True),
        ("p 1\n", "points are not drawn", True),
        ("f 1 2\n", "1 faces have fewer than 3 corners", True),
        ("surf 0 1 0 1 1 2 3\n", "'surf' in line 6", False),
        ("call part.obj\n", "'call' in line 6", False),
        ("\u00ffv 1 2 3\n", "line 6 begins with 'ÿv'", False),
    ],
)
def test_what_is_not_drawn_is_told(tmp_path, text, said, harmless):
    seen = read(obj(tmp_path, PLAIN + "f 1 2 3 4\n" + text))
    assert seen.area == pytest.approx(4)
    told, other = (seen.file.notes, seen.file.problems)[:: 1 if harmless else -1]
    assert len(told) == 1 and said in told[0] and other == []


numbers = st.floats(-100, 100).map(lambda x: f"{x:.4g}")


@given(
    st.integers(3, 9),
    st.integers(1, 4),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([" ", "\t", "  \t"]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_convex_polygons_survive_any_writing(tmp_path_factory, corners, faces, end, blank, back, places, seed):
    random = np.random.default_rng(seed)
    rows, area = [], 0.0
    for face in range(faces):
        angles = np.sort(random.random(corners)) * 2 * np.pi
        flat = np.round(np.stack([np.cos(angles) + 3 * face, np.sin(angles)], 1), 5)
        following = np.roll(flat, -1, 0)
        area += abs((flat[:, 0] * following[:, 1] - flat[:, 1] * following[:, 0]).sum()) / 2
        rows += [blank.join(["v", f"{x:.5f}", f"{y:.5f}", "0"]) for x, y in flat]
        rows += [blank.join(["vt", "0", "0"])] * places
        first = -corners if back else face * corners + 1
        written = [f"{first + corner}" + ("/-1" if places else "") for corner in range(corners)]
        rows.append(blank.join(["f", *written]))
    path = tmp_path_factory.mktemp("obj") / "mesh.obj"
    path.write_bytes(end.join(rows).encode())
    assert read(path).area == pytest.approx(area, abs=1e-3)


statements = st.sampled_from(["v", "vt", "vn", "f", "usemtl", "mtllib", "o", "l", "#", "", "newmtl", "surf", "é", "\\"])
words = st.one_of(numbers, st.integers(-5, 9).map(str), st.sampled_from(["1/1", "2//1", "3/", "/", "nan", "x", "\\"]))
lines = st.tuples(statements, st.lists(words, max_size=7), st.sampled_from(["\n", "\r", "\\\n", "\0", " # c\n"]))


@given(st.lists(lines, max_size=25))
def test_any_text_gives_a_mesh_or_one_line(tmp_path_factory, given_lines):
    path = tmp_path_factory.getbasetemp() / "any.obj"
    text = PLAIN + "".join(" ".join([word, *rest]) + end for word, rest, end in given_lines)
    path.write_text(text)
    try:
        assert len(read(path).file.mesh.faces)
    except DataError as error:
        assert "\n" not in str(error) and "ype-check" not in str(error)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_mesh_or_one_line(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "bytes.obj"
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        read(path)
    assert "\n" not in str(caught.value) and "ype-check" not in str(caught.value)


# Materials


@pytest.mark.parametrize(
    ("head", "lib", "name"),
    [
        (None, "m.mtl", "a"),
        ("mtllib ./m.mtl\n", "m.mtl", "a"),
        ("mtllib .\\m.mtl\n", "m.mtl", "a"),
        ('mtllib "m.mtl"\n', "m.mtl", "a"),
        ("mtllib M.MTL\n", "m.mtl", "a"),
        ("mtllib C:\\Users\\me\\m.mtl\n", "m.mtl", "a"),
        ("mtllib /srv/me/m.mtl\n", "m.mtl", "a"),
        ("mtllib my car.mtl\n", "my car.mtl", "car paint"),
        ("mtllib my%20car.mtl\n", "my car.mtl", "a"),
        ('mtllib "my car.mtl"\n', "my car.mtl", "a"),
        ("mtllib empty.mtl m.mtl\n", "m.mtl", "a"),
        ("mtllib empty.mtl\nmtllib m.mtl\n", "m.mtl", "a"),
        ("mtllib empty.mtl my car.mtl\n", "my car.mtl", "a"),
        ("mtllib m.mtl # the colours\n", "m.mtl", "a"),
        ("\tmtllib\tm.mtl\t\n", "m.mtl", "a"),
        ("mtllib colours\n", "colours", "a"),
        ("mtllib größe.mtl\n", "größe.mtl", "größe"),
        (None, "m.mtl", "#00ff00"),
    ],
)
def test_material_files_and_names_in_any_writing(tmp_path, head, lib, name):
    (tmp_path / "empty.mtl").write_text("# nothing\nnewmtl b\nKd 1 0 0\n")
    text = "usemtl b\nusemtl " + name + "\n" + PLAIN + "f 1 2 3 4\nusemtl b\n"
    seen = read(obj(tmp_path, text, f"newmtl {name}\n\tKd 0 1 0\n", lib=lib, head=head))
    assert seen.color(1, 0.5) == GREEN and seen.remarks == []


@pytest.mark.parametrize("line", ["usemtl paint # usemtl red", "usemtl  paint ", "usemtl Paint", 'usemtl "paint"'])
def test_names_of_materials_are_found(tmp_path, line):
    seen = read(
        obj(tmp_path, PLAIN + line + "\nf 1 2 3 4 # usemtl red\n", "newmtl red\nKd 1 0 0\nnewmtl paint\nKd 0 1 0\n")
    )
    assert seen.color(1, 0.5) == GREEN and seen.remarks == []


@pytest.mark.parametrize("name", ["None", "none", "NULL", "(null)"])
def test_a_material_may_be_called_as_if_there_were_none(tmp_path, name):
    text = PLAIN + f"usemtl {name}\nf 1 2 3 4\n"
    seen = read(obj(tmp_path, text, f"newmtl red\nKd 1 0 0\nnewmtl {name}\nKd 0 1 0\n"))
    assert seen.color(1, 0.5) == GREEN and seen.remarks == []
    seen = read(obj(tmp_path, text, "newmtl red\nKd 1 0 0\nnewmtl blue\nKd 0 0 1\n"))
    assert seen.color(1, 0.5) == GRAY and seen.remarks == []


@pytest.mark.parametrize("line", ["newmtl a # the roof", "newmtl\ta  # Kd 0 1 0", 'newmtl "a"', "newmtl A"])
def test_materials_are_found_under_any_writing_of_their_name(tmp_path, line):
    seen = read(obj(tmp_path, PLAIN + "usemtl a\nf 1 2 3 4\n", f"newmtl b\nKd 1 0 0\n{line}\nKd 0 1 0\n"))
    assert seen.color(1, 0.5) == GREEN and seen.remarks == []


@pytest.mark.parametrize(
    ("kd", "color"),
    [
        ("Kd 0.4 0.4 0.4", (102, 102, 102)),
        ("Kd 0.4", (102, 102, 102)),
        ("kd\t0.4  0.2 1.0 # blue", (102, 51, 255)),
        ("Kd 0 0 0", (0, 0, 0)),
        ("Kd 1.5 -0.5 0", RED),
        ("Kd 200 100 50", (200, 100, 50)),
        ("Kd xyz 0.9505 1 1.089", WHITE),
        ("Kd xyz 0.4124 0.2126 0.0193", RED),
        ("Ka 1 1 1", GRAY),
        ("Kd 0 0 0\nKe 0 1 0", GREEN),
        ("Kd 0.4 0.4 0.4\nKd 0 1 0", GREEN),
    ],
)
def test_colors_of_materials_are_drawn_as_they_are(tmp_path, kd, color):
    seen = read(obj(tmp_path, PLAIN + "usemtl a\nf 1 2 3 4\n", f"newmtl a\n{kd}\n"))
    assert near(seen.color(1, 0.5), color) and seen.file.problems == []


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("map_Kd paint.png", "paint.png"),
        ("map_kd paint.png", "paint.png"),
        ("\tmap_Kd\tpaint.png  ", "paint.png"),
        ("map_Kd -s 1 1 1 paint.png", "paint.png"),
        ("map_Kd -o 0 0 0 -s 1 1 1 -t 0 0 0 -mm 0 1 -bm 1 -blendu on -cc off -texres 64 paint.png", "paint.png"),
        ("map_Kd -texres 512 512 -mm 0 1 paint.png", "paint.png"),
        ("map_Kd -imfchan m -type sphere -boost 2 body paint.png", "body paint.png"),
        ("map_Kd -o 0.0 -s 1 2 paint.png", None),
        ('map_Kd "body paint.png"', "body paint.png"),
        ("map_Kd body%20paint.png", "body paint.png"),
        ("map_Kd textures\\paint.png", "textures/paint.png"),
        ("map_Kd .\\Textures\\PAINT.PNG", "textures/paint.png"),
        ("map_Kd C:\\Users\\me\\textures\\paint.png", "textures/paint.png"),
        ("map_Kd C:\\Users\\me\\textures\\paint.png", "paint.png"),
        ("map_Kd \\\\server\\share\\paint.png", "paint.png"),
        ("map_Kd /srv/me/paint.png", "paint.png"),
        ("map_Kd file:///srv/me/paint.png", "paint.png"),
        ("map_Kd größe.png", "größe.png"),
        ("map_Kd gro\u0308ße.png", "größe.png"),
        ("map_Kd paint.png # body", "paint.png"),
        ("map_Kd 1.png", "1.png"),
        ("map_Kd -s 1 1 1 2 3.png", "2 3.png"),
        ("Kd 0 0 0\nmap_Kd paint.png", "paint.png"),
        ("Kd 1 0 0\nmap_Kd paint.png", "paint.png"),
        ("map_Ka paint.png", "paint.png"),
        ("Kd 0 0 0\nmap_Ke paint.png", "paint.png"),
    ],
)  # fmt: skip
def test_pictures_are_found_behind_options_and_foreign_names(tmp_path, line, place):
    seen = read(obj(tmp_path, QUAD + "usemtl a\n" + FACE, f"newmtl a\n{line}\n", [place or "paint.png"]))
    assert seen.file.problems == []
    if place is not None:
        assert seen.quarters() == FOUR
    else:  # twice from the bottom to the top
        assert seen.color(0.4, 0.8) == RED and seen.color(1.6, 1.2) == WHITE


def test_names_in_latin_1_are_found(tmp_path):
    path = obj(tmp_path, QUAD + "usemtl größe\n" + FACE, "newmtl größe\nmap_Kd größe.png\n", ["größe.png"], "latin-1")
    assert read(path).quarters() == FOUR


def test_names_on_a_disk_in_latin_1_are_found(tmp_path):
    path = obj(tmp_path, QUAD + "usemtl a\n" + FACE, "newmtl a\nmap_Kd größe.png\n", encoding="latin-1")
    try:
        (tmp_path / os.fsdecode("größe.png".encode("latin-1"))).write_bytes(coded(quadrants()))
    except OSError:
        pytest.skip("this file system holds names in UTF-8 only")
    assert read(path).quarters() == FOUR


def test_normals_behind_corners_are_no_colors(tmp_path):
    seen = read(obj(tmp_path, PLAIN.replace(" 0\n", " 0 0 0 -1\n") + "f 1 2 3 4\n"))
    assert seen.color(1, 0.5) == GRAY and "is no colour" in seen.file.notes[0]


def test_scale_offset_and_clamp_move_the_picture(tmp_path):
    def seen(options):
        mtl = f"newmtl a\nmap_Kd {options} paint.png\n"
        return read(obj(tmp_path, QUAD + "usemtl a\n" + FACE, mtl, ["paint.png"])).quarters()

    assert seen("-o 0.5 0") == [WHITE, BLUE, GREEN, RED]
    assert seen("-o 0 0.5 0") == [RED, GREEN, BLUE, WHITE]
    assert seen("-o 1 1 -clamp on") == [GREEN] * 4
    assert seen("-s 0.5 0.5 1") == [BLUE] * 4


@pytest.mark.parametrize(
    ("mtl", "head", "color", "said", "harmless"),
    [
        ("newmtl a\nKd 0 1 0\nmap_Kd lost.png\n", None, GREEN, "the picture 'lost.png' that m.mtl names is not", False),
        ("newmtl a\nmap_Kd http://here/a.png\n", None, GRAY, "'http://here/a.png'", False),
        ("newmtl a\nmap_Kd m.mtl\n", None, GRAY, "the picture 'm.mtl' is lost: not an image", False),
        ("newmtl b\nKd 0 1 0\n", None, GRAY, "the material 'a' is not in any material file", False),
        (None, "mtllib lost file.mtl\n", GRAY, "the material file 'lost file.mtl' is not there", False),
        (None, None, GRAY, "which the file does not name", False),
        ("newmtl a\nKd spectral green.rfl 1\n", None, GRAY, "is a spectrum", False),
        ("newmtl a\nKd green\n", None, GRAY, "a colour in 'm.mtl' is none ('green')", False),
        ("newmtl a\nKd 0 1 0\nd 0\n", None, GREEN, "wholly transparent", True),
    ],
)
def test_missing_neighbors_are_told_and_the_rest_is_drawn(tmp_path, mtl, head, color, said, harmless):
    seen = read(obj(tmp_path, QUAD + "usemtl a\n" + FACE, mtl, head=head))
    assert seen.area == pytest.approx(4) and seen.color(1, 0.5) == color
    told = seen.file.notes if harmless else seen.file.problems
    assert len(seen.remarks) == 1 and said in told[0] and "\n" not in told[0]


def test_a_file_that_chooses_no_material_gets_its_only_one(tmp_path):
    seen = read(obj(tmp_path, QUAD + FACE, "newmtl a\nmap_Kd paint.png\n", ["paint.png"]))
    assert seen.quarters() == FOUR and "no line chooses a material" in seen.file.notes[0] and not seen.file.problems
    seen = read(obj(tmp_path, QUAD + FACE, "newmtl a\nmap_Kd paint.png\nnewmtl b\n"))
    assert seen.color(1, 0.5) == GRAY and "one of its 2 materials" in seen.file.problems[0]


def test_a_picture_of_sixteen_bits_is_scaled(tmp_path):
    rows = np.full((16, 16), 100 * 257, np.uint16)
    rows[:, 8:] = 200 * 257
    path = obj(tmp_path, QUAD + "usemtl a\n" + FACE, "newmtl a\nmap_Kd paint.png\n")
    (tmp_path / "paint.png").write_bytes(coded(rows))
    assert read(path).quarters() == [(100,) * 3, (200,) * 3] * 2


def test_a_picture_that_is_wholly_transparent_keeps_its_colors(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[..., 0] = 255
    path = obj(tmp_path, QUAD + "usemtl a\n" + FACE, "newmtl a\nmap_Kd paint.png\n")
    (tmp_path / "paint.png").write_bytes(coded(pixels))
    assert read(path).quarters() == [RED] * 4


def test_a_picture_beyond_the_limit_is_one_line_and_nothing_else(tmp_path, capfd):
    path = obj(tmp_path, QUAD + "usemtl a\n" + FACE, "newmtl a\nKd 1 0 0\nmap_Kd paint.png\n")
    (tmp_path / "paint.png").write_bytes(coded(np.zeros((20000, 12000), bool)))
    seen = read(path)
    assert seen.color(1, 0.5) == RED and "20000" in seen.file.problems[0]
    assert capfd.readouterr() == ("", "")
