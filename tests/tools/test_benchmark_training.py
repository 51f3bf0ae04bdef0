import importlib
import json
from pathlib import Path

import pytest
from PIL import Image

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("benchmark_training")


def test_a_quick_run_measures_everything_and_writes_a_plot_and_json(tool, tmp_path, capsys):
    assert tool.main(["--quick", "--out", str(tmp_path), "--json", str(tmp_path / "speed.json")]) == 0
    results = json.loads((tmp_path / "speed.json").read_text())
    training = results["training"]["16"]
    assert list(training) == ["ours", "naive, penalties every 8", "naive, penalties every step"]
    assert set(training["ours"]["share"]) == {"data", "joint", "penalty", "average"}
    assert set(training["naive, penalties every 8"]["share"]) == {"data", "discriminator", "generator", "average"}
    for row in training.values():
        assert sum(row["share"].values()) == pytest.approx(1)
        assert row["images_per_processor_second"] > 0
    for row in results["masks"].values():
        assert row["memory_after_import"] <= row["peak_memory"] <= row["peak_memory_refined"]
        assert row["seconds_to_first_mask"] > 0
    assert set(results["masks"]) == {"2"}
    with Image.open(tmp_path / "training.png") as plot:
        assert plot.width == 900
    shown = capsys.readouterr().out
    assert "training at 16 px" in shown
    assert "masks of photos of 32 x 32 px" in shown


def test_rounds_alternate_and_the_first_is_left_out(tool):
    from benchmarks.training import PENALTY_EVERY, interleaved, summarised

    class Fake:
        def __init__(self, name):
            self.name = name

        def step(self, clock):
            order.append(self.name)
            clock.cpu["all"] = clock.cpu.get("all", 0.0) + 0.5
            clock.wall["all"] = clock.wall.get("all", 0.0) + 1.0

    class Clock:
        def __init__(self):
            self.wall, self.cpu = {}, {}
            self.device = type("Cpu", (), {"type": "cpu"})

    order = []
    clocks = interleaved({"a": Fake("a"), "b": Fake("b")}, 2, Clock)
    assert order == (["a"] * PENALTY_EVERY + ["b"] * PENALTY_EVERY) * 3
    assert [len(c) for c in clocks.values()] == [2, 2]
    result = summarised(clocks["a"], batch=10)
    assert result["images_per_second"] == 10
    assert result["images_per_processor_second"] == 20
