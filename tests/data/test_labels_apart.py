"""Masks do not become photos without a word, whether labels are called or written otherwise, or not named at all."""

import json

import numpy as np
import pytest
from pictures import encoded, fill, mask, photo

from genstruct.data.pack import pack
from genstruct.data.sources import open_source
from genstruct.data.summary import summarize

COLORS = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 128)], np.uint8)
LABELS = {
    "mask": encoded(mask()),
    "zero and one": encoded(mask() // 255),
    "classes": encoded(np.where(mask() > 0, 15, 0).astype(np.uint8)),
    "class colours": encoded(COLORS[np.where(mask() > 0, 2, 1)]),
    "jpeg": encoded(mask(), "jpeg"),
    "depth": encoded(np.linspace(9000, 60000, 480).reshape(20, 24).astype(np.uint16)),
}


def put(folder, name, data):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize(
    "names",
    [
        "masks/{}.png", "train/SegmentationClass/{}.png", "Labels/{}.png", "annotations/trimaps/{}.png",
        "gtFine/{}_labelIds.png", "images/{}_mask.png", "images/{}-seg.png", "images/{}.gt.png", "images/{} Mask.png",
        "ground_truth/{}.png", "masks_train/{}_m.png",
    ],
)  # fmt: skip
def test_labels_beside_photos_are_left_out_and_told(tmp_path, names, label):
    if label == "depth" and names in ("masks_train/{}_m.png", "gtFine/{}_labelIds.png"):
        pytest.skip("grey pictures that are not called like the photos may be photos")
    fill(tmp_path, [f"images/{number}.jpg" for number in range(3)])
    for number in range(3):
        put(tmp_path, names.format(number), LABELS[label])
    source = open_source(tmp_path)
    assert source.names == ("images/0.jpg", "images/1.jpg", "images/2.jpg")
    (note,) = source.notes
    assert note.startswith("3 files that look like masks or labels are left out of the photos, such as ")
    assert "metadata.jsonl" in note


@pytest.mark.parametrize(
    "names",
    [
        ["masks/0.jpg", "hats/0.jpg"],  # photos of carnival masks
        ["mask.jpg", "0_mask.jpg", "0.jpg"],
        ["masks/0.png", "masks/1.png"],  # nothing beside them
        ["wine_label.jpg", "grey_alpha.png", "edge.jpg"],
    ],
)
def test_photos_stay_photos_whatever_they_are_called(tmp_path, names):
    source = open_source(fill(tmp_path, names))
    assert source.names == tuple(sorted(names))
    assert source.notes == ()


def test_grey_photos_are_not_taken_for_labels_among_grey_photos(tmp_path):
    for name in ("xray/0.png", "edge/0.png", "edge/1.png"):
        put(tmp_path, name, encoded(photo(len(name))[..., 0] // 2 + 64))
    assert len(open_source(tmp_path)) == 3


def _class_map(*colors):
    """Three blocks on the first of the colours."""
    pixels = np.tile(np.uint8(colors[0]), (60, 80, 1))
    for number, color in enumerate(colors[1:]):
        pixels[10:50, 10 + 20 * number : 25 + 20 * number] = color
    return pixels


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (_class_map((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)), True),
        (_class_map((128, 64, 128), (70, 70, 70), (220, 20, 60), (0, 0, 142)), True),
        (_class_map((60, 60, 60), (90, 90, 90)), True),
        (np.full((60, 80, 3), (90, 120, 90), np.uint8), False),
        (photo(3, 80, 60), False),
        (np.where(_class_map((0,) * 3, (1,) * 3) > 0, photo(3, 80, 60), 255).astype(np.uint8), False),
    ],
)
def test_pictures_of_few_flat_colors_are_told_and_photos_before_one_color_are_not(tmp_path, pixels, told):
    put(tmp_path, "x/0.png", encoded(pixels))
    notes = summarize(open_source(tmp_path)).notes
    assert ["have few colours, all flat, as class maps have" in note for note in notes] == [True] * told


def test_masks_that_no_name_tells_are_told_when_they_are_looked_at(tmp_path):
    fill(tmp_path, ["a/0.png", "a/1.png"])
    put(tmp_path, "b/0.png", LABELS["mask"])
    put(tmp_path, "b/1.png", LABELS["classes"])
    source = open_source(tmp_path)
    assert len(source) == 4
    notes = summarize(source).notes
    assert any(note.startswith("1 pictures (such as b/0.png) are black and white as masks are") for note in notes)
    assert any(note.startswith("1 pictures (such as b/1.png) are nearly black") for note in notes)
    report = pack(source, tmp_path / "packed", 16)
    assert len(report.notes) == 2
    assert pack(source, tmp_path / "packed", 16).notes == report.notes


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("instances.json", json.dumps({"info": {}, "images": [{"file_name": "0.jpg"}], "annotations": []})),
        ("export.json", json.dumps({"images": [{"file_name": "0.jpg"}]})),
        ("0.json", json.dumps({"shapes": []})),
        ("labels/0.txt", "0 0.5 0.5 0.2 0.2"),
        ("annotations/0.xml", "<annotation/>"),
        ("metadata.csv", "file_name,mask_file_name"),
        ("0.npy", "x"),
    ],
)
def test_labels_in_other_formats_are_told(tmp_path, name, content):
    fill(tmp_path, ["0.jpg", "1.jpg"])
    put(tmp_path, name, content.encode())
    (note,) = open_source(tmp_path).notes
    assert note.startswith(f"1 files look like labels of another format, which is not read, such as {name}")
    assert "metadata.jsonl" in note


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig"])
def test_metadata_written_on_windows_are_read(tmp_path, encoding):
    fill(tmp_path, ["images/0.png"])
    put(tmp_path, "masks/0.png", LABELS["mask"])
    line = json.dumps({"file_name": "images\\0.png", "mask_file_name": "masks\\0.png"}) + "\r\n"
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "metadata.jsonl").write_bytes((mark + line).encode(encoding))
    source = open_source(tmp_path)
    assert (source.names, source.problems) == (("images/0.png",), ())
    assert np.array_equal(source.mask(0), mask())
