"""Folders of masks and samples, and the command that scores them."""

import argparse
import json

import numpy as np
import pytest
from PIL import Image

from genstruct.cli import evaluate
from genstruct.data.sources import open_masks
from genstruct.errors import DataError
from genstruct.metrics.evaluation import MaskProtocol, score_mask_folder, score_sample_folder
from genstruct.metrics.matching import match, truths_of


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
    assert any("00001" in line and "not an image" in line for line in said)
    assert any("00002" in line and "12x20" in line and "24x20" in line and "--resize" in line for line in said)
    assert any("00003" in line and "no prediction" in line for line in said)
    result = json.loads((tmp_path / "out.json").read_text())
    assert (result["scored"], result["failed"]) == (1, 3)
    assert result["scores"]["iou"]["value"] == 1
    assert command(*words, "--resize", "--json", "-") == 1
    assert json.loads(capsys.readouterr().out)["scored"] == 2


def test_the_exit_status_is_two_when_nothing_can_be_scored(labeled, tmp_path):
    (tmp_path / "pred").mkdir()
    with pytest.raises(DataError, match=r"predictions: folder .*pred holds no images"):
        command("masks", "--pred", tmp_path / "pred", "--truth", labeled)
    save(tmp_path / "pred/other.png", block(4, 14))
    assert command("masks", "--pred", tmp_path / "pred", "--truth", labeled) == 2
    with pytest.raises(DataError, match=r"predictions: .*nowhere: no such file or folder"):
        command("masks", "--pred", tmp_path / "nowhere", "--truth", labeled)
    with pytest.raises(DataError, match=r"truth: .*nowhere: no such file or folder"):
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
        ramp = np.linspace(90, 110, 240).reshape(20, 12).astype(np.uint8)  # a soft mask is never flat
        save(tmp_path / f"pred/{number:05}.png", np.where(block(4, 14) > 0, np.repeat(ramp, 2, 1), 0).astype(np.uint8))
    low, high = (score_mask_folder(tmp_path / "pred", labeled, MaskProtocol(threshold=t)) for t in (0.3, 0.5))
    assert (low.scores["iou"].value, high.scores["iou"].value) == (1, 0)
    assert high.scores["max_f_beta"].value == 1


def test_an_inverted_mask_scores_low_and_its_oracle_flip_apart(labeled, tmp_path):
    for number in range(4):
        save(tmp_path / f"pred/{number:05}.png", 255 - block(4, 14))
    scores = score_mask_folder(tmp_path / "pred", labeled).scores
    assert (scores["iou"].value, scores["oracle_flip_iou"].value, scores["oracle_flip_share"].value) == (0, 1, 1)


def test_truth_above_127_is_object(tmp_path):
    save(tmp_path / "truth/a.png", np.array([[0, 0, 127, 128, 255, 255]], np.uint8))
    save(tmp_path / "pred/a.png", np.array([[0, 0, 0, 255, 255, 255]], np.uint8))
    assert score_mask_folder(tmp_path / "pred", tmp_path / "truth").scores["iou"].value == 1


def names_of(tmp_path, *names):
    for name in names:
        save(tmp_path / "truth" / name, block(2, 4))
    return truths_of(open_masks(tmp_path / "truth"))


def paired(truths, names):
    found = match(truths, names)
    return [(truth.name, name) for truth, name in found.pairs], [failure.why for failure in found.failures]


def test_equal_stems_in_different_folders_match_by_folder(tmp_path):
    truths = names_of(tmp_path, "a/1.png", "b/1.png")
    assert paired(truths, ["b/1.png", "a/1.png", "x/1.png"]) == ([("a/1.png", "a/1.png"), ("b/1.png", "b/1.png")], [])
    pairs, failures = paired(truths, ["1.png"])
    assert not pairs
    assert "2 truths are called 1" in failures[0]


def test_images_that_differ_by_their_suffix_keep_it_in_the_names_of_their_masks(tmp_path):
    for kind in ("jpg", "png"):
        save(tmp_path / f"masks/{kind}.png", block(2, 4))
    rows = [{"file_name": f"a.{kind}", "mask_file_name": f"masks/{kind}.png"} for kind in ("jpg", "png")]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pairs, failures = paired(truths_of(open_masks(tmp_path)), ["a.png.png", "a.jpg.png"])
    assert pairs == [("a.jpg", "a.jpg.png"), ("a.png", "a.png.png")]
    assert not failures


def test_a_stem_that_occurs_twice_among_predictions_is_not_guessed(tmp_path):
    pairs, failures = paired(names_of(tmp_path, "a/1.png"), ["x/1.png", "y/1.png"])
    assert not pairs
    assert "several called 1" in failures[0]


