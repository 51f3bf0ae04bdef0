"""The curve of finished runs; the tool is called in this process, on runs of a few steps."""

import importlib
import json
import shutil
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genstruct.data.synthetic import write_scenes
from genstruct.experiments import load_experiment
from genstruct.run.stages import STOPPED

ROOT = Path(__file__).parents[2]
TINY = ROOT / "configs" / "tiny" / "segmentation.yaml"


@pytest.fixture
def call(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    tool = importlib.import_module("curve_segmentation")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["curve_segmentation.py", *map(str, arguments)])
        return tool.main(), *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "set", 8, 24)


@pytest.fixture(scope="module")
def runs(scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    for seed in (0, 5):
        changes = [f"data.root={scenes}", f"train.seed={seed}", "starts.count=2", "starts.images=16"]
        experiment = load_experiment(TINY, [*changes, "train.save_every_images=8", "train.keep_checkpoints=9"])
        assert experiment.run(out / f"run-{seed}", lambda stage: nullcontext(lambda progress: None))
    return sorted(out.iterdir())


def test_every_stage_and_checkpoint_of_every_run_is_a_point_and_a_second_call_continues(call, runs, scenes, tmp_path):
    before = {path: path.stat().st_mtime_ns for run in runs for path in run.rglob("*")}
    first = call(*runs, "--truth", scenes, "--out", tmp_path / "out", "--stages", "start,generator-24,distil")
    assert first[0] == 0 and "run-0, distil\n" in first[2], first[2]
    status, text, told = call(*runs, "--truth", scenes, "--out", tmp_path / "out")
    assert status == 0, told
    assert "run-0, round-1\n" in told and "run-0, distil\n" not in told
    points = json.loads((tmp_path / "out" / "curve.json").read_text())["points"]
    # Images of the start that was given up: 16. Of the generator: 48. Of the segmenters: 32 each.
    expected = {"start": 64, "generator-24": 72, "generator-32": 80, "generator-40": 88, "distil": 96, "round-1": 128}
    assert {point["stage"]: point["images"] for point in points} == expected
    assert all(point["runs"] == 2 for point in points)
    for score in (point[name] for point in points for name in ("alone", "refined")):
        assert 0 <= score["low"] <= score["mean"] <= score["high"] <= 1
    assert text.splitlines()[2].startswith("| start | 64 | 2 | ")
    assert text == (tmp_path / "out" / "table.md").read_text()
    assert np.asarray(Image.open(tmp_path / "out" / "curve.png")).std() > 1
    assert {path: path.stat().st_mtime_ns for run in runs for path in run.rglob("*")} == before  # read only


def test_the_last_stage_scores_as_it_does_by_hand(call, runs, scenes, tmp_path):
    from genstruct.cli.main import main

    command = [runs[0], "--truth", scenes, "--out", tmp_path / "out", "--no-generator", "--stages", "round-1"]
    assert call(*command)[0] == 0
    (point,) = json.loads((tmp_path / "out" / "curve.json").read_text())["points"]
    masks, result = tmp_path / "masks", tmp_path / "scores.json"
    assert main(["masks", "--model", str(runs[0]), str(scenes), "--out", str(masks), "--no-refine"]) == 0
    assert main(["evaluate", "masks", "--pred", str(masks), "--truth", str(scenes), "--json", str(result)]) == 0
    assert point["alone"]["mean"] == json.loads(result.read_text())["scores"]["iou"]["value"]


def test_a_generator_without_usable_masks_scores_nothing_and_the_rest_goes_on(
    call, runs, scenes, tmp_path, monkeypatch
):
    from genstruct.errors import GenstructError
    from genstruct.segmentation import stages

    def none(*arguments, **settings):
        raise GenstructError("only 0 of 200 generated masks are usable")

    monkeypatch.setattr(stages, "make_pairs", none)
    command = [runs[0], "--truth", scenes, "--out", tmp_path / "out", "--stages", "start,distil"]
    status, _, told = call(*command)
    assert status == 0 and "only 0 of 200" in told
    start, distil = json.loads((tmp_path / "out" / "curve.json").read_text())["points"]
    assert start["refined"]["mean"] == 0 and distil["stage"] == "distil"


def test_a_signal_ends_it_at_once_and_the_same_command_continues(call, runs, scenes, tmp_path, monkeypatch):
    command = [runs[0], "--truth", scenes, "--out", tmp_path / "out", "--stages", "start,distil"]
    with monkeypatch.context() as patch:
        patch.setattr("curve_segmentation.scored", lambda *_: signal.raise_signal(signal.SIGTERM))
        status, _, told = call(*command)
    assert status == 143
    assert told.endswith("curve_segmentation: terminated; the same command continues\n")
    with monkeypatch.context() as patch:
        patch.setattr("genstruct.segmentation.stages.calibrate", lambda *_: signal.raise_signal(signal.SIGINT))
        shutil.rmtree(tmp_path / "out" / runs[0].name / "start")
        status, _, told = call(*command)
    assert status == 130
    assert told.splitlines()[-1] == f"    {STOPPED}"  # told once
    assert call(*command)[0] == 0


def test_mistakes_are_told_in_a_line(call, runs, scenes, tmp_path):
    options = ["--truth", scenes, "--out", tmp_path / "out"]
    status, _, told = call(scenes, *options)
    assert status == 2 and told.endswith("(no config.yaml); give the --out of genstruct train\n")
    status, _, told = call(runs[0], runs[0], *options)
    assert status == 2 and "different names" in told
    status, _, told = call(runs[0], *options, "--stages", "distil,round-7")  # one of them is there
    assert status == 2 and "no stage of these runs is called round-7; they have start, generator-24" in told
    (tmp_path / "file").write_text("")
    status, _, told = call(runs[0], "--truth", scenes, "--out", tmp_path / "file")
    assert status == 2 and told.startswith("curve_segmentation: error: ") and told.count("\n") == 1
