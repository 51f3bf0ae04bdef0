import json

import pytest
import torch
from tiny_training import trainer, weights

from genstruct.train import checkpoint


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def lines(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("stop", [4, 28, 44, 52, 72])
def test_stopping_and_resuming_repeats_the_uninterrupted_run_bit_for_bit(tmp_path, stop):
    whole = trainer(tmp_path / "whole")
    whole.run()
    half = trainer(tmp_path / "parts").run(until_images=stop)
    assert half.images == stop
    rest = trainer(tmp_path / "parts")
    result = rest.run()
    assert (result.images, result.step, result.interrupted) == (96, 24, False)
    assert_same(weights(whole), weights(rest))
    timeless = [
        [
            {k: v for k, v in line.items() if not k.startswith(("seconds", "images_per"))}
            for line in lines(tmp_path / run)
        ]
        for run in ("whole", "parts")
    ]
    assert timeless[0] == [line for line in timeless[1] if "event" not in line]


def test_a_finished_training_runs_no_further_step(tmp_path):
    trainer(tmp_path).run()
    again = trainer(tmp_path)
    before = weights(again)
    assert again.run().images == 96
    assert_same(before, weights(again))
    assert checkpoint.latest(tmp_path).name == "images-000000000096.pt"
