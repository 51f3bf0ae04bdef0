"""OFF with all its letters, and STL as text and binary, whatever they begin with."""

import struct

import numpy as np
import pytest
from mesh_files import BLUE, GRAY, GREEN, RED, SQUARE, TWO, near, read

from genstruct.errors import DataError

OFF = "OFF\n4 1 0\n0 0 0\n2 0 0\n2 2 0\n0 2 0\n4 0 1 2 3\n"


@pytest.mark.parametrize(
    ("text", "color"),
    [
        (OFF, GRAY),
        (OFF.replace("OFF\n", "OFF"), GRAY),
        (OFF.replace("OFF\n", "OFF "), GRAY),
        (OFF.replace("OFF\n", ""), GRAY),
        (OFF.replace("OFF\n", "off\n"), GRAY),
        (OFF.replace("\n", "\r\n"), GRAY),
        (OFF.replace("\n", "\r"), GRAY),
        (OFF.replace("4 1 0", "4\t1"), GRAY),
        ("# before\n" + OFF.replace("\n", " # remark\n").replace("0 2 0", "\n  # alone\n\n0 2 0"), GRAY),
        (OFF.replace("3\n", "3 255 0 0\n"), RED),
        (OFF.replace("3\n", "3 255 0 0 255\n"), RED),
        (OFF.replace("3\n", "3 1.0 0 0 0.5\n"), RED),
        ("COFF 4 1 0\n" + "".join(f"{x} {y} 0 0 1.0 0 1\n" for x, y, _ in SQUARE) + "4 0 1 2 3\n", GREEN),
        ("COFF 4 1 0\n" + "".join(f"{x} {y} 0 0 255 0\n" for x, y, _ in SQUARE) + "4 0 1 2 3 255 0 0\n", GREEN),
        ("OFF 4 1 0\n" + "".join(f"{x} {y} 0 0 255 0\n" for x, y, _ in SQUARE) + "4 0 1 2 3\n", GREEN),
        ("NOFF 4 1 0\n" + "".join(f"{x} {y} 0 0 0 1\n" for x, y, _ in SQUARE) + "4 0 1 2 3\n", GRAY),
        ("CNOFF 4 1 0\n" + "".join(f"{x} {y} 0 0 0 1 0 255 0 1\n" for x, y, _ in SQUARE) + "4 0 1 2 3\n", GREEN),
        ("STOFF 4 1 0\n" + "".join(f"{x} {y} 0 0.5 0.5\n" for x, y, _ in SQUARE) + "4 0 1 2 3\n", GRAY),
        ("COFF 4 1 0\n" + "".join(f"{x} {y} 0 0 0 255\n" for x, y, _ in SQUARE) + "4 0 1 2 3\n", BLUE),
        ("STCNOFF 4 1 0\n" + "".join(f"{x} {y} 0 0 0 1 0 0 255 255 0 1\n" for x, y, _ in SQUARE) + "4 0 1 2 3\n", BLUE),
        ("4OFF\n4 1 0\n" + "".join(f"{2 * x} {2 * y} 0 2\n" for x, y, _ in SQUARE) + "4 0 1 2 3\n", GRAY),
        (OFF.replace("4 1 0", "5 1 0").replace("4 0 1", "nan nan nan\n4 0 1"), GRAY),
    ],
)  # fmt: skip
def test_off_in_all_its_forms(tmp_path, text, color):
    (tmp_path / "mesh.off").write_text(text)
    seen = read(tmp_path / "mesh.off")
    assert seen.area == pytest.approx(4) and seen.span() == [0, 2] and seen.remarks == []
    assert near(seen.color(1, 0.5), color)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("OFF 4 1 0\n" + "".join(f"{x} {y} 0 0 0 -1\n" for x, y, _ in SQUARE) + "4 0 1 2 3\n", "is no colour"),
        (OFF.replace("3\n", "3 0 0 1 0 1 1 0 1\n"), "behind the corners of some faces is no colour"),
        (OFF.replace("3\n", "3 5\n"), "by number in a map are not used"),
        (OFF + "3 0 1 2\n4 0 1 2 3\n", "2 lines behind its last face are not read"),
    ],
)
def test_what_is_not_used_of_off_is_told(tmp_path, text, said):
    (tmp_path / "mesh.off").write_text(text)
    seen = read(tmp_path / "mesh.off")
    assert seen.area == pytest.approx(4) and near(seen.color(1, 0.5), GRAY)
    assert len(seen.file.notes) == 1 and said in seen.file.notes[0] and not seen.file.problems


