"""From a folder of photos to a segmenter: a run that is stopped anywhere ends as one that was not."""

import json
import os
import shutil
import signal
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import on_two_ranks

from genstruct.data.pack import holds, pack
from genstruct.data.source import Entry, Source
from genstruct.data.synthetic import write_scenes
from genstruct.errors import ConfigError, OutputError
from genstruct.experiments import load_experiment
from genstruct.export.images import png_bytes
from genstruct.run.settings import StartConfig
from genstruct.run.stages import STOPPED, StageRunner
from genstruct.segmentation.invert import RUN_FILE as INVERTER_FILE
from genstruct.segmentation.invert import Inverter
from genstruct.segmentation.learning_config import InvertConfig
from genstruct.segmentation.segmenter import RUN_FILE, Segmenter

TINY = Path(__file__).parents[2] / "configs" / "tiny" / "segmentation.yaml"
SCRIPT = Path(__file__).with_name("stages_on_ranks.py")
INVERT = InvertConfig(images=32, batch=8, widths=(8, 8, 8), features=0.1, steps=2)


class KilledError(Exception):
    """Stands for a process that ends at once."""


class Numbered(Source):
    """Pictures without sizes and times, as of a torchvision set."""

    def __init__(self, name, count):
        super().__init__(name, [Entry(f"{number}.png") for number in range(count)])

    def read_path(self, path):
        return png_bytes(np.full((80, 80, 3), 9, np.uint8))


class Reporter:
    """Notes stages and what is said in them; `at(stage, progress)` may act."""

    def __init__(self, at=lambda stage, progress: None):
        self.at, self.stages, self.events = at, [], []

    @contextmanager
    def __call__(self, stage):
        self.stages.append(stage)

        def show(progress):
            if progress.event:
                self.events.append(progress.event)
            self.at(stage, progress)

        yield show


def kill_in(name, images):
    def at(stage, progress):
        if stage == name and progress.images >= images:
            raise KilledError

    return at


def interrupt_in(name):
    def at(stage, progress):
        if stage == name and not progress.event:  # events come at the start, before signals are caught
            os.kill(os.getpid(), signal.SIGINT)

    return at


def signal_in(name, number):
    """A signal at the first thing that a stage says."""
    sent = []

    def at(stage, progress):
        if stage == name and not sent:
            sent.append(number)
            signal.raise_signal(number)

    return at


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    root = write_scenes(tmp_path_factory.mktemp("data") / "scenes", 12, 20)
    made = load_experiment(TINY, [f"data.root={root}", "starts.count=2", "starts.images=16"])
    return replace(made, invert=INVERT)


@pytest.fixture(scope="module")
def whole(experiment, tmp_path_factory):
    out, reporter = tmp_path_factory.mktemp("runs") / "whole", Reporter()
    assert experiment.run(out, reporter)
    return out, reporter


def results(out):
    return {name: (out / name).read_bytes() for name in (RUN_FILE, INVERTER_FILE)}


def test_all_stages_run_in_order(whole):
    out, reporter = whole
    assert reporter.stages == [
        *("pack", "start 1", "start 2", "generator", "pairs", "distil", "round 1: label", "round 1", "invert")
    ]
    assert any("generated masks are usable" in event for event in reporter.events)
    assert any(event.startswith("health") for event in reporter.events)
    assert not list(out.rglob("*.partial"))


def test_the_end_is_a_segmenter_and_an_inverter_with_cards(whole, experiment):
    out, _ = whole
    segmenter, inverter = Segmenter.load(out, "cpu"), Inverter.load(out, "cpu")
    assert segmenter.size == experiment.rounds[0].size
    assert segmenter.card["stage"] == "round 1" and segmenter.card["data"] == experiment.data.root
    assert inverter.card["inverter_images"] == 32
    (mask,) = segmenter.predict([torch.rand(3, 30, 20)])
    assert mask.shape == (1, 30, 20)


