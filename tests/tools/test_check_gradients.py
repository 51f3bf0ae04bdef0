"""The table of gradients: its options, and its measure of the renderer on a small picture."""

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


def test_gradients_of_pictures_agree_with_differences_of_finely_sampled_ones(arguments):
    from benchmarks import gradients

    scene, camera = gradients.sphere(2), gradients.cameras(32, 1)
    reference = gradients.reference_gradient(scene, camera, 32)
    found, hard = (gradients.gradient(scene, camera, 32, kind) for kind in ("edges", "none"))
    assert gradients.relative_error(found, reference) <= 0.08  # one view at 32 px; the tool measures larger ones
    assert gradients.relative_error(hard, reference) > 0.3  # the check can fail
