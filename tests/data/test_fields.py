"""Further values of each image of an archive."""

import numpy as np
import pytest
from pictures import fill

from genstruct.data.archive import Archive
from genstruct.data.pack import pack
from genstruct.data.sources import open_source
from genstruct.errors import DataError, OutputError, ShapeError

COUNT = 5
IMAGES = np.zeros((COUNT, 4, 4, 3), np.uint8)


@pytest.fixture
def archive(tmp_path):
    photos = fill(tmp_path / "photos", [f"{number}.png" for number in range(COUNT)], width=16, height=16)
    return pack(open_source(photos), tmp_path / "packed", 16).archive


@pytest.mark.parametrize(
    "values",
    [
        np.arange(COUNT),
        np.linspace(0, 1, COUNT, dtype=np.float32)[:, None],
        np.arange(COUNT * 6).reshape(2, 3, COUNT).T.astype(np.float64),  # not contiguous
        np.arange(COUNT, dtype=">i4"),  # in the order of other machines
        np.array([True, False, True, True, False]),
    ],
)
def test_a_field_is_read_back_as_a_memory_map_of_the_same_numbers(archive, values):
    again = archive.write_fields({"values": values}).fields["values"]
    assert isinstance(again, np.memmap) and again.dtype == values.dtype.newbyteorder("=")
    assert np.array_equal(again, values)


def test_fields_are_added_and_replaced_by_name(archive):
    archive.write_fields({"pose": np.zeros(COUNT), "labels": np.arange(COUNT)})
    again = archive.write_fields({"pose": np.ones(COUNT)})
    assert set(again.fields) == {"pose", "labels"} and again.fields["pose"].all()
    assert again.masks is None and len(again) == COUNT


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"pose": np.zeros(COUNT + 1)}, "one row for each of 5 images"),
        ({"pose": np.array(1.0)}, "one row"),
        ({"pose": np.array(["a"] * COUNT)}, "must hold numbers"),
        ({"pose": np.array([None] * COUNT)}, "must hold numbers"),
        ({"../pose": np.zeros(COUNT)}, "small letters"),
        ({"labels": np.zeros(COUNT)}, "whole numbers"),
        ({"labels": np.zeros((COUNT, 2), int)}, "whole numbers"),
    ],
)
def test_what_is_no_field_is_refused(archive, fields, said):
    with pytest.raises(ShapeError, match=said):
        archive.write_fields(fields)
    with pytest.raises(ShapeError, match=said):
        Archive.from_arrays(IMAGES, fields=fields)
    assert not (archive.path / "fields").exists()


def test_a_damaged_field_is_named(archive):
    file = archive.write_fields({"pose": np.zeros((COUNT, 9))}).path / "fields" / "pose.npy"
    whole = file.read_bytes()
    for damaged in (b"", whole[:100], whole[:-8], b"no array"):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match=r"pose\.npy is no field"):
            Archive.open(archive.path)


def test_an_archive_in_memory_has_no_place_for_fields():
    with pytest.raises(OutputError, match="from_arrays"):
        Archive.from_arrays(IMAGES).write_fields({"pose": np.zeros(COUNT)})
