"""Bytes and floats of pictures, and the resize."""

import numpy as np
import pytest
import torch

from genstruct.pixels import resized, to_bytes, to_unit


@pytest.mark.parametrize("shape", [(4, 5, 3), (2, 4, 5, 1)])
def test_bytes_survive_the_way_to_floats_and_back(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    floats = to_unit(pixels)
    assert floats.shape == (*shape[:-3], shape[-1], *shape[-3:-1])
    assert floats.min() >= 0 and floats.max() <= 1
    assert (to_bytes(floats) == pixels).all()


def test_read_only_bytes_are_taken_and_tensors_too():
    pixels = np.full((2, 2, 3), 51, np.uint8)
    pixels.flags.writeable = False
    assert to_unit(pixels).eq(51 / 255).all()
    assert to_unit(torch.from_numpy(pixels.copy())).eq(to_unit(pixels)).all()


def test_values_outside_are_clipped_and_halves_rounded():
    values = torch.tensor([-1.0, 0.0, 0.4 / 255, 0.6 / 255, 1.0, 2.0])[None, None]
    assert to_bytes(values)[0, :, 0].tolist() == [0, 0, 0, 1, 255, 255]


def test_shrinking_averages_and_an_equal_size_is_the_same_tensor():
    stripes = torch.tensor([0.0, 1.0]).repeat(32).expand(1, 1, 64, 64)
    assert (resized(stripes, (8, 8))[..., 1:-1] - 0.5).abs().max() < 1e-6
    assert resized(stripes, (64, 64)) is stripes
