"""Trainings in processes of their own: signals from outside, and two ranks over gloo."""

import signal
import time
from pathlib import Path

import pytest
import torch
from processes import PATIENCE, finish, on_two_ranks, start
from tiny_training import trainer, weights

SCRIPT = Path(__file__).with_name("tiny_training.py")


def test_sigterm_saves_and_the_same_command_repeats_the_uninterrupted_run(tmp_path):
    process = start(SCRIPT, tmp_path / "parts", "pause=50")
    try:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and "loss" not in _text(tmp_path / "parts" / "log.jsonl"):
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        word, images = finish(process)
    finally:
        process.kill()
        process.communicate()
    assert word == "interrupted" and 0 < int(images) < 96
    rest = trainer(tmp_path / "parts")
    assert rest.state.images == int(images)
    rest.run()
    whole = trainer(tmp_path / "whole")
    whole.run()
    for name, tensor in weights(whole).items():
        assert torch.equal(tensor, weights(rest)[name]), name


def test_two_ranks_equal_one_rank_with_twice_the_batch_also_when_they_join_later(tmp_path):
    # Six steps on two ranks in `both`; in `later`, one rank does three steps and two ranks go on with nine more, which
    # crosses the growth of a level (its parameters get gradients from then on).
    trainer(tmp_path / "later", images=48).run(until_images=12)
    on_two_ranks(SCRIPT, tmp_path / "both", "until=24", "--", tmp_path / "later", "images=48")
    one = trainer(tmp_path / "one")
    one.run(until_images=24)
    torch.testing.assert_close(weights(trainer(tmp_path / "both")), weights(one), atol=1e-5, rtol=0)
    one = trainer(tmp_path / "one_long", images=48)
    one.run()
    two = trainer(tmp_path / "later", images=48)
    torch.testing.assert_close(weights(two), weights(one), atol=1e-5, rtol=0)
    assert two.state.images == 48
    logged = _text(tmp_path / "later" / "log.jsonl")
    assert logged.count('"images": 48') == 1  # rank 0 alone writes


def test_ranks_that_cannot_share_a_batch_say_so():
    from genstruct.errors import ConfigError
    from genstruct.train.distributed import Ranks

    assert Ranks(1, 4, 1).share(64) == 16
    with pytest.raises(ConfigError, match="multiple of the number of processes"):
        Ranks(0, 3, 0).share(64)


def _text(path):
    return path.read_text() if path.exists() else ""
