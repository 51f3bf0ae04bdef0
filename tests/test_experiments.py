import sys
import types
from dataclasses import field

import pytest
import yaml

from genstruct import experiments
from genstruct.errors import ConfigError
from genstruct.experiments import load_experiment, resolved
from genstruct.settings import settings


@settings
class Data:
    root: str = "photos"
    size: int = 64


@settings
class Toy:
    data: Data = field(default_factory=Data)
    seed: int = 0
    """Of every draw."""

    train = None

    def run(self, out, reporter):
        raise NotImplementedError


@pytest.fixture(autouse=True)
def toy(monkeypatch):
    module = types.ModuleType("toy_experiment")
    module.Toy = Toy
    monkeypatch.setitem(sys.modules, "toy_experiment", module)
    monkeypatch.setitem(experiments.EXPERIMENTS, "toy", "toy_experiment:Toy")
    monkeypatch.setattr(Toy, "__module__", "toy_experiment")


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "toy.yaml"
        path.write_text(text)
        return path

    return write


def test_an_experiment_is_its_file_and_the_overrides(config):
    path = config("# reaches 0.9 in 3 minutes\nexperiment: toy\ndata:\n  root: here\n")
    assert load_experiment(path, ["data.size=3e1", "--seed=4"]) == Toy(Data("here", 30), 4)


def test_a_resolved_experiment_can_be_read_back(config):
    experiment = load_experiment(config("experiment: toy\nseed: 7\n"))
    path = config(yaml.safe_dump(dict(resolved(experiment))))
    assert load_experiment(path) == experiment


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("experiment: tyo\n", "unknown experiment 'tyo'; did you mean 'toy'?"),
        ("seed: 3\n", "needs a line 'experiment: KIND'; kinds are segmentation, viewpoint, toy"),
        ("experiment: toy\ndata: {siez: 3}\n", "data: unknown key 'siez'; did you mean 'size'?"),
    ],
)
def test_a_mistake_in_the_file_names_the_file(config, text, message):
    path = config(text)
    with pytest.raises(ConfigError) as caught:
        load_experiment(path, ["seed=1"])
    assert str(caught.value) == f"{path}: {message}"


def test_a_mistake_on_the_command_line_does_not_blame_the_file(config):
    with pytest.raises(ConfigError) as caught:
        load_experiment(config("experiment: toy\n"), ["data.siez=3"])
    assert str(caught.value) == "data: unknown key 'siez'; did you mean 'size'?"
