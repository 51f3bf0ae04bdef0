"""The tool that computes reference rows, on a set small enough to know the answers."""

import json
import runpy
import signal
import sys

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def labeled(tmp_path):
    """Bright rectangles on a dark, slightly noisy ground, twice as wide as they are high."""
    lines = []
    for number in range(3):
        rng = np.random.default_rng(number)
        mask = np.zeros((48, 64), np.uint8)
        mask[16 + number : 32 + number, 14:50] = 255
        noise = rng.integers(0, 20, (48, 64, 3))
        image = np.where(mask[..., None] > 0, (220, 60, 40), (20, 60, 90)) + noise
        for kind, pixels in (("images", image.astype(np.uint8)), ("masks", mask)):
            (tmp_path / f"set/{kind}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / f"set/{kind}/{number}.png")
        lines.append(json.dumps({"file_name": f"images/{number}.png", "mask_file_name": f"masks/{number}.png"}))
    (tmp_path / "set/metadata.jsonl").write_text("\n".join(lines))
    return tmp_path / "set"


def run(monkeypatch, *words):
    monkeypatch.syspath_prepend("tools")  # as when it is run as a script
    monkeypatch.setattr(sys, "argv", ["evaluate_baselines.py", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path("tools/evaluate_baselines.py", run_name="__main__")
    return stopped.value.code


def test_rows_are_written_as_masks_and_scored(labeled, tmp_path, monkeypatch, capsys):
    pytest.importorskip("cv2")
    places = ("--train", labeled, "--val", labeled, "--out", tmp_path / "out", "--json", tmp_path / "rows.json")
    assert run(monkeypatch, *places, "--rows", "ellipse,mean,grabcut-box,unet", "--minutes", "0.001", "--offset") == 0
    rows = json.loads((tmp_path / "rows.json").read_text())
    score = {row: rows[row]["val"]["scores"]["iou"]["value"] for row in rows}
    assert score["grabcut-box"] > 0.97
    # The mean of three rectangles shifted by one pixel each is the middle one: IoU 1 once and 15 / 17 twice.
    assert score["mean"] == pytest.approx((1 + 2 * 15 / 17) / 3, abs=0.03)
    assert 0.3 < score["ellipse"] < 0.95
    assert all(rows[row]["offset"]["scored"] == 3 for row in rows)
    assert (tmp_path / "out/ellipse/val/images/0.png").is_file()
    assert "masks of train" in capsys.readouterr().out


def test_mistakes_are_one_line_and_status_two(labeled, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "--train", labeled, "--val", labeled, "--out", labeled, "--rows", "ellipse") == 2
    assert "already holds files" in capsys.readouterr().err
    assert run(monkeypatch, "--train", labeled, "--val", labeled, "--out", tmp_path / "o", "--rows", "elipse") == 2
    assert "'elipse'" in capsys.readouterr().err


def test_a_signal_leaves_nothing(labeled, tmp_path, monkeypatch, capsys):
    def stopped(*_):
        yield "first", lambda item: np.ones((48, 64), np.float32)
        yield "second", lambda item: signal.raise_signal(signal.SIGTERM)

    monkeypatch.syspath_prepend("tools")
    monkeypatch.setattr("benchmarks.baselines.predictors", stopped)
    assert run(monkeypatch, "--train", labeled, "--val", labeled, "--out", tmp_path / "out" / "rows") == 143
    assert capsys.readouterr().err.endswith("\nevaluate_baselines: terminated\n")
    assert list((tmp_path / "out").iterdir()) == []
