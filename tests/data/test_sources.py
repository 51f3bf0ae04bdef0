import inspect
import json
import os
import sys

import numpy as np
import pytest
from pictures import encoded, fill, mask, photo

from genstruct.data.sources import open_masks, open_source
from genstruct.data.tree import choose_images
from genstruct.errors import DataError, ImageError


def test_a_folder_is_read_recursively_in_alphabetical_order(tmp_path):
    fill(tmp_path, ["b/2.png", "a.png", "b/1.PNG", "b/c/0.png"])
    with open_source(tmp_path) as source:
        assert source.names == ("a.png", "b/1.PNG", "b/2.png", "b/c/0.png")
        assert np.array_equal(source.image(2), photo(0))
        assert source.read(0) == (tmp_path / "a.png").read_bytes()


def test_equal_names_in_different_folders_stay_apart(tmp_path):
    fill(tmp_path, ["monday/1.png", "tuesday/1.png"])
    source = open_source(tmp_path)
    assert source.names == ("monday/1.png", "tuesday/1.png")
    assert not np.array_equal(source.image(0), source.image(1))


def test_a_single_image_file_is_a_source_of_one(tmp_path):
    fill(tmp_path, ["one.png"])
    source = open_source(tmp_path / "one.png")
    assert source.names == ("one.png",)
    assert np.array_equal(source.image(0), photo(0))


def test_other_files_and_hidden_files_are_left_out_and_said(tmp_path):
    fill(tmp_path, ["a.png", ".hidden.png", ".cache/b.png", "__MACOSX/a.png"])
    (tmp_path / "notes.txt").write_text("hello")
    source = open_source(tmp_path)
    assert source.names == ("a.png",)
    assert source.notes == ("files that are not images by their name are left out: 1 .txt",)
    assert source.problems == ()


def test_links_are_followed_but_not_in_circles(tmp_path):
    fill(tmp_path, ["set/a.png", "elsewhere/b.png"])
    (tmp_path / "set/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/again").symlink_to(tmp_path / "set")
    (tmp_path / "set/gone.png").symlink_to(tmp_path / "nowhere.png")
    source = open_source(tmp_path / "set")
    assert source.names == ("a.png", "more/b.png")
    assert source.problems == ("gone.png: cannot be read (No such file or directory); it is left out",)


def test_a_pipe_among_the_images_is_left_out_and_said(tmp_path):
    fill(tmp_path, ["a.png"])
    os.mkfifo(tmp_path / "b.png")
    source = open_source(tmp_path)
    assert source.names == ("a.png",)
    assert source.problems == ("b.png: not a plain file (a pipe, a socket or a device); it is left out",)


def test_links_that_lead_nowhere_concern_themselves_alone(tmp_path):
    fill(tmp_path, ["a.png"])
    (tmp_path / "b.png").symlink_to("b.png")
    (tmp_path / "c.png").symlink_to("lost.png")
    (tmp_path / "d").symlink_to("d")
    source = open_source(tmp_path)
    assert source.names == ("a.png",)
    assert [problem.partition(":")[0] for problem in source.problems] == ["b.png", "c.png", "d"]


@pytest.mark.parametrize("place", ["", ["", "a.png"]])
def test_an_empty_name_is_not_the_working_folder(place):
    with pytest.raises(DataError, match="no images given"):
        open_source(place)


def test_folders_may_be_deeper_than_python_may_recurse(tmp_path):
    deepest = tmp_path.joinpath(*["d"] * 200)
    fill(deepest, ["a.png"])
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        assert open_source(tmp_path).names == ("d/" * 200 + "a.png",)
    finally:
        sys.setrecursionlimit(limit)


def test_a_file_too_large_to_be_an_image_is_not_read(tmp_path):
    fill(tmp_path, ["a.png"])
    with (tmp_path / "b.png").open("wb") as file:
        file.truncate(1 << 40)  # takes no room on the disk
    with pytest.raises(ImageError, match=r"b\.png: has 1048576 MiB, over the limit of 1024"):
        open_source(tmp_path).read(1)


