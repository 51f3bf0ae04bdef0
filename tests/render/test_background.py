"""Backgrounds that move with the viewpoint."""

import math

import jaxtyping
import pytest
import torch
from scenes import random

from genstruct.errors import ShapeError
from genstruct.geometry.camera import Camera
from genstruct.render.background import crop_background


def cameras(azimuth, elevation=0.0):
    return Camera.orbit(azimuth, elevation, 3.0, 50.0, (4, 4))


def column_numbers():
    return torch.arange(12.0).expand(1, 1, 12, 12).contiguous()


@pytest.mark.parametrize(
    ("azimuth", "first"), [(0.0, 4), (math.pi / 2, 0), (-math.pi / 2, 8), (math.pi / 4, 2), (3.0, 0)]
)
def test_going_round_to_the_right_shows_more_of_the_left(azimuth, first):
    crop = crop_background(column_numbers(), cameras(azimuth), (4, 4))
    torch.testing.assert_close(crop[0, 0, 0], torch.arange(4.0) + first, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("elevation", "first"), [(0.0, 4), (math.pi / 3, 8), (-math.pi / 3, 0)])
def test_rising_shows_more_of_the_ground(elevation, first):
    crop = crop_background(column_numbers().mT.contiguous(), cameras(0.0, elevation), (4, 4))
    torch.testing.assert_close(crop[0, 0, :, 0], torch.arange(4.0) + first, atol=1e-4, rtol=0)


def test_gradients_reach_the_viewpoint():
    azimuth = torch.tensor([0.2], requires_grad=True)
    crop_background(column_numbers(), cameras(azimuth), (4, 4)).mean().backward()
    assert azimuth.grad.item() == pytest.approx(-4 / (math.pi / 2), rel=1e-3)  # 4 columns in a quarter turn


def test_half_precision_does_not_round_the_window():
    image = random(1, 3, 40, 300)
    crop = crop_background(image.bfloat16(), cameras(0.37), (8, 8))
    torch.testing.assert_close(crop, crop_background(image.bfloat16().float(), cameras(0.37), (8, 8)))


@pytest.mark.parametrize(
    ("image", "size", "words"),
    [
        (torch.zeros(3, 9, 9), (4, 4), r"background must be \[batch, channels, height, width\]"),
        (torch.zeros(1, 3, 9, 9).byte(), (4, 4), "background must be floating point"),
        (torch.zeros(1, 3, 9, 9, device="meta"), (4, 4), "background on meta"),
        (torch.zeros(1, 3, 9, 9), (4, 0), "size must be"),
        (torch.zeros(2, 3, 9, 9), (4, 4), "1 or 1 items like the cameras"),
    ],
)
def test_backgrounds_that_do_not_fit_are_refused(image, size, words, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ShapeError, match=words):
        crop_background(image, cameras(0.0), size)


def test_a_picture_too_small_is_refused():
    with pytest.raises(ShapeError, match=r"at least \[4, 4\]"):
        crop_background(torch.zeros(1, 3, 3, 9), cameras(0.0), (4, 4))