def test_off_polygons_of_all_sizes_with_and_without_colors(tmp_path):
    text = "OFF\n7 3 0\n0 0 0\n2 0 0\n2 2 0\n0 2 0\n4 0 0\n4 2 0\n3 1 0\n"
    text += "4 0 1 2 3 255 0 0\n5 1 4 6 5 2\n2 0 1\n"
    (tmp_path / "mesh.off").write_text(text)
    seen = read(tmp_path / "mesh.off")
    assert seen.area == pytest.approx(7) and seen.color(1, 0.5) == RED and seen.color(2.5, 1) == GRAY
    assert "1 faces have fewer than 3 corners" in seen.file.notes[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no numbers of vertices and faces"),
        ("OFF\n", "no numbers of vertices and faces"),
        ("hello\n", "'hello' is no number"),
        ("OFF BINARY\n", "OFF BINARY is not read"),
        ("nOFF\n5\n", "nOFF"),
        (OFF.replace("4 1 0", "9 1 0"), "5 lines for 9 vertices and 1 faces"),
        (OFF.replace("4 1 0", "999999999999 1 0"), "lines for 999999999999 vertices"),
        (OFF.replace("4 0 1 2 3", "5 0 1 2 3"), "face 0 has 4 numbers, its first says 5"),
        (OFF.replace("4 0 1 2 3", "4 0 1 2 9"), "a face names vertex 9 of 4"),
        (OFF.replace("4 0 1 2 3", "4 0 1 2 -1"), "a face names vertex -1 of 4"),
        (OFF.replace("4 0 1 2 3", "4 0 1 2 nan"), "a face names vertex nan of 4"),
        (OFF.replace("4 0 1 2 3", "4 0 1 1.5 3"), "a face names vertex 1.5 of 4"),
        (OFF.replace("4 0 1 2 3", "nan 0 1 2 3"), "its first says nan"),
        (OFF.replace("4 1 0", "inf 1 0"), "for inf vertices and 1 faces"),
        (OFF.replace("2 2 0\n", "2 2\n"), "a vertex has 2 of 3 coordinates"),
        (OFF.replace("2 2 0\n", "2 nan 0\n"), "NaN or infinite"),
    ],
)
def test_slips_in_off_are_named(tmp_path, text, said):
    (tmp_path / "mesh.off").write_text(text)
    with pytest.raises(DataError) as caught:
        read(tmp_path / "mesh.off")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def binary_stl(header=b"", attributes=(0, 0), told=2):
    rows = [
        struct.pack("<12fH", 0, 0, 1, *np.ravel(np.array(SQUARE)[face]), attribute)
        for face, attribute in zip(TWO, attributes, strict=True)
    ]
    return header.ljust(80) + struct.pack("<I", told) + b"".join(rows)


def facet(first, second):
    return (
        f"facet normal 0 0 1\n outer loop\n  vertex {first} 0 0\n  vertex {second} 0 0\n  vertex {first} 1 0\n"
        " endloop\nendfacet\n"
    )


