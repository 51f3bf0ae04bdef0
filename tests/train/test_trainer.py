import json
import os
import signal

import pytest
import torch
from tiny_training import TinyBatches, TinyGan, trainer, weights

from genstruct.errors import CheckpointError, ConfigError, OutputError
from genstruct.train import checkpoint
from genstruct.train.config import TrainConfig
from genstruct.train.trainer import Trainer


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def lines(out, timeless=False):
    read = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    drop = ("seconds", "images_per_second") if timeless else ()
    return [{k: v for k, v in line.items() if k not in drop} for line in read if not (timeless and "event" in line)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = trainer(tmp_path_factory.mktemp("runs") / "whole")
    run.run()
    return run


@pytest.mark.parametrize("stop", [4, 28, 44, 52, 72])  # amid log spans, before and after growth, on a checkpoint
def test_stopping_and_resuming_repeats_the_uninterrupted_run_bit_for_bit(tmp_path, whole, stop):
    assert trainer(tmp_path).run(until_images=stop).images == stop
    rest = trainer(tmp_path)
    result = rest.run()
    assert (result.images, result.step, result.interrupted) == (96, 24, False)
    assert_same(weights(whole), weights(rest))
    assert lines(tmp_path, timeless=True) == lines(whole.out, timeless=True)


def test_another_memory_order_continues_the_same_moments(tmp_path, whole):
    trainer(tmp_path, channels_last=True).run(until_images=48)
    rest = trainer(tmp_path, channels_last=False)
    rest.run()
    # Only the order of sums inside convolutions differs; moments mixed up between weights would differ by 1e-3.
    torch.testing.assert_close(weights(rest), weights(whole), atol=1e-6, rtol=1e-4)


def test_a_finished_training_runs_no_further_step(tmp_path):
    trainer(tmp_path, images=8).run()
    again = trainer(tmp_path, images=8)
    before = weights(again)
    assert again.run().images == 8
    assert_same(before, weights(again))
    assert checkpoint.latest(tmp_path).name == "images-000000000008.pt"


def test_a_finished_training_goes_on_to_a_larger_total(tmp_path):
    trainer(tmp_path, images=8).run()
    assert trainer(tmp_path, images=16).run().images == 16


def test_log_lines_after_the_last_checkpoint_are_written_once(tmp_path, whole):
    trainer(tmp_path).run(until_images=48)
    with (tmp_path / "log.jsonl").open("a") as log:  # a run killed after its last checkpoint leaves such lines
        log.write('{"images": 56, "step": 14, "brightness": 0.1}\n{"images": 64, "st')
    trainer(tmp_path).run()
    assert lines(tmp_path, timeless=True) == lines(whole.out, timeless=True)


def test_logs_are_averaged_over_their_span_and_name_every_phase(whole):
    first = lines(whole.out)[0]
    assert first["images"] == 8 and first["step"] == 2
    assert {"loss/critic", "loss/generator", "loss/penalty", "penalty", "brightness"} <= first.keys()
    assert [line["images"] for line in lines(whole.out)] == list(range(8, 97, 8))


def test_levels_not_grown_in_yet_keep_their_weights(tmp_path):
    run = trainer(tmp_path)
    late = run.method.networks["generator"].late.weight
    before = late.detach().clone()
    run.run(until_images=48)
    assert torch.equal(late, before)
    run.run()
    assert not torch.equal(late, before)


def test_a_phase_trains_its_own_networks_only(tmp_path):
    method = TinyGan()
    method.phases = method.phases[:2]
    run = trainer(tmp_path, method, images=8)
    generator = {name: t.clone() for name, t in method.networks["generator"].state_dict().items()}
    critic = {name: t.clone() for name, t in method.networks["critic"].state_dict().items()}
    run.run()
    assert_same(generator, method.networks["generator"].state_dict())
    assert not torch.equal(critic["0.weight"], method.networks["critic"].state_dict()["0.weight"])
    assert all(p.requires_grad and p.grad is None for p in method.networks.parameters())


def test_previews_are_written_and_change_nothing(tmp_path, whole):
    run = trainer(tmp_path, preview_every_images=32)
    run.run()
    assert sorted(p.name for p in (tmp_path / "previews").iterdir()) == [f"fake-{n:012d}.png" for n in (32, 64, 96)]
    assert_same(weights(run), weights(whole))
    assert all(module.training for module in run.method.networks.modules())


def test_the_newest_checkpoints_and_the_healthy_one_are_kept(tmp_path):
    trainer(tmp_path, health_every_images=200, keep_checkpoints=2).run()
    # No check for collapse passed before the end, so a roll-back would still go to the start.
    assert [int(p.stem[7:]) for p in checkpoint.all_in(tmp_path)] == [0, 72, 96]
    trainer(tmp_path / "b", keep_checkpoints=1).run()
    assert [int(p.stem[7:]) for p in checkpoint.all_in(tmp_path / "b")] == [72, 96]


def test_bf16_trains_and_keeps_weights_in_float32(tmp_path):
    run = trainer(tmp_path, precision="bf16", images=16)
    result = run.run()
    assert result.images == 16
    assert all(t.dtype == torch.float32 for t in run.method.networks.state_dict().values())


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of the compiler's own
def test_a_compiled_network_trains_like_the_plain_one(tmp_path, whole):
    run = trainer(tmp_path, compile=("generator",), preview_every_images=48)
    run.run()
    # Fused kernels add in another order. Were a graph without gradients used, moments would be missing.
    torch.testing.assert_close(weights(run), weights(whole), atol=1e-5, rtol=1e-4)


def test_a_signal_finishes_the_step_saves_and_stops(tmp_path, whole):
    before = signal.getsignal(signal.SIGINT)
    first = trainer(tmp_path)
    first.batches.before_step = lambda step: os.kill(os.getpid(), signal.SIGINT) if step == 6 else None
    result = first.run()
    assert result.interrupted and result.images == 28
    assert signal.getsignal(signal.SIGINT) is before
    rest = trainer(tmp_path)
    assert not rest.run().interrupted
    assert_same(weights(rest), weights(whole))


def test_a_second_signal_stops_at_once(tmp_path):
    run = trainer(tmp_path)

    def twice(step):
        if step == 6:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    run.batches.before_step = twice
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert run.state.step == 6
    assert checkpoint.latest(tmp_path).name == "images-000000000024.pt"


def test_a_branch_starts_from_another_runs_checkpoint_with_its_own_seed(tmp_path, whole):
    source = checkpoint.latest(whole.out)
    method, config = TinyGan(), TrainConfig(**{**whole.config.plain(), "images": 104, "seed": 9, "compile": ()})
    branch = Trainer(method, TinyBatches(), config, tmp_path, resume=source)
    assert branch.state.images == 96
    assert_same(weights(whole), weights(branch))
    assert branch.run(until_images=100).images == 100
    assert set(method.seeds) == {9} and branch.batches.seed == 9
    again = Trainer(TinyGan(), TinyBatches(), config, tmp_path, resume=source)  # the same command again continues
    assert again.state.images == 100


def test_a_folder_with_checkpoints_is_refused_when_a_new_run_was_meant(tmp_path):
    trainer(tmp_path, images=4).run()
    with pytest.raises(OutputError, match="holds a training already"):
        Trainer(TinyGan(), TinyBatches(), trainer(tmp_path, images=4).config, tmp_path, resume="never")


@pytest.mark.parametrize(("name", "value"), [("seed", 1), ("batch", 8)])
def test_a_run_is_not_continued_in_another_order(tmp_path, name, value):
    trainer(tmp_path, images=8).run()
    with pytest.raises(ConfigError, match=f"{name}="):
        trainer(tmp_path, **{name: value})


def test_a_checkpoint_of_other_networks_is_refused(tmp_path):
    trainer(tmp_path, images=4).run()
    method = TinyGan()
    method.networks["critic"][0] = torch.nn.Conv2d(3, 4, 1)
    with pytest.raises(CheckpointError, match="critic is another network"):
        trainer(tmp_path, method)


def test_batches_of_another_size_are_refused(tmp_path):
    run = trainer(tmp_path)
    run.batches.batch = 6
    with pytest.raises(ConfigError, match="batches give 6 images"):
        run.run()


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        trainer(tmp_path / "file" / "run").run()
