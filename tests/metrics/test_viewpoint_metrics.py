"""Errors of viewpoints do not depend on the frame in which they were found."""

import math

import pytest
import torch

from genstruct.geometry.camera import Camera
from genstruct.geometry.rotation import about_y, random_rotations
from genstruct.metrics.viewpoint import score_views

RNG = torch.Generator().manual_seed(0)
AZIMUTH, ELEVATION = torch.rand(400, generator=RNG) * math.tau, torch.rand(400, generator=RNG) * 0.5


def views(azimuth, elevation):
    return Camera.orbit(azimuth, elevation, 2.0, 1.0, (4, 4)).rotation


TRUE = views(AZIMUTH, ELEVATION)


@pytest.mark.parametrize("gauge", [about_y(torch.tensor(2.0)), random_rotations(1, RNG)[0]])
def test_any_common_turn_of_the_object_frame_costs_nothing(gauge):
    scores = score_views(TRUE @ gauge, TRUE)
    assert scores.median < 0.1 and scores.within(1) == 1 and not scores.mirrored
    torch.testing.assert_close(scores.gauge, gauge, atol=1e-3, rtol=0)


def test_a_mirrored_set_is_told():
    scores = score_views(views(-AZIMUTH, ELEVATION), TRUE)
    assert scores.mirrored and scores.median < 0.1


def test_flips_and_small_errors_are_counted_as_such():
    scored = torch.arange(400) % 2 == 1
    flipped, off = torch.arange(400) % 8 == 1, torch.arange(400) % 8 == 3
    azimuth = AZIMUTH + math.pi * flipped + math.radians(20) * off
    scores = score_views(views(azimuth, ELEVATION), views(AZIMUTH, ELEVATION), ~scored)
    assert scores.flips == pytest.approx(0.25, abs=0.01) and scores.within(1) == pytest.approx(0.5)
    assert scores.within(25) == pytest.approx(0.75)


def test_views_by_chance_are_as_wrong_as_chance():
    shuffled = TRUE[torch.randperm(400, generator=RNG)]
    assert 60 < score_views(shuffled, TRUE).median < 120