@pytest.mark.parametrize(
    ("content", "reason"), [([], "holds no images"), (["x.tar"], "it holds 1 archives such as x.tar")]
)
def test_a_folder_without_images_is_one_clear_line(tmp_path, content, reason):
    for name in content:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=reason) as caught:
        open_source(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "give a folder or an archive" in str(caught.value)


def test_what_is_not_there_or_of_no_known_kind_is_said(tmp_path):
    with pytest.raises(DataError, match="no such file or folder; give a folder"):
        open_source(tmp_path / "nothing")
    (tmp_path / "table.csv").write_text("a,b")
    with pytest.raises(DataError, match="neither an image nor an archive"):
        open_source(tmp_path / "table.csv")


def test_a_file_that_vanishes_is_an_error_of_that_file(tmp_path):
    source = open_source(fill(tmp_path, ["a.png", "b.png"]))
    (tmp_path / "a.png").unlink()
    with pytest.raises(ImageError, match=r"a\.png: cannot be read \(No such file"):
        source.image(0)
    assert np.array_equal(source.image(1), photo(1))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_an_error_of_that_file(tmp_path):
    source = open_source(fill(tmp_path, ["a.png"]))
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(ImageError, match="Permission denied"):
        source.image(0)


def _labeled(folder, lines):
    fill(folder, ["images/0.png", "images/1.png", "images/2.png"])
    for number in range(3):
        (folder / "masks").mkdir(exist_ok=True)
        (folder / f"masks/{number}.png").write_bytes(encoded(mask(left=number)))
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return folder


def test_masks_listed_in_the_metadata_are_not_taken_for_images(tmp_path):
    lines = [{"file_name": f"images/{n}.png", "mask_file_name": f"masks/{n}.png"} for n in range(3)]
    source = open_source(_labeled(tmp_path, lines))
    assert source.names == ("images/0.png", "images/1.png", "images/2.png")
    assert source.notes == source.problems == ()
    assert np.array_equal(source.mask(1), mask(left=1))


def test_metadata_of_a_subfolder_names_files_relative_to_itself(tmp_path):
    _labeled(tmp_path / "train", [{"file_name": "images/0.png", "mask_file_name": "masks/0.png", "box": [1, 2, 3, 4]}])
    fill(tmp_path, ["other/9.png"])
    source = open_source(tmp_path)
    assert source.names == ("other/9.png", "train/images/0.png")
    assert source.records["train/images/0.png"].mask_file_name == "train/masks/0.png"
    assert source.mask(0) is None
    assert source.mask(1).shape == (20, 24)


@pytest.mark.parametrize(
    ("written", "mask"),
    [
        ("images\\0.png", "masks\\0.png"),
        (".\\images\\0.png", "MASKS/0.PNG"),
        ("Images/0.PNG", "Masks\\0.png"),
        ("images/%30.png", "masks%2F0.png"),
        ("images%5C0.png", "./masks/0.png"),
    ],
)
def test_files_are_found_under_names_of_other_systems(tmp_path, written, mask):
    for open_ in (open_source, open_masks):
        with open_(_labeled(tmp_path, [{"file_name": written, "mask_file_name": mask}])) as source:
            assert not source.problems and source.records["images/0.png"].mask_file_name == "masks/0.png"


def test_names_that_differ_by_case_or_accents_alone_are_not_guessed(tmp_path):
    fill(tmp_path, ["a.png", "A.png", "gro\u0308ße.png"])
    lines = [{"file_name": "a.PNG"}, {"file_name": "größe.png"}, {"file_name": "a.png"}]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    source = open_source(tmp_path)
    assert source.names == ("a.png", "gro\u0308ße.png")
    assert source.problems == ("a.PNG: listed in the metadata, but there is no such file",)


def test_a_wrong_line_never_lets_a_mask_in_as_an_image(tmp_path):
    lines = [{"file_name": "images/0.png", "mask_file_name": "masks/0.png"}, {"mask_file_name": "masks/1.png"}]
    source = open_source(_labeled(tmp_path, lines))
    assert source.names == ("images/0.png",)
    assert source.problems[0].startswith("metadata.jsonl line 2: file_name must be")
    assert source.notes[0].startswith(
        "4 image files that the metadata does not list are left out, the first images/1.png"
    )


def test_what_the_metadata_lists_but_is_not_there_is_said(tmp_path):
    lines = [{"file_name": "images/0.png", "mask_file_name": "masks/7.png"}, {"file_name": "images/8.png"}]
    source = open_source(_labeled(tmp_path, lines))
    assert source.names == ("images/0.png",)
    assert source.mask(0) is None
    assert "images/0.png: its mask_file_name masks/7.png is not there" in source.problems
    assert "images/8.png: listed in the metadata, but there is no such file" in source.problems


def test_masks_do_not_pass_for_images_where_metadata_cannot_be_read() -> None:
    class Damaged:
        def read_path(self, path: str) -> bytes:
            raise ImageError(f"{path}: damaged")

        peek = read_path

    chosen = choose_images(["a/images/0.png", "a/masks/0.png", "a/metadata.jsonl", "b/0.png"], Damaged())
    assert chosen.names == ["b/0.png"]
    assert chosen.problems == [
        "a/metadata.jsonl: damaged; what lies in its folder is left out, until it is mended or removed"
    ]
