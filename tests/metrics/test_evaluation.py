"""Folders of masks and samples, and the command that scores them."""

import argparse
import json

import numpy as np
import pytest
from PIL import Image

from genstruct.cli import evaluate
from genstruct.errors import DataError, ImageError
from genstruct.metrics.evaluation import MaskProtocol, score_mask_folder, score_sample_folder
from genstruct.metrics.folders import find_truth, list_images, list_pictures, match, read_mask, read_picture


def block(x0, x1, size=(20, 24)):
    mask = np.zeros(size, np.uint8)
    mask[5:15, x0:x1] = 255
    return mask


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def command(*words):
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return evaluate.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def labeled(tmp_path):
    """Four images with true masks, `instance` shared by pairs."""
    lines = []
    for number in range(4):
        save(tmp_path / f"set/masks/{number:05}.png", block(4, 14))
        save(tmp_path / f"set/images/{number:05}.jpg", np.zeros((20, 24, 3), np.uint8))
        names = {"file_name": f"images/{number:05}.jpg", "mask_file_name": f"masks/{number:05}.png"}
        lines.append(json.dumps({**names, "instance": f"car {number // 2}"}))
    (tmp_path / "set/metadata.jsonl").write_text("\n".join(lines))
    return tmp_path / "set"


def test_scores_of_a_folder_are_those_of_its_pairs(labeled, tmp_path):
    for number, shift in enumerate((0, 5, 0, 5)):
        save(tmp_path / f"pred/images/{number:05}.png", block(4 + shift, 14 + shift))
    report = score_mask_folder(tmp_path / "pred", labeled)
    assert not report.failures
    assert report.scores["iou"].value == pytest.approx((1 + 50 / 150) / 2)
    assert report.scores["dataset_iou"].value == pytest.approx((200 + 100) / (200 + 300))
    assert report.scores["median_iou"].value == pytest.approx(2 / 3)
    assert report.groups == 2
    # Each of the two groups has the same mean, so resampling groups cannot move it.
    assert report.scores["iou"].low == pytest.approx(report.scores["iou"].high)
    free = score_mask_folder(tmp_path / "pred", labeled, MaskProtocol(group_by=None))
    assert free.groups is None
    assert free.scores["iou"].low < report.scores["iou"].value < free.scores["iou"].high


def test_missing_broken_and_wrong_sized_predictions_are_reported_and_the_rest_is_scored(labeled, tmp_path, capsys):
    save(tmp_path / "pred/00000.png", block(4, 14))
    (tmp_path / "pred/00001.png").write_bytes((tmp_path / "pred/00000.png").read_bytes()[:40])
    save(tmp_path / "pred/00002.png", block(4, 14, (20, 12)))
    words = ("masks", "--pred", tmp_path / "pred", "--truth", labeled / "metadata.jsonl")
    assert command(*words, "--json", tmp_path / "out.json") == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4
    assert any("00001" in line and "cannot be decoded" in line for line in said)
    assert any("00002" in line and "12x20" in line and "24x20" in line and "--resize" in line for line in said)
    assert any("00003" in line and "no prediction" in line for line in said)
    result = json.loads((tmp_path / "out.json").read_text())
    assert (result["scored"], result["failed"]) == (1, 3)
    assert result["scores"]["iou"]["value"] == 1
    assert command(*words, "--resize", "--json", "-") == 1
    assert json.loads(capsys.readouterr().out)["scored"] == 2


def test_the_exit_status_is_two_when_nothing_can_be_scored(labeled, tmp_path):
    (tmp_path / "pred").mkdir()
    assert command("masks", "--pred", tmp_path / "pred", "--truth", labeled) == 2
    with pytest.raises(DataError, match="not a folder"):
        command("masks", "--pred", tmp_path / "nowhere", "--truth", labeled)
    with pytest.raises(DataError, match="does not exist"):
        command("masks", "--pred", tmp_path / "pred", "--truth", tmp_path / "nowhere")


def test_the_table_shows_every_score_and_all_good_gives_status_zero(labeled, capsys):
    assert command("masks", "--pred", labeled / "masks", "--truth", labeled) == 0
    shown = capsys.readouterr().out
    assert all(label.split(",")[0] in shown for label in evaluate.LABELS.values())
    assert "2 instance groups" in shown


