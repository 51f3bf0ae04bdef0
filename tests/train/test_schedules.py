"""Schedules at the points where their values are known."""

import math

import pytest

from genstruct.train.schedules import (
    SCHEDULES,
    constant,
    cosine,
    ease,
    late,
    linear,
    ramp,
    steps,
    warm_up,
    warm_up_cosine,
)

HALF = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("schedule", "points"),
    [
        (constant, {0: 1, 0.5: 1, 1: 1}),
        (linear, {0: 1, 0.25: 0.75, 1: 0}),
        (lambda x: linear(x, 2.0, 6.0), {0: 2, 0.25: 3, 1: 6}),
        (cosine, {0: 1, 0.25: (1 + HALF) / 2, 0.5: 0.5, 1: 0}),
        (lambda x: cosine(x, last=0.2), {0: 1, 0.5: 0.6, 1: 0.2}),
        (steps, {0: 1, 0.599: 1, 0.6: 0.1, 0.799: 0.1, 0.8: 0.01, 1: 0.01}),
        (lambda x: steps(x, (), 0.5), {0: 1, 1: 1}),
        (warm_up, {0: 0.05, 0.025: 0.55, 0.0475: 1, 1: 1}),
        (lambda x: warm_up(x, 0.1, 0.0), {0: 0, 0.05: 0.5, 0.1: 1}),
        (lambda x: warm_up(x, 0.0), {0: 1, 1: 1}),
        (warm_up_cosine, {0: 0.05, 0.5: 0.5, 1: 0}),
        (lambda x: ramp(x, 0.2, 0.6), {0: 0, 0.2: 0, 0.3: 0.25, 0.6: 1, 1: 1}),
        (lambda x: ramp(x, 0.5, 0.5), {0: 0, 0.5: 0, 0.51: 1}),
        (late, {0: 0, 2 / 3: 0, 5 / 6: 0.5, 1: 1}),
        (lambda x: late(x, 1), {0: 0, 0.5: 0.5, 1: 1}),
        (ease, {0: 0, 0.25: (1 - HALF) / 2, 0.5: 0.5, 1: 1}),
    ],
)
def test_schedules_pass_through_their_known_points(schedule, points):
    assert {x: schedule(float(x)) for x in points} == pytest.approx(points, abs=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_on_a_rate_start_at_one_never_rise_and_stay_in_range(name):
    values = [SCHEDULES[name](i / 100) for i in range(101)]
    assert values[0] == 1 and values == sorted(values, reverse=True) and min(values) >= 0


def test_what_the_methods_had_of_their_own_is_repeated_bit_for_bit():
    # The expressions of the segmentation methods before they shared these functions: training must not change.
    for x in (i / 1013 for i in range(1013)):
        assert warm_up_cosine(x) == min(1.0, 20 * x + 0.05) * (1 + math.cos(math.pi * x)) / 2
        assert linear(late(x), 1.0, 0.25) == 1 + (0.25 - 1) * max(0.0, (x - 2 / 3) * 3)
        assert linear(ease(x), 0.075, 0.0125) == 0.075 + (0.0125 - 0.075) * ((1 - math.cos(math.pi * x)) / 2)
        assert ramp(x, 0.1, 0.7) == min(max((x - 0.1) / max(0.7 - 0.1, 1e-9), 0.0), 1.0)
        assert 1 - ramp(x, 0.0, 0.3) == max(1 - x / 0.3, 0.0)
        assert linear(x) == 1 - x