def test_a_run_killed_once_in_every_stage_ends_like_one_that_was_not(experiment, whole, tmp_path):
    places = {
        "start 2": 16,
        "generator": 32,
        "pairs": 0,
        "distil": 16,
        "round 1: label": 0,
        "round 1": 16,
        "invert": 16,
    }
    for stage, images in places.items():
        with pytest.raises(KilledError):
            experiment.run(tmp_path, Reporter(kill_in(stage, images)))
    assert experiment.run(tmp_path, Reporter())
    assert results(tmp_path) == results(whole[0])


def test_a_signal_stops_with_everything_saved_and_the_same_call_goes_on(experiment, whole, tmp_path):
    for stage in ("start 1", "generator", "distil", "round 1", "invert"):
        reporter = Reporter(interrupt_in(stage))
        assert not experiment.run(tmp_path, reporter)
        assert reporter.stages[-1] == stage
    assert experiment.run(tmp_path, Reporter())
    assert results(tmp_path) == results(whole[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_between_trainings_is_told_and_the_same_call_begins_that_stage_again(
    experiment, whole, tmp_path, number
):
    before = signal.getsignal(number)
    for stage in ("pack", "pairs", "round 1: label"):
        reporter = Reporter(signal_in(stage, number))
        assert not experiment.run(tmp_path, reporter)
        assert reporter.stages[-1] == stage
        assert reporter.events[-1] == STOPPED
        assert not [path for path in tmp_path.rglob("*") if "partial" in path.name]
        assert signal.getsignal(number) is before
    assert experiment.run(tmp_path, Reporter())
    assert results(tmp_path) == results(whole[0])


def test_a_signal_after_a_training_that_is_not_yet_calibrated_is_told(experiment, whole, tmp_path, monkeypatch):
    monkeypatch.setattr("genstruct.segmentation.stages.calibrate", lambda *_: signal.raise_signal(signal.SIGTERM))
    reporter = Reporter()
    assert not experiment.run(tmp_path, reporter)
    assert (reporter.stages[-1], reporter.events[-1]) == ("distil", STOPPED)
    monkeypatch.undo()
    assert experiment.run(tmp_path, Reporter())
    assert results(tmp_path) == results(whole[0])


def test_starts_are_judged_at_the_moment_of_the_training_at_which_they_end(experiment, tmp_path, monkeypatch):
    moments = []

    def judge(generator, size, objective, fraction):
        moments.append(fraction)
        if len(moments) == 2:
            raise KilledError
        return 0.0

    monkeypatch.setattr("genstruct.segmentation.stages.health_score", judge)
    with pytest.raises(KilledError):
        experiment.run(tmp_path, Reporter())
    assert moments == [experiment.starts.images / experiment.train.images] * 2


def test_a_finished_run_does_nothing_again(experiment, whole):
    out, _ = whole
    before = {path: path.read_bytes() for path in (out.rglob("*.pt"))} | results(out)
    images = json.loads((out / "generator" / "log.jsonl").read_text().splitlines()[-1])["images"]
    reporter = Reporter()
    assert experiment.run(out, reporter)
    assert reporter.stages == ["pack"]
    assert {path: path.read_bytes() for path in (out.rglob("*.pt"))} | results(out) == before
    assert json.loads((out / "generator" / "log.jsonl").read_text().splitlines()[-1])["images"] == images


def test_another_run_is_not_continued_by_mistake(experiment, whole):
    with pytest.raises(ConfigError, match=r"holds a run with another pairs\.count"):
        replace(experiment, pairs=replace(experiment.pairs, count=20)).run(whole[0], Reporter())


def test_a_longer_training_is_refused_once_the_segmenter_has_learned_from_it(experiment, whole):
    longer = replace(experiment, train=replace(experiment.train, images=96))
    with pytest.raises(ConfigError, match=r"another train\.images \(48 there, 96 here\)"):
        longer.run(whole[0], Reporter())


def test_a_run_goes_on_with_its_photos_in_another_place_but_not_with_others(experiment, tmp_path, monkeypatch):
    photos, run = shutil.copytree(experiment.data.root, tmp_path / "photos"), tmp_path / "run"

    def last_stage(root, interrupted):
        reporter = Reporter(interrupt_in(interrupted))
        replace(experiment, data=replace(experiment.data, root=str(root))).run(run, reporter)
        return reporter.stages[-1]

    assert last_stage(photos, "start 1") == "start 1"
    monkeypatch.chdir(tmp_path)
    assert last_stage("../" + tmp_path.name + "/photos", "start 2") == "start 2"
    moved = photos.rename(tmp_path / "moved")
    assert last_stage(moved, "generator") == "generator"
    before = (run / "config.yaml").read_bytes()
    others = shutil.copytree(moved, tmp_path / "others")
    os.utime(next(others.rglob("*.png")))  # one file was written since
    for root in (others, tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match=r"holds a run with another data\.root"):
            last_stage(root, "distil")
    assert (run / "config.yaml").read_bytes() == before


def test_photos_of_which_only_numbers_are_known_do_not_prove_to_be_the_same(experiment, tmp_path, monkeypatch):
    pack(Numbered("one", 16), tmp_path / "photos", experiment.data.size)
    monkeypatch.setattr("genstruct.data.pack.open_source", lambda root: Numbered("other", 16))
    assert not holds(tmp_path / "photos", "other", experiment.data.size, experiment.data.crop)


def test_an_inverter_may_be_asked_for_later(experiment, whole, tmp_path):
    without = replace(experiment, invert=InvertConfig())
    assert without.run(tmp_path, Reporter())
    assert not (tmp_path / INVERTER_FILE).exists()
    reporter = Reporter()
    assert experiment.run(tmp_path, reporter)
    assert reporter.stages == ["pack", "generator", "invert"]
    assert results(tmp_path) == results(whole[0])


def test_a_round_may_go_on_with_the_weights_before_it(experiment, tmp_path):
    (stage,) = experiment.rounds
    short = replace(experiment, train=replace(experiment.train, images=16), starts=StartConfig())
    going_on = replace(short, rounds=(replace(stage, fresh=False),), invert=InvertConfig())
    with pytest.raises(KilledError):
        going_on.run(tmp_path / "parts", Reporter(kill_in("round 1", 16)))
    assert going_on.run(tmp_path / "parts", Reporter()) and going_on.run(tmp_path / "whole", Reporter())
    ends = [(tmp_path / name / RUN_FILE).read_bytes() for name in ("parts", "whole")]
    assert ends[0] == ends[1]
    distilled, learned = (Segmenter.load(tmp_path / "whole" / name, "cpu").network for name in ("distil", RUN_FILE))
    moved = (learned.head.weight - distilled.head.weight).abs().max()
    assert 0 < moved < 0.1  # four steps away, not another start


def test_of_two_ranks_one_makes_pairs_and_labels_and_both_learn_from_them(experiment, tmp_path):
    on_two_ranks(SCRIPT, experiment.data.root, tmp_path / "run")
    assert sorted(path.name for path in tmp_path.glob("*-by-*")) == ["label-by-0", "make_pairs-by-0"]
    assert (tmp_path / "make_pairs-by-0").read_text() == "once\n"
    alone = replace(experiment, starts=StartConfig(), invert=InvertConfig())
    assert alone.run(tmp_path / "alone", Reporter())
    two, one = (Segmenter.load(tmp_path / name, "cpu").network.state_dict() for name in ("run", "alone"))
    torch.testing.assert_close(two, one, atol=1e-4, rtol=0)


def test_an_error_of_the_rank_that_makes_pairs_is_raised_on_all(experiment, tmp_path):
    on_two_ranks(SCRIPT, experiment.data.root, tmp_path / "run", "broken")
    messages = [(tmp_path / f"error-{rank}").read_text() for rank in range(2)]
    assert messages[0] == messages[1] and "generated masks are usable" in messages[0]


def test_weights_that_cannot_be_written_are_told_in_a_line(experiment, whole, tmp_path):
    (tmp_path / RUN_FILE).mkdir()
    segmenter = Segmenter.load(whole[0], "cpu")
    with pytest.raises(OutputError, match=r"segmenter\.safetensors cannot be written"):
        StageRunner(experiment.train, tmp_path, Reporter()).write(RUN_FILE, segmenter.encode())
