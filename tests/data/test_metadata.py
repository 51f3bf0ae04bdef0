import json

import pytest

from genstruct.data.metadata import is_safe_path, parse_metadata, parse_record


def _file(*lines: object) -> bytes:
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()


def test_every_field_of_the_convention_is_read():
    line = {
        "file_name": "images/0.jpg",
        "mask_file_name": "masks/0.png",
        "depth_file_name": "depth/0.png",
        "category": "car",
        "box": [20, 43, 99, 96],
        "azimuth": 207.6,
        "elevation": 24.8,
        "distance": 2.5,
        "intrinsics": [[256.7, 0.0, 64.7], [0.0, 256.7, 57.4], [0.0, 0.0, 1.0]],
        "world_to_camera": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2.5]],
        "object_id": "155-DTM",
    }
    metadata = parse_metadata(_file(line))
    (record,) = metadata.records
    assert metadata.problems == ()
    assert record.box == (20.0, 43.0, 99.0, 96.0)
    assert record.azimuth == 207.6
    assert record.intrinsics[1] == (0.0, 256.7, 57.4)
    assert record.world_to_camera[2] == (0.0, 0.0, 1.0, 2.5)
    assert record.extra == {"object_id": "155-DTM"}


def test_only_the_name_is_needed_and_blank_lines_are_nothing():
    metadata = parse_metadata(b'\n{"file_name": "a.png"}\n\n  \n')
    assert [record.file_name for record in metadata.records] == ["a.png"]
    assert metadata.problems == ()


def test_windows_line_ends_and_a_byte_order_mark_are_read():
    metadata = parse_metadata(b'\xef\xbb\xbf{"file_name": "a.png"}\r\n{"file_name": "b.png"}\r\n')
    assert [record.file_name for record in metadata.records] == ["a.png", "b.png"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_lines_of_any_writing_are_read(encoding, end):
    text = end.join(['{"file_name": "größe.png"}', '{"file_name": "車.png"}', ""])
    metadata = parse_metadata(text.encode(encoding))
    assert [record.file_name for record in metadata.records] == ["größe.png", "車.png"] and not metadata.problems


def test_a_list_around_all_is_told_as_such_and_a_list_on_a_line_costs_that_line_alone():
    metadata = parse_metadata(b'[\n{"file_name": "a.png"},\n{"file_name": "b.png"}\n]\n')
    assert not metadata.records and len(metadata.problems) == 1 and "without brackets" in metadata.problems[0]
    metadata = parse_metadata(b'[1, 2]\n{"file_name": "b.png"}\n')
    assert len(metadata.records) == 1 and len(metadata.problems) == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"file_name": "b.png"', "not JSON"),
        ("[1, 2]", "expected an object {...}, got list"),
        ({"mask_file_name": "b.png"}, "file_name must be the image's path, got None"),
        ({"file_name": 7}, "file_name must be the image's path, got 7"),
        ({"file_name": "../b.png"}, "leaves the folder"),
        ({"file_name": "/etc/b.png"}, "leaves the folder"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_wrong_line_is_named_and_the_others_are_kept(line, reason):
    metadata = parse_metadata(_file({"file_name": "a.png"}, line, {"file_name": "c.png"}), "cars/metadata.jsonl")
    assert [record.file_name for record in metadata.records] == ["a.png", "c.png"]
    (problem,) = metadata.problems
    assert problem.startswith("cars/metadata.jsonl line 2: ")
    assert reason in problem
    assert problem.endswith("the line is left out")


def test_bytes_that_are_not_text_are_a_wrong_line():
    metadata = parse_metadata(b'{"file_name": "\xff.png"}\n{"file_name": "a.png"}')
    assert [record.file_name for record in metadata.records] == ["a.png"]
    assert "line 1: not UTF-8 text" in metadata.problems[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("box", [1, 2, 3]),
        ("box", [5, 0, 5, 9]),
        ("box", "1 2 3 4"),
        ("box", [0, 0, float("nan"), 4]),
        ("azimuth", "north"),
        ("azimuth", True),
        ("distance", float("inf")),
        ("mask_file_name", "../../masks/a.png"),
        ("mask_file_name", ["m.png"]),
        ("intrinsics", [[1, 0], [0, 1]]),
        ("world_to_camera", [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ("category", 3),
    ],
)
def test_a_wrong_field_is_named_and_the_rest_of_the_line_is_kept(key, value):
    metadata = parse_metadata(_file({"file_name": "a.png", "elevation": 3, key: value}))
    (record,), (problem,) = metadata.records, metadata.problems
    assert record.elevation == 3.0
    assert getattr(record, key) is None
    assert problem.startswith(f"metadata.jsonl line 1: {key} must be ")
    assert problem.endswith("the field is left out")


def test_of_two_lines_for_one_image_the_first_counts():
    metadata = parse_metadata(_file({"file_name": "a.png", "category": "x"}, {"file_name": "./a.png", "category": "y"}))
    assert [record.category for record in metadata.records] == ["x"]
    assert metadata.problems == ("metadata.jsonl line 2: a second line for a.png; the line is left out",)


def test_a_huge_value_is_not_repeated_in_full():
    _, (complaint,) = parse_record({"file_name": "a.png", "box": list(range(10_000))})
    assert len(complaint) < 120


@pytest.mark.parametrize(
    "path",
    ["/a.png", "../a.png", "a/../../b.png", "C:\\a.png", "c:/a.png", "..\\a.png", "\\\\host\\a.png", "", "a\0.png"],
)
def test_paths_that_leave_their_folder_on_any_system_are_not_safe(path):
    assert not is_safe_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "a.png",
        "a/b.png",
        "a..b/c...png",
        "ä é/ü.png",
        "./a.png",
        "12:30.png",
        "at 9.00\u202fAM.png",
        "a\n.png",
        "\udcff.png",
    ],
)
def test_ordinary_paths_are_safe(path):
    assert is_safe_path(path)
