"""What `genstruct.train.method.Method` promises of every method: gradients, ranks, resuming, seeds, previews, state."""

from pathlib import Path

import pytest
import torch
from method_table import METHODS, TRAIN, trainer
from processes import on_two_ranks
from tiny_training import weights
from torch import nn

from genstruct.train.method import Method

SCRIPT = Path(__file__).with_name("method_table.py")
each_method = pytest.mark.parametrize("name", METHODS)


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.fixture(scope="module")
def wholes(tmp_path_factory):
    """The uninterrupted training of each method, done when first asked for."""
    done = {}

    def whole(name):
        if name not in done:
            done[name] = trainer(name, tmp_path_factory.mktemp("whole"))
            done[name].run()
        return done[name]

    return whole


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory):
    """Folder of what each of two ranks has trained."""
    out = tmp_path_factory.mktemp("ranks")
    on_two_ranks(SCRIPT, out)
    return out


@each_method
def test_it_is_a_method(name):
    method = METHODS[name].make(0)
    assert isinstance(method, Method)
    trained = {network for phase in method.phases for network in phase.trains}
    assert trained == set(method.optimizers) and set(method.averaged) <= set(method.networks)


@each_method
def test_a_phase_gives_gradients_to_what_it_trains_and_to_nothing_else(name, tmp_path):
    run = trainer(name, tmp_path)
    run.run(until_images=48)  # levels have grown in, gates have opened
    method, run.state.step = run.method, 9  # all phases are due
    step, batch, reached = run.current_step(), run.batches.at(9), set()
    others = [value for value in vars(method).values() if isinstance(value, nn.Module) and value is not method.networks]
    for phase in method.phases:
        assert step.number % phase.every == 0
        method.networks.requires_grad_(True).zero_grad()
        run.updates._freeze_all_but(phase.trains)
        method.compute(phase, batch, step).loss.mean().backward()
        found = {key: p.grad for key, p in method.networks.named_parameters() if p.grad is not None}
        assert {key.partition(".")[0] for key in found} <= set(phase.trains)
        assert all(gradient.isfinite().all() for gradient in found.values())
        reached |= {key for key, gradient in found.items() if gradient.abs().max() > 0}
    trained = {network for phase in method.phases for network in phase.trains}
    wanted = {key for key, _ in method.networks.named_parameters() if key.partition(".")[0] in trained}
    assert wanted - reached == set(METHODS[name].silent)
    assert not any(p.grad is not None for module in others for p in module.parameters())


@each_method
def test_networks_that_no_phase_trains_keep_their_weights_in_an_update(name, tmp_path):
    run = trainer(name, tmp_path)
    for phase in run.method.phases:
        before = {key: p.detach().clone() for key, p in run.method.networks.named_parameters()}
        run.updates.run(phase, run.batches.at(0), run.current_step())
        changed = {key for key, p in run.method.networks.named_parameters() if not torch.equal(p, before[key])}
        assert changed and {key.partition(".")[0] for key in changed} <= set(phase.trains)


@each_method
def test_stopping_and_resuming_repeats_the_uninterrupted_run_bit_for_bit(name, tmp_path, wholes):
    assert trainer(name, tmp_path).run(until_images=24).images == 24
    rest = trainer(name, tmp_path)
    assert rest.run().images == TRAIN.images
    assert_same(weights(rest), weights(wholes(name)))


@each_method
def test_its_state_goes_through_a_checkpoint_unchanged(name, wholes):
    whole = wholes(name)
    again = trainer(name, whole.out)
    assert again.state.plain()["images"] == TRAIN.images
    assert_same(weights(again), weights(whole))


@each_method
def test_the_same_seed_gives_the_same_weights_with_previews_and_among_labels_too(name, tmp_path, wholes):
    seen = []
    run = trainer(name, tmp_path / "same", labels=True, preview_every_images=16)
    preview = run.method.preview
    run.method.preview = lambda networks, batch, step: seen.append((batch, step, preview(networks, batch, step))) or {}
    run.run()
    assert_same(weights(run), weights(wholes(name)))
    assert len(seen) == 3 and run.batches.at(0).labels is not None
    for batch, step, pictures in seen:
        assert torch.equal(batch.images, seen[0][0].images) and step.draws == seen[0][1].draws
        assert len(batch.images) == step.draws.count == TRAIN.preview_images
        assert all(rows.ndim == 4 and rows.shape[1] == 3 for rows in pictures.values())
        assert all(rows.min() >= 0 and rows.max() <= 1 for rows in pictures.values())


@each_method
def test_another_seed_gives_other_weights(name, tmp_path, wholes):
    run = trainer(name, tmp_path, seed=1)
    run.run(until_images=8)
    first, other = wholes(name).method.networks, run.method.networks
    for network in run.method.optimizers:
        assert not torch.equal(next(first[network].parameters()), next(other[network].parameters()))


@each_method
def test_what_phases_keep_reaches_after_step_without_gradients(name, tmp_path):
    run = trainer(name, tmp_path)
    seen, after = [], run.method.after_step

    def noted(step, kept):
        seen.append((step.number, kept, torch.is_grad_enabled()))
        after(step, kept)

    run.method.after_step = noted
    run.run(until_images=24)
    assert [number for number, _, _ in seen] == [0, 1, 2]
    for number, kept, with_gradients in seen:
        assert list(kept) == [phase.name for phase in run.method.phases if number % phase.every == 0]
        assert not with_gradients
        assert not any(tensor.requires_grad for tensors in kept.values() for tensor in tensors.values())


@each_method
def test_two_ranks_equal_one_rank_with_twice_the_batch(name, two_ranks, wholes):
    first, second = (torch.load(two_ranks / f"{name}-{rank}.pt", weights_only=True) for rank in (0, 1))
    assert_same(first, second)
    torch.testing.assert_close(first, weights(wholes(name)), atol=METHODS[name].tolerance, rtol=0)


def test_keys_reach_the_queue(wholes):
    # Six steps of 8 keys went through a queue of 24: none of its first rows is left, and all are keys.
    method = wholes("contrast").method
    queue, fresh = method.networks["queue"].rows, METHODS["contrast"].make(0).networks["queue"].rows
    assert not any(torch.isclose(queue, row).all(1).any() for row in fresh)
    torch.testing.assert_close(queue.norm(dim=1), torch.ones(24))
