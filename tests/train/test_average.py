import pytest
import torch
from tiny_training import trainer
from torch import nn

from genstruct.train.average import averaged_copy, ema_decay, update_average


def test_a_weight_halves_its_share_after_the_half_life():
    average, network = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.ones_(average.weight)
    nn.init.zeros_(network.weight)
    for _ in range(10):
        update_average(average, network, ema_decay(1000.0, 50, images=10**6))
    assert average.weight.item() == pytest.approx(0.5**0.5)  # 500 images of a half-life of 1000
    for _ in range(10):
        update_average(average, network, ema_decay(1000.0, 50, images=10**6))
    assert average.weight.item() == pytest.approx(0.5)


def test_the_average_means_the_same_at_any_batch():
    assert ema_decay(1000.0, 64, 10**6) == pytest.approx(ema_decay(1000.0, 16, 10**6) ** 4)


def test_the_ramp_shortens_the_half_life_early_only():
    assert ema_decay(1000.0, 50, images=2000, ramp=0.05) == pytest.approx(0.5**0.5)  # half-life 100
    assert ema_decay(1000.0, 50, images=10**6, ramp=0.05) == ema_decay(1000.0, 50, 10**6)


def test_no_half_life_keeps_the_latest_weights():
    assert ema_decay(0.0, 50, 1000, ramp=0.05) == 0.0


def test_buffers_are_copied_and_the_copy_is_frozen_in_evaluation_mode():
    network = nn.BatchNorm1d(3)
    average = averaged_copy(network)
    network(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    update_average(average, network, 0.9)
    assert torch.equal(average.running_mean, network.running_mean) and average.num_batches_tracked == 1
    assert not average.training and not any(p.requires_grad for p in average.parameters())


def test_the_trainers_average_is_the_recurrence_over_its_weights(tmp_path):
    run = trainer(tmp_path, images=40)
    expected = run.method.networks["generator"].early.bias.detach().double().clone()
    for images in range(4, 44, 4):
        run.run(until_images=images)
        decay = 0.5 ** (4 / min(16.0, 0.05 * images))
        expected = decay * expected + (1 - decay) * run.method.networks["generator"].early.bias.detach()
    torch.testing.assert_close(run.averaged["generator"].early.bias.double(), expected, atol=1e-6, rtol=0)