def test_json_without_a_file_takes_the_place_of_the_table(labeled, capsys):
    assert command("masks", "--json", "--pred", labeled / "masks", "--truth", labeled) == 0
    assert json.loads(capsys.readouterr().out)["scored"] == 4
    photos = labeled / "images"
    for number in range(4):
        save(photos / f"{number:05}.jpg", block(number, 12))
    assert command("samples", "--samples", photos, "--real", photos, "--json") == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 4


def test_a_threshold_decides_what_is_object(labeled, tmp_path):
    for number in range(4):
        save(tmp_path / f"pred/{number:05}.png", (block(4, 14) // 255 * 100).astype(np.uint8))
    low, high = (score_mask_folder(tmp_path / "pred", labeled, MaskProtocol(threshold=t)) for t in (0.3, 0.5))
    assert (low.scores["iou"].value, high.scores["iou"].value) == (1, 0)
    assert high.scores["max_f_beta"].value == 1


def test_an_inverted_mask_scores_low_and_its_oracle_flip_apart(labeled, tmp_path):
    for number in range(4):
        save(tmp_path / f"pred/{number:05}.png", 255 - block(4, 14))
    scores = score_mask_folder(tmp_path / "pred", labeled).scores
    assert (scores["iou"].value, scores["oracle_flip_iou"].value, scores["oracle_flip_share"].value) == (0, 1, 1)


def test_truth_above_127_is_object(tmp_path):
    save(tmp_path / "truth/a.png", np.array([[127, 128]], np.uint8))
    save(tmp_path / "pred/a.png", np.array([[0, 255]], np.uint8))
    assert score_mask_folder(tmp_path / "pred", tmp_path / "truth").scores["iou"].value == 1


def names_of(tmp_path, *names):
    for name in names:
        save(tmp_path / "truth" / name, block(2, 4))
    return find_truth(tmp_path / "truth")[0]


def test_equal_stems_in_different_folders_match_by_folder(tmp_path):
    truths = names_of(tmp_path, "a/1.png", "b/1.png")
    pairs, failures = match(truths, ["b/1.png", "a/1.png", "overlay/1.png"])
    assert [(truth.name, name) for truth, name in pairs] == [("a/1.png", "a/1.png"), ("b/1.png", "b/1.png")]
    assert not failures
    pairs, failures = match(truths, ["1.png"])
    assert not pairs
    assert "2 truths are called 1" in failures[0].why


def test_images_that_differ_by_their_suffix_keep_it_in_the_names_of_their_masks(tmp_path):
    rows = [{"file_name": f"a.{kind}", "mask_file_name": f"masks/{kind}.png"} for kind in ("jpg", "png")]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pairs, failures = match(find_truth(tmp_path)[0], ["a.png.png", "a.jpg.png"])
    assert [(truth.name, name) for truth, name in pairs] == [("a.jpg", "a.jpg.png"), ("a.png", "a.png.png")]
    assert not failures


def test_a_stem_that_occurs_twice_among_predictions_is_not_guessed(tmp_path):
    pairs, failures = match(names_of(tmp_path, "a/1.png"), ["x/1.png", "y/1.png"])
    assert not pairs
    assert "several called 1" in failures[0].why


def test_bad_metadata_lines_are_reported_by_number(labeled):
    good = (labeled / "metadata.jsonl").read_text()
    bad = ["{not json", "[1]", '{"file_name": "x.jpg"}', '{"file_name": "../x.jpg", "mask_file_name": "m.png"}']
    (labeled / "metadata.jsonl").write_text("\n".join([good, *bad, good.splitlines()[0]]))
    truths, failures = find_truth(labeled)
    assert len(truths) == 4
    assert [failure.name for failure in failures] == [f"metadata.jsonl line {n}" for n in range(5, 10)]
    for failure, part in zip(failures, ("JSON", "object", "mask_file_name", "leads out", "second time"), strict=True):
        assert part in failure.why


def test_masks_of_other_depths_are_read_and_cut_outs_refused(tmp_path):
    save(tmp_path / "deep.png", np.array([[0, 65535]], np.uint16))
    save(tmp_path / "rgb.png", np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8))
    save(tmp_path / "rgba.png", np.zeros((2, 2, 4), np.uint8))
    for name in ("deep.png", "rgb.png"):
        assert read_mask(tmp_path / name).flatten().tolist() == [0, 1]
    assert np.asarray(read_picture(tmp_path / "deep.png"))[0].tolist() == [[0] * 3, [255] * 3]
    with pytest.raises(ImageError, match="cut-out"):
        read_mask(tmp_path / "rgba.png")


def test_a_picture_with_too_many_pixels_is_refused(tmp_path, monkeypatch):
    save(tmp_path / "large.png", block(2, 4))
    count = block(2, 4).size
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", count - 1)  # Pillow warns, as of the photos of many telephones
    read_mask(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", count // 2 - 1)
    with pytest.raises(ImageError, match="safe to decode"):
        read_mask(tmp_path / "large.png")


def test_samples_like_the_real_images_score_lower_than_others(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for folder, brightness in (("real", 0), ("like", 0), ("unlike", 60)):
        for number in range(24):
            save(tmp_path / folder / f"{number}.png", rng.integers(brightness, 190, (32, 40, 3)).astype(np.uint8))
    (tmp_path / "like" / "broken.png").write_text("no picture")
    like, unlike = (score_sample_folder(tmp_path / name, tmp_path / "real") for name in ("like", "unlike"))
    assert unlike.kid.value > like.kid.value + 3 * like.kid.standard_error
    assert (like.samples, like.real, like.features) == (24, 24, "random-conv")
    assert command("samples", "--samples", tmp_path / "like", "--real", tmp_path / "real", "--json", "-") == 1
    said = capsys.readouterr()
    assert "broken.png" in said.err
    assert json.loads(said.out)["kid"]["subset_size"] == 12
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no readable"):
        score_sample_folder(tmp_path / "none", tmp_path / "real")


def test_samples_are_not_told_from_photos_by_their_size_when_all_are_brought_to_it(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(48):
        photo = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
        small = photo.reshape(8, 4, 8, 4, 3).mean((1, 3)).round().astype(np.uint8)
        place = ("real", "small")[number % 2]
        save(tmp_path / place / f"{number}.png", (photo, small)[number % 2])
    apart, alike = (score_sample_folder(tmp_path / "small", tmp_path / "real", size=size) for size in (None, 8))
    assert (apart.size, alike.size) == (64, 8)
    assert apart.kid.value > 10 * abs(alike.kid.value)


def test_masks_and_depths_of_a_labeled_set_are_not_taken_for_its_photos(tmp_path):
    for name in ("images/0.png", "images/1.png", "masks/0.png", "depth/0.png", "more/2.png"):
        save(tmp_path / "set" / name, block(2, 4))
    lines = [json.dumps({"file_name": f"images/{i}.png", "mask_file_name": f"masks/{i}.png"}) for i in (0, 1)]
    (tmp_path / "set/metadata.jsonl").write_text("\n".join([*lines, "not JSON"]))
    assert list_images(tmp_path / "set") == ["images/0.png", "images/1.png"]
    save(tmp_path / "free.png", block(2, 4))
    assert list_images(tmp_path) == ["free.png", "set/images/0.png", "set/images/1.png"]


def test_a_set_has_no_distance_from_itself(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(24):
        save(tmp_path / f"{number}.png", rng.integers(0, 256, (8, 8, 3)).astype(np.uint8))
    kid = score_sample_folder(tmp_path, tmp_path).kid
    assert abs(kid.value) < 3 * kid.standard_error


def test_transparent_pictures_are_read_over_white(tmp_path):
    save(tmp_path / "a.png", np.array([[[9, 9, 9, 0], [9, 9, 9, 255]]], np.uint8))
    assert np.asarray(read_picture(tmp_path / "a.png"))[0].tolist() == [[255] * 3, [9] * 3]


def test_pictures_to_look_at_beside_masks_are_not_taken_for_masks(tmp_path):
    for name in ("a.png", "overlay/a.png", "cutout/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4)).save(tmp_path / name)
    (tmp_path / "masks.jsonl").touch()
    assert list_pictures(tmp_path) == ["a.png"]
