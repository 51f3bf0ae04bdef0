"""Training by the perturbed objective: exact resume about growth, and no alarm before layers can have formed."""

import pytest
import torch
from tiny_perturbed import settings, step_at, trainer
from tiny_training import weights

from genstruct.segmentation.perturbed import PerturbedSegmentation


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = trainer(tmp_path_factory.mktemp("runs") / "whole")
    run.run()
    return weights(run)


@pytest.mark.parametrize("stop", [8, 24, 32, 56])  # between penalties, before, at and after growth
def test_stopping_and_resuming_repeats_the_uninterrupted_run_bit_for_bit(tmp_path, whole, stop):
    assert trainer(tmp_path).run(until_images=stop).images == stop
    rest = trainer(tmp_path)
    assert rest.run().images == 80
    assert_same(whole, weights(rest))


def test_levels_grow_in_when_their_time_has_come(tmp_path):
    run = trainer(tmp_path)
    new = run.method.networks["generator"].foreground.levels["16"].before.convolution.weight
    before = new.detach().clone()
    run.run(until_images=32)
    assert torch.equal(new, before)
    run.run(until_images=48)
    assert not torch.equal(new, before)


def test_masks_that_vanish_fill_or_frame_the_picture_are_a_collapse_once_layers_can_have_formed():
    method = PerturbedSegmentation(settings(minimum_area=0.1))
    healthy = {"mask_area": 0.2, "mask_border": 0.1}
    early, late = step_at(9_000, total=20_000), step_at(15_000, total=20_000)
    for change, reason in (
        ({"mask_area": 0.001}, "masks cover 0.001 of the picture"),
        ({"mask_area": 0.97}, "masks cover 0.970 of the picture"),
        ({"mask_border": 0.8}, "changed places"),
    ):
        assert reason in method.collapse_reason(healthy | change, late)
        assert method.collapse_reason(healthy | change, early) is None
    assert method.collapse_reason(healthy, late) is None
    assert method.collapse_reason({}, late) is None


def test_rates_fall_after_growth_and_over_the_last_third():
    method = PerturbedSegmentation(settings())
    rates = method.config.rates
    factors = [method.lr_multiplier("generator", step_at(images)) for images in (0, 31, 32, 53, 80)]
    assert factors[0] == factors[1] == 1
    assert factors[2] == factors[3] == rates.after_growth
    assert factors[4] == pytest.approx(rates.after_growth * rates.final)