@pytest.mark.parametrize("truth", ["0_mask.png", "0-seg.gif", "masks/0_gtFine_labelIds.png", "0.mask.tif"])
def test_endings_of_labels_are_taken_off_where_names_differ_and_that_is_said(tmp_path, truth):
    found = match(names_of(tmp_path, truth, "1_mask.png"), ["0.png", "1.png"])
    assert sorted(name for _, name in found.pairs) == ["0.png", "1.png"]
    assert "without endings such as _mask" in found.notes[0]
    assert not match(names_of(tmp_path / "other", "0.png"), ["0.png"]).notes


def test_endings_are_not_taken_off_where_that_would_be_a_guess(tmp_path):
    pairs, failures = paired(names_of(tmp_path, "0_mask.png", "0_seg.png"), ["0.png"])
    assert not pairs
    assert "no prediction is called 0_mask" in failures[0]


def test_bad_metadata_lines_are_reported_by_number(labeled):
    good = (labeled / "metadata.jsonl").read_text()
    bad = ["{not json", "[1]", '{"file_name": "x.jpg"}', '{"file_name": "../x.jpg", "mask_file_name": "m.png"}']
    (labeled / "metadata.jsonl").write_text("\n".join([good, *bad, good.splitlines()[0]]))
    report = score_mask_folder(labeled / "masks", labeled)
    assert len(report.images) == 4
    told = {failure.name: failure.why for failure in report.failures}
    for line, part in ((5, "JSON"), (6, "object"), (8, "leaves the folder"), (9, "a second line")):
        assert part in told[f"metadata.jsonl line {line}"]
    assert "mask_file_name" in told["x.jpg"]


def test_photos_need_not_lie_beside_their_true_masks(labeled):
    for photo in (labeled / "images").iterdir():
        photo.unlink()
    report = score_mask_folder(labeled / "masks", labeled)
    assert (len(report.images), report.failures) == (4, [])


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
    with pytest.raises(DataError, match="holds no images"):
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
    rng = np.random.default_rng(0)
    for name in (*(f"images/{i}.png" for i in range(4)), "masks/0.png", "depth/0.png", "more/2.png"):
        save(tmp_path / "set" / name, rng.integers(0, 255, (20, 24, 3)).astype(np.uint8))
    lines = [json.dumps({"file_name": f"images/{i}.png", "mask_file_name": f"masks/{i}.png"}) for i in range(4)]
    (tmp_path / "set/metadata.jsonl").write_text("\n".join([*lines, "not JSON"]))
    report = score_sample_folder(tmp_path / "set", tmp_path / "set")
    assert report.samples == 4
    assert any("not JSON" in failure.why for failure in report.failures)


def test_a_set_has_no_distance_from_itself(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(24):
        save(tmp_path / f"{number}.png", rng.integers(0, 256, (8, 8, 3)).astype(np.uint8))
    kid = score_sample_folder(tmp_path, tmp_path).kid
    assert abs(kid.value) < 3 * kid.standard_error


def test_pictures_to_look_at_beside_masks_are_not_taken_for_masks(tmp_path):
    for name in ("a.png", "overlay/a.png", "cutout/a.png"):
        save(tmp_path / name, block(2, 4))
    (tmp_path / "masks.jsonl").touch()
    assert open_masks(tmp_path, predicted=True).names == ("a.png",)


def test_photos_on_both_sides_are_no_masks(labeled, capsys):
    for number in range(4):
        save(
            labeled / f"images/{number:05}.jpg",
            np.random.default_rng(number).integers(0, 255, (20, 24, 3)).astype("u1"),
        )
    assert command("masks", "--pred", labeled / "images", "--truth", labeled / "images") == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0] == (
        "00000.jpg: truth 00000.jpg: a coloured picture, not a mask; save it as a grey picture with 255 where the "
        "object is and 0 elsewhere"
    )
    assert len(said) == 5


@pytest.mark.parametrize("wrong", [False, True])
def test_masks_of_zero_and_one_are_scored_as_those_of_255(tmp_path, wrong, capsys):
    for number in range(3):
        save(tmp_path / f"truth/{number}.png", block(4, 14) // 255)
        save(tmp_path / f"pred/{number}.png", np.roll(block(4, 14), 5 * wrong, 1) // (255 if wrong else 1))
    assert command("masks", "--pred", tmp_path / "pred", "--truth", tmp_path / "truth", "--json") == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["scores"]["iou"]["value"] == pytest.approx(1 / 3 if wrong else 1)
    assert said.err.count("hold the values 0 and 1, which are taken for 0 and 255") == 1 + wrong


def test_undecided_masks_of_our_own_are_scored_without_a_word(labeled, tmp_path):
    for number in range(4):
        save(tmp_path / f"pred/{number:05}.png", np.full((20, 24), 1, np.uint8))
    (tmp_path / "pred/masks.jsonl").touch()
    report = score_mask_folder(tmp_path / "pred", labeled)
    assert (report.scores["iou"].value, report.notes, report.failures) == (0, (), [])
