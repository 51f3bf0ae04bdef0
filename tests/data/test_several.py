"""Several places as one set, and `~`."""

import json
import zipfile

import numpy as np
import pytest
from pictures import encoded, fill, mask, photo

from genstruct.data.sources import expanded, open_source
from genstruct.errors import DataError, ImageError


def labeled(folder):
    fill(folder, ["images/0.png"])
    (folder / "masks").mkdir()
    (folder / "masks/0.png").write_bytes(encoded(mask()))
    line = {"file_name": "images/0.png", "mask_file_name": "masks/0.png", "category": "car"}
    (folder / "metadata.jsonl").write_text(json.dumps(line) + "\n")
    return folder


def test_files_keep_their_names_and_as_much_of_their_folders_as_tells_them_apart(tmp_path):
    fill(tmp_path, ["x/a.png", "x/b.png", "y/b.png", "z/y/c.png", "w/B.png"])
    names = ["x/a.png", "x/b.png", "y/b.png", "z/y/c.png", "w/B.png"]
    with open_source([tmp_path / name for name in names]) as source:
        assert source.names == ("a.png", "x/b.png", "y/b.png", "c.png", "w/B.png")
        assert np.array_equal(source.image(2), photo(2))


def test_folders_archives_and_files_become_one_set(tmp_path):
    labeled(tmp_path / "set")
    fill(tmp_path, ["one.png", "more/set/7.png"])
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        archive.writestr("0.png", encoded(photo(9)))
        archive.writestr("../evil.png", b"x")
    with open_source([tmp_path / name for name in ("set", "one.png", "pack.zip", "more/set")]) as source:
        folder = tmp_path.name
        assert source.names == (f"{folder}/set/images/0.png", "one.png", "pack/0.png", "more/set/7.png")
        assert source.records[f"{folder}/set/images/0.png"].category == "car"
        assert np.array_equal(source.mask(0), mask())
        assert np.array_equal(source.image(2), photo(9))
        assert source.problems[0].startswith("pack: '../evil.png'")
        with pytest.raises(ImageError, match="in none of the places given"):
            source.read_path("elsewhere/0.png")


def test_a_place_given_twice_counts_once_and_is_told(tmp_path):
    fill(tmp_path, ["a.png", "b.png"])
    source = open_source(
        [tmp_path / "a.png", tmp_path / "b.png", tmp_path / "." / "a.png", f"{tmp_path}/../{tmp_path.name}/a.png"]
    )
    assert source.names == ("a.png", "b.png")
    assert sum("given twice" in note for note in source.notes) == 1


def test_one_place_in_a_list_is_that_place(tmp_path):
    fill(tmp_path, ["a.png"])
    assert open_source([tmp_path]).names == open_source(tmp_path).names


def test_a_place_that_is_not_there_is_an_error(tmp_path):
    fill(tmp_path, ["a.png"])
    with pytest.raises(DataError, match=r"b\.png: no such file or folder"):
        open_source([tmp_path / "a.png", tmp_path / "b.png"])
    with pytest.raises(DataError, match="no images given"):
        open_source([])


def test_the_tilde_is_the_home_folder_wherever_a_place_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path, ["photos/a.png"])
    assert open_source("~/photos").names == ("a.png",)
    assert open_source(["~/photos/a.png"]).names == ("a.png",)
    assert expanded("~/s-{0..1}.tar") == f"{tmp_path}/s-{{0..1}}.tar"
    assert (
        expanded("torchvision:CIFAR10,root=~/data,train=true") == f"torchvision:CIFAR10,root={tmp_path}/data,train=true"
    )
    assert expanded("a~/b") == "a~/b"
    assert expanded("./~") == "./~"
