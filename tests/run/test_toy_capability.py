"""The room is right if a new capability needs nothing but it: no file of the package is touched but the tables."""

import importlib
import json
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from toy_capability import FILE, Finder, publish_finder

from genstruct import experiments
from genstruct.cli import main as cli
from genstruct.data.synthetic import write_scenes

HERE = Path(__file__).parent
REGISTER = "from genstruct import experiments; experiments.EXPERIMENTS['toy'] = 'toy_capability:ToyExperiment'"
TRAIN = f"import sys; {REGISTER}; from genstruct.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(experiments.EXPERIMENTS, "toy", "toy_capability:ToyExperiment")
    monkeypatch.setitem(cli.COMMANDS, "toys", "toy_capability")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("data") / "scenes", 24, 32, bands=1)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text("experiment: toy\n")
    return path


def genstruct(*words):
    return cli.main([str(word) for word in words])


def test_a_capability_is_a_product_with_what_the_room_gives_it(photos, config, tmp_path, capsys):
    run, archive = tmp_path / "run", tmp_path / "photos.zip"
    assert genstruct("train", config, f"data.root={photos}", "--out", run) == 0
    color = Finder.load(run).network.color
    assert color.min() > 0.05 and color.max() < 0.95  # it has learned

    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted((photos / "images").glob("*.png")):
            file.write(path, f"images/{path.name}")
        file.writestr("images/broken.png", b"no")
    assert genstruct("toys", archive, "--model", run, "--out", tmp_path / "out") == 1
    assert "24 toys written" in capsys.readouterr().out
    lines = list(map(json.loads, (tmp_path / "out" / "toys.jsonl").read_text().splitlines()))
    assert len(lines) == 25 and [line["file_name"] for line in lines if "error" in line] == ["images/broken.png"]
    assert genstruct("toys", archive, "--model", run, "--out", tmp_path / "out") == 1
    assert "0 toys written" in (told := capsys.readouterr().out) and "24 were there" in told

    scores = tmp_path / "scores.json"
    assert genstruct("evaluate", "masks", "--pred", tmp_path / "out", "--truth", photos, "--json", scores) == 0
    done = publish_finder(run, "toy", tmp_path / "assets", {"scenes": scores})
    assert Finder.load(done.weights).fingerprint == Finder(Finder.load(done.weights).network, {}).fingerprint
    card = done.card_file.read_text()
    assert "| IoU | 0." in card and "| Kind | toy finder |" in card


def test_a_killed_training_goes_on_and_ends_as_one_that_was_not(photos, config, tmp_path):
    settings = [config, f"data.root={photos}", "train.images=4000", "train.save_every_images=200"]
    assert genstruct("train", *settings, "--out", tmp_path / "whole") == 0
    words = ["train", *map(str, settings), "--out", str(tmp_path / "parts")]
    process = subprocess.Popen([sys.executable, "-c", TRAIN, *words], cwd=HERE, stdout=subprocess.DEVNULL)
    while not (tmp_path / "parts" / "learn" / "checkpoints").is_dir() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert genstruct(*words) == 0
    ends = [Finder.load(tmp_path / name / FILE).network.state_dict() for name in ("whole", "parts")]
    torch.testing.assert_close(*ends, rtol=0, atol=0)


def test_a_wrong_model_says_what_it_holds_and_what_is_needed(photos, tmp_path, capsys):
    segmenter = importlib.import_module("genstruct.segmentation.segmenter")
    model = tmp_path / "model.safetensors"
    model.write_bytes(segmenter.Segmenter(segmenter.UNet(3, 1, (8, 8)), 16).encode())
    assert genstruct("toys", photos, "--model", model, "--out", tmp_path / "out") == 2
    assert "holds a genstruct segmenter, but this needs a toy finder" in capsys.readouterr().err


def test_the_toy_is_short():
    assert len((HERE / "toy_capability.py").read_text().splitlines()) <= 150


def test_photos_may_lie_in_several_places_and_the_run_goes_on_with_the_same_list(photos, config, tmp_path, capsys):
    halves = [tmp_path / "one", tmp_path / "two"]
    for number, path in enumerate(sorted((photos / "images").glob("*.png"))):
        halves[number % 2].mkdir(exist_ok=True)
        (halves[number % 2] / path.name).write_bytes(path.read_bytes())
    command = ("train", config, f"data.root=[{halves[0]},{halves[1]}]", "--out", tmp_path / "run")
    assert genstruct(*command) == genstruct(*command) == 0
    assert "photos: 24 in" in capsys.readouterr().out
