"""The options of the table of gradients; what it measures is tested with the renderer."""

import importlib
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def arguments(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("check_gradients").arguments()


def test_files_may_follow_the_methods(arguments):
    args = arguments.parse_args(["--methods", "edges, 2 x 2 samples", "car.obj", "boat.obj"])
    assert args.methods == {"edges": ("edges", 1), "2 x 2 samples": ("edges", 2)}
    assert args.meshes == [Path("car.obj"), Path("boat.obj")]
    assert list(arguments.parse_args([]).methods) == ["edges", "2 x 2 samples", "4 x 4 samples", "margin", "none"]


def test_an_unknown_method_is_named(arguments, capsys):
    with pytest.raises(SystemExit):
        arguments.parse_args(["--methods", "edges,car.obj"])
    assert "unknown method 'car.obj'; choose of edges," in capsys.readouterr().err
