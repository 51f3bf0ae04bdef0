"""`genstruct viewpoints` on photos with masks from a folder, from a segmenter beside the model, and from nowhere."""

import json
import math
import shutil
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "viewpoint"))
from known import known_graph
from rendered import photographed, random_views, wedge, write_photos

from genstruct.cli.main import main
from genstruct.nn.unet import UNet
from genstruct.segmentation.segmenter import Segmenter
from genstruct.viewpoint.config import FitConfig
from genstruct.viewpoint.model import ViewGraph

COUNT = 6


@pytest.fixture(scope="module")
def graph():
    return known_graph()


@pytest.fixture(scope="module")
def model(graph, tmp_path_factory):
    folder = tmp_path_factory.mktemp("assets")
    (folder / "wedge-viewpoint.safetensors").write_bytes(
        ViewGraph.of(graph, FitConfig(), {"segmenter": "/elsewhere/wedge.safetensors"}).encode()
    )
    torch.manual_seed(0)
    (folder / "wedge.safetensors").write_bytes(Segmenter(UNet(3, 1, (8, 8)), 16).encode())
    return folder / "wedge-viewpoint.safetensors"


@pytest.fixture
def places(tmp_path):
    """Photos and masks: one photo has an empty mask, one has none, one is no picture."""
    azimuth, elevation = random_views(COUNT, 7)
    images, masks, _ = photographed(wedge(), azimuth, elevation)
    photos, given = write_photos(tmp_path, images, masks)
    Image.new("L", (64, 64)).save(given / "001.png")
    (given / "002.png").unlink()
    (photos / "003.png").write_bytes(b"no picture")
    return photos, given, azimuth.rad2deg().tolist()


def viewpoints(photos, model, out, *options):
    return main(["viewpoints", str(photos), "--model", str(model), "--out", str(out), "--device", "cpu", *options])


def lines(out):
    return {line["file_name"]: line for line in map(json.loads, (out / "viewpoints.jsonl").read_text().splitlines())}


def test_photos_have_views_or_say_why_not(places, model, tmp_path, capsys):
    photos, masks, azimuth = places
    assert viewpoints(photos, model, tmp_path / "out", "--masks", str(masks)) == 1
    assert "4 viewpoints written" in capsys.readouterr().out
    found = lines(tmp_path / "out")
    for number in (0, 4, 5):
        line = found[f"{number:03}.png"]
        off = math.radians(line["azimuth"] - azimuth[number])
        assert math.cos(off) > 0.9 and line["confidence"] > 0.5
        assert line["intrinsics"][2] == [0, 0, 1] and line["candidates"][0]["probability"] > 0.5
    empty = found["001.png"]
    assert empty["undetermined"].startswith("its mask is empty") and empty["confidence"] == 0
    assert "azimuth" not in empty and not empty["candidates"]
    assert "has no mask of its name" in found["002.png"]["error"] and "error" in found["003.png"]


def test_the_camera_of_a_large_photo_is_in_its_own_pixels(places, model, tmp_path):
    photos, masks, _ = places
    for folder in (photos, masks):
        with Image.open(folder / "000.png") as image:
            image.resize((1280, 1280)).save(folder / "000.png")
    assert viewpoints(photos, model, tmp_path / "out", "--masks", str(masks)) == 1
    x, y = (lines(tmp_path / "out")["000.png"]["intrinsics"][row][2] for row in (0, 1))
    assert 400 < x < 880 and 400 < y < 880


def test_a_second_run_does_what_is_missing_and_other_masks_are_no_continuation(places, model, tmp_path, capsys):
    photos, masks, _ = places
    out = tmp_path / "out"
    viewpoints(photos, model, out, "--masks", str(masks))
    before = lines(out)
    shutil.copy(masks / "000.png", masks / "002.png")
    capsys.readouterr()
    viewpoints(photos, model, out, "--masks", str(masks))
    assert "1 viewpoints written" in capsys.readouterr().out
    assert lines(out)["000.png"] == before["000.png"] and "error" not in lines(out)["002.png"]
    assert viewpoints(photos, model, out, "--masks", "none") == 2
    assert "by other weights or settings" in capsys.readouterr().err


def test_the_segmenter_of_the_card_is_found_beside_the_model(places, model, tmp_path, capsys, monkeypatch):
    photos, _, _ = places
    assert viewpoints(photos, model, tmp_path / "out") == 1
    made_by = {line["masks"] for line in lines(tmp_path / "out").values()}
    assert made_by == {Segmenter.load(model.with_name("wedge.safetensors"), "cpu").fingerprint}
    monkeypatch.chdir(model.parent.parent)
    shutil.rmtree("assets", ignore_errors=True)
    shutil.copytree(model.parent, "assets")
    assert viewpoints(photos, "wedge-viewpoint", tmp_path / "named") == 1
    assert viewpoints(photos, "wedge-viewpoint", tmp_path / "both", "--masks", "wedge") == 1
    assert lines(tmp_path / "named") == lines(tmp_path / "both") == lines(tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--method", "network"], "no distilled network"),
        (["--masks", "nowhere"], "nowhere"),
        (["--model", "nobody"], "nobody: no such file"),
    ],
    ids=["network", "masks", "model"],
)
def test_mistakes_are_one_line(places, model, tmp_path, capsys, options, message):
    assert viewpoints(places[0], model, tmp_path / "out", *options) == 2
    captured = capsys.readouterr().err.splitlines()
    assert len(captured) == 1 and message in captured[0]


def test_a_model_without_a_segmenter_asks_for_masks(places, graph, tmp_path, capsys):
    (tmp_path / "m.safetensors").write_bytes(ViewGraph.of(graph, FitConfig()).encode())
    assert viewpoints(places[0], tmp_path / "m.safetensors", tmp_path / "out") == 2
    assert "give --masks" in capsys.readouterr().err


def test_a_graph_that_is_undetermined_gives_nobody_a_view(places, tmp_path):
    photos, masks, _ = places
    (tmp_path / "m.safetensors").write_bytes(ViewGraph.of(known_graph("views differ by start"), FitConfig()).encode())
    viewpoints(photos, tmp_path / "m.safetensors", tmp_path / "out", "--masks", str(masks))
    line = lines(tmp_path / "out")["000.png"]
    assert line["undetermined"] == "views differ by start" and "azimuth" not in line
