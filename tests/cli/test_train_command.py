import os
import signal
import sys
import types
from dataclasses import field

import pytest
from PIL import Image

from genstruct import experiments
from genstruct.cli.main import main
from genstruct.errors import ConfigError
from genstruct.settings import settings
from genstruct.train.config import TrainConfig
from genstruct.train.report import Progress


@settings
class Data:
    root: str = "photos"
    """Folder of images."""
    size: int = 64
    """Side of the crop, pixels."""


@settings
class Toy:
    data: Data = field(default_factory=Data)
    train: TrainConfig = field(default_factory=lambda: TrainConfig(device="cpu"))

    def networks(self):
        from torch import nn

        return {"line": nn.Linear(10, 3)}

    def run(self, out, reporter):
        if self.data.root == "":
            raise ConfigError("no root")
        with reporter("stage") as progress:
            progress(Progress(5, 10, 2.5, 2.0, {"loss": 1.0}))
        if self.data.root.startswith("SIG"):
            number = getattr(signal, self.data.root)
            before = signal.signal(number, lambda *_: None)  # as the trainer does
            os.kill(os.getpid(), number)
            signal.signal(number, before)
            return False
        out.mkdir(exist_ok=True)
        return True


@pytest.fixture
def config(tmp_path, monkeypatch):
    module = types.ModuleType("toy_experiment")
    module.Toy, module.__file__ = Toy, __file__
    monkeypatch.setattr(Toy, "__module__", "toy_experiment")
    monkeypatch.setitem(sys.modules, "toy_experiment", module)
    monkeypatch.setitem(experiments.EXPERIMENTS, "toy", "toy_experiment:Toy")
    path = tmp_path / "toy.yaml"
    path.write_text("# reaches nothing\nexperiment: toy\ndata:\n  size: 32\n")
    for name in ("photos", "there", "SIGINT", "SIGTERM"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "a.png")
    monkeypatch.chdir(tmp_path)
    return str(path)


def test_training_says_what_it_is_about_to_do_then_does_it(config, tmp_path, capsys):
    assert main(["train", config, "train.images=2e3", "--out", str(tmp_path / "run")]) == 0
    told = capsys.readouterr()
    assert "experiment: toy\n" in told.out
    assert "data: {root: photos, size: 32}" in told.out
    assert "images: 2000\n" in told.out
    assert "device: cpu (" in told.out
    assert "network: line, 33 parameters" in told.out
    assert told.out.endswith(f"done: {tmp_path / 'run'}\n")
    assert "stage: 5/10 images  2.5/s  0:02 left  loss 1" in told.err
    assert (tmp_path / "run").is_dir()


def test_a_dry_run_trains_nothing(config, tmp_path, capsys):
    assert main(["train", config, "data.root=there", "--dry-run"]) == 0
    told = capsys.readouterr()
    assert "root: there" in told.out and "photos: 1 in folder there\n" in told.out
    assert "1 photos are few: with less than 100" in told.err
    assert main(["train", config, "data.root=", "--dry-run"]) == 0
    assert "photos: data.root is not set\n" in capsys.readouterr().out


def test_photos_are_looked_at_before_anything_else_and_may_lie_at_home(config, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["train", config, "data.root=~/there", "--out", "~/run"]) == 0
    assert (tmp_path / "run").is_dir()
    (tmp_path / "empty").mkdir()
    capsys.readouterr()
    for root, message in (("nowhere", "no such file or folder"), ("empty", "holds no images")):
        for rest in (["--dry-run"], ["--out", "new"]):
            assert main(["train", config, f"data.root={root}", *rest]) == 2
            told = capsys.readouterr()
            assert message in told.err and told.err.count("\n") == 1 and told.out == ""
    assert not (tmp_path / "new").exists()


def test_resume_continues_a_run_and_refuses_to_begin_one(config, tmp_path, capsys):
    out = tmp_path / "run"
    words = ["train", config, "--out", str(out), "--resume"]
    for begun in (False, True):  # no folder, and a folder without a run
        if begun:
            out.mkdir()
        assert main(words) == 2
        line = f"{out} holds no config.yaml, so there is no run to continue; begin one without --resume"
        assert capsys.readouterr().err == f"genstruct: error: {line}\n"
        assert not out.exists() or not any(out.iterdir())
    (out / "config.yaml").write_text("")
    assert main([*words, "data.root=there"]) == 0
    assert capsys.readouterr().out.endswith(f"done: {out}\n")


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_training_stopped_by_a_signal_ends_with_its_status(config, tmp_path, capsys, name, status):
    assert main(["train", config, f"data.root={name}", "--out", str(tmp_path / "run")]) == status
    assert "done" not in capsys.readouterr().out


def test_help_after_a_configuration_lists_its_keys_with_value_type_and_unit(config, capsys):
    assert main(["train", config, "--data.root=x", "--help"]) == 0
    text = capsys.readouterr().out
    assert "  data.root=x\n      Folder of images. (text; default photos)\n" in text
    assert "  data.size=32\n      Side of the crop, pixels. (int; default 64)\n" in text
    assert "  train.device=cpu\n" in text
    assert "one of auto, cpu, cuda" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--out RUN is missing: give the folder that the run is written to"),
        (["--dry-run", "--resume"], "--out RUN is missing: give the folder that the run is written to"),
        (["--out", "run", "data.siez=3"], "data: unknown key 'siez'; did you mean 'size'?"),
        (["--out", "run", "--train.batch=many"], "train.batch: expected int above 0, got 'many'"),
        (["--out", "run", "train.batch=0"], "train.batch: expected int above 0, got 0"),
        (["--out", "run", "data.root="], "no root"),
        (["--out", "run", "somewhere"], "expected key=value (for example data.size=64), got 'somewhere'"),
    ],
)
def test_a_mistake_is_one_line(config, capsys, arguments, message):
    assert main(["train", config, *arguments]) == 2
    assert capsys.readouterr().err == f"genstruct: error: {message}\n"


def test_a_missing_file_is_named(capsys):
    assert main(["train", "absent.yaml", "--out", "x"]) == 2
    assert capsys.readouterr().err.startswith("genstruct: error: absent.yaml: cannot be read (No such file")
