"""The offset set: objects stay, move off-centre, and everything repeats."""

import argparse
import json

import numpy as np
import pytest
from PIL import Image

from genstruct.cli import evaluate
from genstruct.data.masks import decode_mask
from genstruct.errors import DataError, OutputError
from genstruct.export.offset import offset_box, valid_placements, write_offset_set


def blob(y0, y1, x0, x1, size=(96, 128)):
    mask = np.zeros(size, np.float32)
    mask[y0:y1, x0:x1] = 1
    return mask


@pytest.fixture
def labeled(tmp_path):
    lines = []
    for number in range(12):
        mask = blob(30, 60, 40, 90)
        rng = np.random.default_rng(number)
        for kind, pixels in (("images", rng.integers(0, 255, (96, 128, 3))), ("masks", mask * 255)):
            (tmp_path / f"set/{kind}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"set/{kind}/{number}.png")
        row = {"file_name": f"images/{number}.png", "mask_file_name": f"masks/{number}.png", "azimuth": 10.0 * number}
        lines.append({**row, "intrinsics": [[200, 0, 64.0], [0, 200, 48.0], [0, 0, 1]], "depth_file_name": "d.png"})
    (tmp_path / "set/metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path / "set"


def test_valid_placements_are_those_that_keep_enough_of_the_object():
    mask = blob(2, 4, 0, 10, size=(6, 10))
    kept = valid_placements(mask, (4, 9), kept=0.9)
    # Rows 2 and 3 are inside for each of the three heights, and 9 of 10 columns for both places.
    assert kept.tolist() == [[True, True], [True, True], [True, True]]
    assert not valid_placements(mask, (4, 9), kept=0.95).any()
    assert valid_placements(mask, (3, 9), kept=0.9)[:, 0].tolist() == [False, True, True, False]


def test_every_crop_keeps_nine_tenths_of_the_object_and_has_an_allowed_side():
    mask = blob(10, 40, 5, 100)
    rng = np.random.default_rng(0)
    for _ in range(100):
        x0, y0, x1, y1 = offset_box(mask, rng)
        assert 0 <= x0 < x1 <= 128
        assert 0 <= y0 < y1 <= 96
        assert mask[y0:y1, x0:x1].sum() >= 0.9 * mask.sum() - 1e-3
        assert 0.745 <= (x1 - x0) / 128 <= 0.88


def test_places_are_drawn_evenly():
    mask = np.ones((4, 4), np.float32) * 0  # an empty mask allows every place
    rng = np.random.default_rng(0)
    boxes = [offset_box(mask, rng)[:2] for _ in range(2000)]
    counts = np.unique(np.array(boxes), axis=0, return_counts=True)[1]
    assert len(counts) == 4  # crops of 3 or 4 (rounded) of 4 pixels: 3 leaves 2 x 2 places
    assert counts.min() > 400


def test_an_object_that_fills_the_picture_has_no_offset_crop():
    assert offset_box(np.ones((40, 40), np.float32), np.random.default_rng(0)) is None


def test_the_written_set_is_consistent_moves_objects_and_repeats(labeled, tmp_path):
    report = write_offset_set(labeled / "metadata.jsonl", tmp_path / "a", seed=3)
    write_offset_set(labeled, tmp_path / "b", seed=3)
    write_offset_set(labeled, tmp_path / "c", seed=4)
    far = write_offset_set(labeled, tmp_path / "d", seed=3, farthest=0.1)
    assert report.written == 12
    assert report.distance_before < report.distance < far.distance
    contents = [(tmp_path / name / "metadata.jsonl").read_text() for name in "abc"]
    assert contents[0] == contents[1] != contents[2]
    for row in map(json.loads, contents[0].splitlines()):
        x0, y0, x1, y1 = row["source_box"]
        image = np.asarray(Image.open(tmp_path / "a" / row["file_name"]))
        original = np.asarray(Image.open(labeled / row["file_name"]))
        np.testing.assert_array_equal(image, original[y0:y1, x0:x1])
        assert decode_mask(tmp_path / "a" / row["mask_file_name"]).shape == image.shape[:2]
        assert row["intrinsics"][0][2] == 64 - x0
        assert row["intrinsics"][1][2] == 48 - y0
        assert row["box"] == [max(40 - x0, 0), max(30 - y0, 0), min(90, x1) - x0, min(60, y1) - y0]
        assert "depth_file_name" not in row


def test_a_limit_does_not_change_the_crops_of_those_that_stay(labeled, tmp_path):
    write_offset_set(labeled, tmp_path / "all")
    write_offset_set(labeled, tmp_path / "few", limit=5)
    lines = (tmp_path / "all/metadata.jsonl").read_text().splitlines()
    assert (tmp_path / "few/metadata.jsonl").read_text().splitlines() == lines[:5]


def test_bad_items_are_reported_and_nothing_is_overwritten(labeled, tmp_path, capsys):
    (labeled / "images/3.png").write_text("broken")
    Image.new("L", (5, 5)).save(labeled / "masks/4.png")
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    words = parser.parse_args(["offset-set", "--truth", str(labeled), "--out", str(tmp_path / "out")])
    assert evaluate.run(words) == 1
    said = capsys.readouterr()
    assert "10 crops" in said.out
    assert "images/3.png" in said.err
    assert "5x5" in said.err
    with pytest.raises(OutputError, match="already holds files"):
        evaluate.run(words)
    with pytest.raises(DataError, match=r"metadata\.jsonl"):
        write_offset_set(labeled / "masks", tmp_path / "other")
