import importlib
import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
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
        work = row["giga_multiply_adds_per_image"] * row["images_per_processor_second"]
        assert row["giga_multiply_adds_per_processor_second"] == pytest.approx(work)
    rare, often = (
        training[f"naive, penalties every {which}"]["giga_multiply_adds_per_image"] for which in ("8", "step")
    )
    assert training["ours"]["giga_multiply_adds_per_image"] < rare < often
    for row in results["masks"].values():
        rounding = 1  # MiB: Linux adds up pages by processor, and a peak read later can be a little lower
        assert row["memory_after_import"] <= row["peak_memory"] + rounding
        assert row["peak_memory"] <= row["peak_memory_refined"] + rounding
        assert row["seconds_to_first_mask"] > 0
    assert set(results["masks"]) == {"2"}
    with Image.open(tmp_path / "training.png") as plot:
        assert plot.width == 900
    shown = capsys.readouterr().out
    assert "training at 16 px" in shown
    assert "masks of photos of 32 x 32 px" in shown


def test_rounds_alternate_and_the_first_is_counted_and_not_timed(tool):
    from benchmarks.training import PENALTY_EVERY, interleaved, summarized

    class Fake:
        def __init__(self, name):
            self.name = name

        def step(self, clock):
            order.append(self.name)
            torch.ones(3, 4) @ torch.ones(4, 5 if self.name == "a" else 10)
            clock.cpu["all"] = clock.cpu.get("all", 0.0) + 0.5
            clock.wall["all"] = clock.wall.get("all", 0.0) + 1.0

    class Clock:
        def __init__(self):
            self.wall, self.cpu = {}, {}
            self.device = type("Cpu", (), {"type": "cpu"})

    order = []
    clocks, counts = interleaved({"a": Fake("a"), "b": Fake("b")}, 2, Clock)
    assert order == (["a"] * PENALTY_EVERY + ["b"] * PENALTY_EVERY) * 3
    assert [len(c) for c in clocks.values()] == [2, 2]
    assert counts == {"a": PENALTY_EVERY * 3 * 4 * 5, "b": PENALTY_EVERY * 3 * 4 * 10}
    result = summarized(clocks["a"], 10, PENALTY_EVERY * 10 * 3_000_000_000)
    assert result["images_per_second"] == 10
    assert result["images_per_processor_second"] == 20
    assert result["giga_multiply_adds_per_image"] == 3
    assert result["giga_multiply_adds_per_second"] == 30
    assert result["giga_multiply_adds_per_processor_second"] == 60


def test_multiply_adds_of_a_convolution_and_of_a_penalty_on_it(tool):
    from benchmarks.multiply_adds import MultiplyAdds

    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    weight = torch.randn(5, 3, 3, 3, requires_grad=True)
    once = 2 * 8 * 8 * 5 * 3 * 9
    with MultiplyAdds() as forward:
        y = F.conv2d(x, weight, padding=1).square().sum()
    assert forward.total == once
    with MultiplyAdds() as backward:  # to the image alone, as a penalty does
        (gradient,) = torch.autograd.grad(y, x, create_graph=True)
    assert backward.total == once
    with MultiplyAdds() as twice:  # to the weights: of the gradient's convolution (2) and of the first one (1)
        (of_weight,) = torch.autograd.grad(gradient.square().sum(), weight)
    assert of_weight.shape == weight.shape
    assert 3 * once <= twice.total <= 4 * once


FAKE_NETWORKS = """
import torch

class Network(torch.nn.Module):
    def __init__(self, **width):
        super().__init__()
        self.layer = torch.nn.Linear(3, sum(width.values()))

    def train_step(self, real_batch, log_data, **others):
        images, _ = real_batch
        log_data.append((type(self).__name__, images, others, self.layer.out_features))
        self.layer(images[:, :, 0, 0])

class SNGANGenerator32(Network): pass
class SNGANDiscriminator32(Network): pass
class WGANGPGenerator32(Network): pass
class WGANGPDiscriminator32(Network): pass
"""


@pytest.fixture
def fake_package(tool, tmp_path, monkeypatch):
    """A package with the names of torch-mimicry, whose own imports are missing; networks log what they are given."""
    package = tmp_path / "site" / "torch_mimicry"
    for folder in ("", "training", "nets", "nets/sngan", "nets/wgan_gp"):
        (package / folder).mkdir(parents=True, exist_ok=True)
        empty = folder == "nets"
        text = FAKE_NETWORKS if folder.startswith("nets/") else "" if empty else "import a_package_that_is_not_there"
        (package / folder / "__init__.py").write_text(text)
    (package / "training" / "metric_log.py").write_text("logs = []\ndef MetricLog():\n    return logs\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == "torch_mimicry"]:
        monkeypatch.delitem(sys.modules, name)
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(package.parent))
    yield package
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "torch_mimicry":
            del sys.modules[name]