@pytest.mark.parametrize(
    "content",
    [
        binary_stl(),
        binary_stl(b"solid exported"),
        binary_stl(b"solid facet"),
        binary_stl("Größe in Zoll".encode("latin-1")),
        (b"solid\nfacet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 2 0 0\nvertex 2 2 0\nvertex 0 2 0\nendloop\n"
         b"endfacet\nendsolid\n"),
        ("solid vertex group 7 facets\n" + facet(0, 8) + "endsolid vertex group 7 facets\n").encode(),
        ("# made by hand\nsolid\n" + facet(0, 8) + "endsolid\n").encode(),
        (facet(0, 8) + "endsolid\n").encode(),
        ("solid x\n" + facet(0, 8) + "endsolid\n").encode("utf-16-le"),
        ("solid a " + facet(0, 8) + "endsolid").replace("\n", " ").encode(),
        ("solid a\n" + facet(0, 2) + "endsolid a\nSOLID b\n" + facet(4, 10).upper() + "ENDSOLID b\n").encode(),
        ("\ufeffsolid größe\r\n" + facet(0, 8).replace("\n", "\r\n") + "endsolid\r\n").encode(),
        ("solid x\n" + facet(0, 8).replace("vertex", "vertex\t") + "endsolid\n").encode("utf-16"),
    ],
)  # fmt: skip
def test_stl_whatever_it_begins_with(tmp_path, content):
    (tmp_path / "mesh.stl").write_bytes(content)
    seen = read(tmp_path / "mesh.stl")
    assert seen.area == pytest.approx(4) and seen.remarks == [] and near(seen.color(0.2, 0.1), GRAY, 0)


@pytest.mark.parametrize(
    ("header", "attributes", "colors"),
    [
        (b"", (0x8000 | 31 << 10, 0x8000 | 31), (RED, BLUE)),
        (b"", (0x8000 | 31 << 10, 31), (RED, GRAY)),
        (b"COLOR=\x00\xff\x00\xff,MATERIAL=", (31, 0x8000), (RED, GREEN)),
    ],
)
def test_colors_of_triangles_in_stl(tmp_path, header, attributes, colors):
    (tmp_path / "mesh.stl").write_bytes(binary_stl(header, attributes))
    seen = read(tmp_path / "mesh.stl")
    assert (seen.color(1.5, 0.5), seen.color(0.5, 1.5)) == colors


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "neither text with facets nor binary"),
        (b"solid nothing\nendsolid\n", "neither text with facets nor binary"),
        (binary_stl()[:-20], "it ends after 1 of 2 triangles"),
        (binary_stl(told=0)[:84], "no triangle with an area"),
        (binary_stl(told=4000000000), "it ends after 2 of 4000000000 triangles"),
        (b"solid\n" + facet(0, 2).replace(" 0 0", " 0 o").encode() + b"endsolid\n", "'o' is no number"),
        (binary_stl().replace(struct.pack("<f", 2), struct.pack("<f", float("nan"))), "NaN or infinite"),
    ],
)
def test_slips_in_stl_are_named(tmp_path, content, said):
    (tmp_path / "mesh.stl").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(tmp_path / "mesh.stl")
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("told", [0, 0xFFFFFFFF])
def test_a_header_may_leave_open_how_many_triangles_there_are(tmp_path, told):
    (tmp_path / "mesh.stl").write_bytes(binary_stl(told=told))
    seen = read(tmp_path / "mesh.stl")
    assert seen.area == pytest.approx(4) and "all 2 are read" in seen.file.notes[0] and not seen.file.problems


def test_what_a_stl_leaves_over_is_told(tmp_path):
    (tmp_path / "mesh.stl").write_bytes(binary_stl(told=1))
    assert "tells of 1 triangles, but there are 2" in read(tmp_path / "mesh.stl").file.problems[0]
    (tmp_path / "mesh.stl").write_text("solid\n" + facet(0, 2) + "facet\nouter loop\nvertex 0 0 0\n")
    assert "last 1 corners have no 'endloop'" in read(tmp_path / "mesh.stl").file.problems[0]
