"""The renderer's benchmark: which peers take part, and what is held against ours."""

import importlib
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("benchmark_render")


def test_peers_that_are_missing_are_left_out_with_a_line_each(tool, monkeypatch, capsys):
    from benchmarks import peers

    monkeypatch.setattr(peers, "find_spec", lambda name: None if name == "drtk" else name)
    assert peers.installed(["drtk", "deodr"]) == ["deodr"]
    assert capsys.readouterr().out == f"drtk is not installed and left out: {peers.SOURCES['drtk']}\n"


def test_unknown_peers_are_an_error_in_words(tool, tmp_path, capsys):
    assert tool.main(["--peers", "blender", "--out", str(tmp_path)]) == 2
    assert "--peers are of pytorch3d, drtk, deodr; got blender" in capsys.readouterr().err


def test_ratios_are_the_smallest_and_those_to_pytorch3d_are_of_spheres(tool):
    row = lambda value: {"forward": value, "forward_backward": 2 * value}  # noqa: E731
    scenes = {
        "s1280:64": {"pytorch3d": row(9.0), "deodr": row(3.0)},
        "s5120:64": {"pytorch3d": row(8.0), "deodr": row(2.0)},
        "grid:64": {"pytorch3d": row(1.0), "deodr": row(1.5)},
    }
    assert tool.smallest_ratios(scenes) == {
        "forward_vs_pytorch3d": 8.0,
        "forward_backward_vs_pytorch3d": 16.0,
        "forward_vs_deodr": 1.5,
        "forward_backward_vs_deodr": 3.0,
    }
    assert tool.smallest_ratios({}) == {"forward_vs_pytorch3d": None, "forward_backward_vs_pytorch3d": None}


def test_a_peer_that_draws_the_same_agrees_and_another_scale_does_not(tool):
    from benchmarks import rendering

    task = rendering.make_task("s80", 32, 2)
    draw = rendering.ours(task, "torch")
    found = rendering.agreement(task, {"same": draw, "bright": lambda v, textures: 2 * draw(v, textures)})
    assert found["same"]["difference"] < 1e-5 and found["same"]["coverage"] == pytest.approx(1)
    assert found["same"]["vertices"] > 0.999 and found["same"]["textures"] > 0.999
    assert found["bright"]["inside"] > 0.1 and found["bright"]["coverage"] == pytest.approx(2)


def test_growth_is_the_slope_over_logarithms(tool):
    from benchmarks import rendering

    assert rendering._slope({10: 3.0, 100: 300.0, 1000: 30000.0}) == pytest.approx(2)
    assert rendering._slope({10: 3.0, 100: 3.0}) == pytest.approx(0)


def test_deodr_draws_what_we_draw(tool):
    pytest.importorskip("deodr", reason="the peer is not in any extra")
    from benchmarks import rendering

    task = rendering.make_task("s320", 64, 2)
    row = rendering.agreement(task, rendering.rivals(task, ["deodr"]))["deodr"]
    assert row["inside"] < 0.02 and row["coverage"] == pytest.approx(1.03, abs=0.02) and row["vertices"] > 0.8
