import json

import pytest
import torch
import yaml

from genstruct.errors import CheckpointError, ConfigError, OutputError
from genstruct.nn.unet import UNet
from genstruct.run import publish as publishing
from genstruct.run.publish import command_line
from genstruct.run.weights import fingerprint_of
from genstruct.segmentation.publish import SCORES, publish
from genstruct.segmentation.segmenter import Segmenter

SETTINGS = {
    "data": {"root": "../shared/data/cars/train"},
    "train": {"images": 140_000, "seed": 3},
    "starts": {"count": 3, "images": 10_000},
    "distil": {"images": 24_000},
    "rounds": [{"images": 5_000}, {"images": 6_000}],
}
PLACE = "/ho" + "me/someone"


def session(*words):
    return {
        "command": [f"{PLACE}/.venv/bin/genstruct", *words],
        "git": {"commit": "0123456789abcdef", "dirty": False},
        "packages": {"torch": "2.11.0"},
        "gpus": [],
        "cpus": 2,
    }


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(SETTINGS))
    words = ["train", "configs/cars.yaml", f"data.root={PLACE}/photos/cars", "--out", f"{PLACE}/runs/cars"]
    (folder / "environment.json").write_text(json.dumps([session(*words), session(*words)]))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet(3, 1, (8, 16))
    (folder / "segmenter.safetensors").write_bytes(
        Segmenter(network, 16, {"stage": "round 2", "threshold": 0.3}).encode()
    )
    return folder


@pytest.fixture
def scores(tmp_path):
    file = tmp_path / "val.json"
    values = {name: {"value": 0.875, "low": 0.85, "high": 0.9} for name in SCORES}
    values["median_iou"] = {"value": 0.9, "low": None, "high": None}
    result = {"kind": "masks", "scored": 500, "failed": 0, "protocol": {"threshold": 0.5}, "scores": values}
    file.write_text(json.dumps(result))
    return file


def test_published_weights_give_the_same_masks_and_say_how_they_came_to_be(run, scores, tmp_path):
    done = publish(run, "cars", tmp_path / "assets", {"val": scores}, "Rendered cars.", refine=True)
    published, original = Segmenter.load(done.weights, "cpu"), Segmenter.load(run, "cpu")
    image = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(published.predict([image])[0], original.predict([image])[0], atol=2e-3, rtol=0)
    card = published.card
    assert card["data"] == "../shared/data/cars/train"
    assert card["images"] == {"generator": 160_000, "distil": 24_000, "rounds": [5_000, 6_000]}
    assert card["seeds"] == [3, 4, 5]
    assert card["commands"] == ["genstruct train configs/cars.yaml data.root=photos/cars --out runs/cars"]
    assert card["refine"] is True
    assert card["scores"]["val"]["scores"]["iou"]["value"] == 0.875
    assert 0 < card["rounding"] < 2e-3


def test_the_fingerprint_is_that_of_the_rounded_weights(run, scores, tmp_path):
    done = publish(run, "cars", tmp_path, {})
    published = Segmenter.load(done.weights, "cpu")
    assert published.fingerprint == fingerprint_of(published.network)
    assert published.fingerprint != Segmenter.load(run, "cpu").fingerprint


def test_the_card_can_be_read_and_names_no_place_of_this_machine(run, scores, tmp_path):
    text = publish(run, "cars", tmp_path, {"val": scores}, "Rendered cars.").card_file.read_text()
    assert "| IoU, mean over images | 0.875 (0.850 - 0.900) |" in text
    assert "| IoU, median over images | 0.900 |" in text
    assert "| Data | ../shared/data/cars/train. Rendered cars |" in text
    assert "generator 160,000, generated pairs 24,000, round 1 5,000, round 2 6,000" in text
    assert "someone" not in text
    assert "No scores were given." in publish(run, "other", tmp_path, {}).card_file.read_text()


def test_nothing_is_written_over_unless_told_to(run, tmp_path):
    publish(run, "cars", tmp_path, {})
    with pytest.raises(OutputError, match=r"cars\.safetensors, .*cars\.md there already"):
        publish(run, "cars", tmp_path, {})
    publish(run, "cars", tmp_path, {}, overwrite=True)


def test_weights_that_are_too_large_or_do_not_fit_half_precision_are_refused(run, tmp_path, monkeypatch):
    monkeypatch.setattr(publishing, "LIMIT", 1000)
    with pytest.raises(OutputError, match="more than"):
        publish(run, "cars", tmp_path / "assets", {})
    segmenter = Segmenter.load(run, "cpu")
    segmenter.network.head.weight.data[0] = 1e6
    (run / "segmenter.safetensors").write_bytes(segmenter.encode())
    with pytest.raises(CheckpointError, match=r"head\.weight does not fit float16 \(largest value 1e\+06\)"):
        publish(run, "cars", tmp_path / "assets", {})
    assert not (tmp_path / "assets").exists()


def test_a_wrong_score_file_or_folder_says_so(run, tmp_path):
    (tmp_path / "wrong.json").write_text('{"kind": "samples"}')
    with pytest.raises(ConfigError, match=r"wrong\.json: not a result of 'genstruct evaluate masks --json FILE'"):
        publish(run, "cars", tmp_path, {"val": tmp_path / "wrong.json"})
    (run / "environment.json").unlink()
    with pytest.raises(CheckpointError, match="is not the folder of a run"):
        publish(run, "cars", tmp_path, {})


def test_a_command_line_is_what_another_person_would_type():
    words = [f"{PLACE}/genstruct/tools/train.py", "configs/a.yaml", "train.images=2e6", f"data.root={PLACE}/x/y"]
    assert command_line(words) == "python tools/train.py configs/a.yaml train.images=2e6 data.root=x/y"