class Idle:
    def step(self, clock):
        clock.mark("all")

    def close(self):
        pass


def test_a_peer_trains_both_networks_on_the_same_images(fake_package, monkeypatch):
    from benchmarks import training, training_peers

    monkeypatch.setattr(training, "Ours", lambda *arguments: Idle())
    monkeypatch.setattr(training, "Naive", lambda *arguments: Idle())
    rows = training.measure_training(32, 2, 1, "cpu", peers=["torch_mimicry"])
    assert list(rows)[3:] == ["mimicry SNGAN", "mimicry WGAN-GP"]
    logs = sys.modules["torch_mimicry.training.metric_log"].logs
    assert [name for name, *_ in logs[:4]] == ["SNGANDiscriminator32", "SNGANGenerator32"] * 2
    assert [name for name, *_ in logs[-2:]] == ["WGANGPDiscriminator32", "WGANGPGenerator32"]
    assert len(logs) == 2 * 2 * 2 * 8  # two networks of two kinds, two rounds of eight steps
    for name, images, others, width in logs:
        assert images.shape == (2, 3, 32, 32) and images.is_contiguous()
        assert -1 <= images.min() < -0.2 and 0.2 < images.max() <= 1
        assert {"netG", "optD"} <= set(others) if "Discriminator" in name else {"netD", "optG"} <= set(others)
        kind = training_peers.KINDS["mimicry SNGAN" if name[0] == "S" else "mimicry WGAN-GP"]
        assert width == kind.widths[32]["Discriminator" in name]
    for name in list(rows)[3:]:
        widths = training_peers.KINDS[name].widths[32]
        assert rows[name]["giga_multiply_adds_per_image"] * 1e9 == pytest.approx(3 * sum(widths))
        assert set(rows[name]["share"]) == {"data", "discriminator", "generator"}


def test_peers_that_are_missing_unknown_or_without_networks_of_a_size(tool, tmp_path, monkeypatch, capsys):
    from benchmarks import peers, training_peers

    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    assert peers.installed(["torch_mimicry"], training_peers.SOURCES) == []
    line = "torch_mimicry is not installed and left out: pip install --no-deps torch-mimicry\n"
    assert capsys.readouterr().out == line
    assert tool.main(["--quick", "--peers", "torchgan", "--out", str(tmp_path)]) == 2
    assert "--peers are of torch_mimicry; got torchgan" in capsys.readouterr().err
    assert training_peers.trainings(["torch_mimicry"], 16, None, 2, "cpu") == {}


def test_charts_of_resolutions_that_a_peer_does_not_have_show_zero_there(tool):
    ours = {"speed": 2.0, "share": {"data": 1.0}}
    training = {16: {"ours": ours}, 32: {"ours": ours, "peer": {"speed": 1.0, "share": {"data": 1.0}}}}
    speed, shares = tool.charts(training, "speed")
    assert (speed.groups, speed.series) == (["16 px", "32 px"], {"ours": [2.0, 2.0], "peer": [0.0, 1.0]})
    assert shares.parts[tool.PARTS["data"]] == [1.0, 1.0]


@pytest.mark.parametrize("size", [32, 64, 128])
def test_steps_of_torch_mimicry_cost_as_many_multiply_adds_as_ours(tool, size):
    if importlib.util.find_spec("torch_mimicry") is None:
        pytest.skip("the peer is not in any extra")
    from benchmarks.clock import Clock
    from benchmarks.multiply_adds import MultiplyAdds
    from benchmarks.training import Ours, make_archive, perturbed_config, run_round
    from benchmarks.training_peers import trainings

    config = perturbed_config(size)
    archive = make_archive(config, 2)
    ours = Ours(config, archive, 2, "cpu", "float32")
    counts = {}
    for name, training in {"ours": ours, **trainings(["torch_mimicry"], size, archive, 2, "cpu")}.items():
        with MultiplyAdds() as counter:
            run_round(training, Clock(torch.device("cpu")))
        counts[name] = counter.total
    ours.close()
    assert len(counts) == 3
    for count in counts.values():
        assert count == pytest.approx(counts["ours"], rel=0.05)
