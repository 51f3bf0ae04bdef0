"""Any bytes at all as metadata, sidecars or archives: records and problems, or one line; never anything else."""

import io
import json
import string
import tarfile
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import encoded, photo

from genstruct.data.metadata import Record, is_safe_path, parse_metadata, parse_record
from genstruct.data.samples import choose_samples
from genstruct.data.sources import open_source
from genstruct.data.tree import choose_images, choose_masks
from genstruct.errors import DataError, ImageError

KEYS = [
    *("file_name", "mask_file_name", "depth_file_name", "category", "box", "azimuth", "elevation", "distance"),
    *("intrinsics", "world_to_camera", "anything"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(st.sampled_from("ab./\\~:\n\x1b\udcff é%"), max_size=12)
LINES = st.dictionaries(st.sampled_from(KEYS), JSON | NAMES, max_size=6).map(json.dumps)
PNG = encoded(photo(0))
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Files:
    """Files by path; every picture is the same."""

    def __init__(self, contents):
        self.contents = contents

    def read_path(self, path):
        if path not in self.contents:
            raise ImageError(f"{path}: not there")
        return self.contents[path]

    def peek(self, path):
        return self.read_path(path)[:4096]


def check_lines(lines):
    assert all(isinstance(line, str) and line.strip() for line in lines)


@given(st.binary(max_size=200) | st.lists(LINES, max_size=6).map(lambda lines: "\n".join(lines).encode()))
@settings(max_examples=300, deadline=None)
def test_metadata_are_records_and_problems(text):
    metadata = parse_metadata(text)
    check_lines(metadata.problems)
    for record in metadata.records:
        assert isinstance(record, Record)
        assert is_safe_path(record.file_name)
        assert record.mask_file_name is None or is_safe_path(record.mask_file_name)
        assert record.box is None or (record.box[0] < record.box[2] and record.box[1] < record.box[3])
    assert len({record.file_name for record in metadata.records}) == len(metadata.records)
    assert len(metadata.records) + len(metadata.problems) >= (1 if text.strip() and text.isascii() else 0)


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_a_record_is_what_it_should_be_or_a_value_error(fields):
    try:
        record, complaints = parse_record(fields, "a.png")
    except ValueError:
        assert not isinstance(fields, dict)
        return
    assert record.file_name == "a.png"
    check_lines(complaints)


PATHS = st.lists(
    st.builds(
        lambda folders, name, ending: "/".join([*folders, name + ending]),
        st.lists(st.sampled_from(["a", "masks", "b.c", ".hidden", "images"]), max_size=2),
        st.text(string.ascii_lowercase + "._-", min_size=1, max_size=5),
        st.sampled_from([".png", ".mask.png", "_mask.png", ".json", ".txt", "", ".jpg", "/metadata.jsonl"]),
    ),
    max_size=10,
)


@given(PATHS, st.binary(max_size=30) | LINES.map(str.encode))
@settings(max_examples=100, deadline=None)
@pytest.mark.parametrize("choose", [choose_images, choose_masks, choose_samples])
def test_every_picture_of_a_tree_is_chosen_or_told(choose, paths, text):
    contents = {path: PNG if path.endswith(("png", "jpg")) else text for path in paths}
    chosen = choose(contents, Files(contents))
    check_lines([*chosen.notes, *chosen.problems])
    assert len(set(chosen.names)) == len(chosen.names)
    assert set(chosen.names) <= set(contents)
    shadows = {path for path in contents if "/._" in f"/{path}"}  # of macOS: no pictures
    pictures = {path for path in contents if path.endswith(("png", "jpg"))} - shadows
    labels = {r.mask_file_name for r in chosen.records.values()} | {r.depth_file_name for r in chosen.records.values()}
    if choose is not choose_masks and pictures - set(chosen.names) - labels:
        assert chosen.notes + chosen.problems


@given(st.lists(st.tuples(NAMES, st.sampled_from([PNG, b"", b"{}", b"x"])), max_size=5), st.data())
@FEW
@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_is_a_set_or_one_line_whatever_happened_to_it(tmp_path, kind, members, data):
    packed = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in members:
                archive.writestr(zipfile.ZipInfo(name.encode(errors="replace").decode() + ".png"), content)
    else:
        with tarfile.open(fileobj=packed, mode="w", errors="surrogateescape") as archive:
            for name, content in members:
                info = tarfile.TarInfo(f"{name}.png")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    content = bytearray(packed.getvalue())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / f"set.{kind}"
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    try:
        with open_source(path) as source:
            check_lines([*source.notes, *source.problems])
            for number in range(len(source)):
                try:
                    source.image(number)
                except ImageError as error:
                    assert "\n" not in str(error).replace(source.names[number], "")
    except DataError as error:
        assert str(path) in str(error)
