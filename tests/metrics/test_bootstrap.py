"""Intervals cover what they should, repeat, and know about groups."""

import numpy as np
import pytest

from genstruct.metrics import bootstrap
from genstruct.metrics.bootstrap import interval, resampled_ratios


def test_the_interval_of_a_mean_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        values = rng.normal(0.7, 0.2, (60, 1))
        low, high = interval(resampled_ratios(values, np.ones_like(values), 400, seed=trial)[:, 0])
        covered += low <= 0.7 <= high
    # 95 % nominal; percentile intervals of 60 values reach about 94 %. Binomial deviation over 300 trials is 1.4 %.
    assert 0.89 <= covered / 300 <= 0.985


def test_the_spread_of_resampled_means_is_the_standard_error():
    values = np.random.default_rng(1).normal(size=(200, 1))
    draws = resampled_ratios(values, np.ones_like(values), 4000)
    assert draws.std() == pytest.approx(values.std() / np.sqrt(200), rel=0.05)
    assert draws.mean() == pytest.approx(values.mean(), abs=0.01)


def test_pooled_ratios_are_resampled_as_ratios_of_sums():
    tops, bottoms = np.array([[1.0], [30.0]]), np.array([[2.0], [40.0]])
    draws = set(resampled_ratios(tops, bottoms, 200)[:, 0].round(6))
    assert draws == {0.5, round(31 / 42, 6), 0.75}


def test_images_of_one_group_are_drawn_together():
    values = np.array([[0.0], [0.0], [1.0], [1.0]])
    draws = resampled_ratios(values, np.ones_like(values), 300, groups=np.array([5, 5, 9, 9]))
    assert set(draws[:, 0]) == {0.0, 0.5, 1.0}


def test_a_seed_repeats_whatever_the_chunks(monkeypatch):
    values = np.random.default_rng(2).random((50, 2))
    whole = resampled_ratios(values, np.ones_like(values), 101, seed=3)
    monkeypatch.setattr(bootstrap, "CHUNK", 500)
    np.testing.assert_allclose(whole, resampled_ratios(values, np.ones_like(values), 101, seed=3))
    assert not np.allclose(whole, resampled_ratios(values, np.ones_like(values), 101, seed=4))
