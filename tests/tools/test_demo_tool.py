import importlib.util
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("demo_tool", TOOLS / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_demo_of_no_photos_says_so_in_one_line(tool, tmp_path, capsys):
    assert tool.main(["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "nowhere: no such file or folder" in lines[0]


def test_the_demo_reads_the_shipped_configuration_and_weights_by_default(tool):
    args = tool.arguments().parse_args([])
    assert args.config.is_file()
    assert [str(file.relative_to(TOOLS.parent)) for file in args.weights] == ["assets/cars.safetensors"]


def test_scores_and_places_are_printed(tool, capsys):
    from genstruct.metrics.evaluation import MaskProtocol, MaskReport, Score
    from genstruct.run.demo import Photos
    from genstruct.segmentation.showcase import DemoReport

    photos = Photos(Path("train"), Path("test"), "two photos", True)
    scores = {"trained just now": MaskReport({"iou": Score(0.5, 0.4, 0.6)}, [], [], 0, None, MaskProtocol())}
    tool.show(DemoReport(photos, Path("page.html"), Path("sheet.png"), scores, ["no weights."]), 90.0)
    out = capsys.readouterr().out
    assert "IoU 0.500 (0.400 - 0.600)" in out
    assert "note: no weights." in out
    assert "1.5 minutes" in out
    assert "page.html" in out


def test_another_kind_of_experiment_is_refused(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("genstruct.experiments.load_experiment", lambda path: object())
    assert tool.main(["--config", "views.yaml", "--out", str(tmp_path / "out")]) == 2
    assert "views.yaml is no experiment of segmentation" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
