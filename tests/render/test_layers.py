"""Layers: known answers, exact gradients, and the two shifts agree."""

import jaxtyping
import pytest
import torch

from genstruct.errors import ShapeError
from genstruct.render.layers import Layer, affine, composite, shift, shift_whole

FILLS = ("zero", "replicate")


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(batch=2, channels=3, height=5, width=7, dtype=torch.float64, seed=0):
    return torch.rand(batch, channels, height, width, generator=stream(seed), dtype=dtype)


def checkable(*tensors):
    return [tensor.clone().requires_grad_() for tensor in tensors]


# Compositing


def test_an_empty_stack_leaves_the_background():
    background = pictures()
    assert composite(background, []) is background


@pytest.mark.parametrize(("alpha", "wins"), [(0.0, 0), (1.0, 1)])
def test_empty_layers_are_invisible_and_full_ones_hide_what_is_below(alpha, wins):
    background, colour = pictures(seed=1), pictures(seed=2)
    picture = composite(background, [Layer(colour, torch.full_like(colour[:, :1], alpha))])
    torch.testing.assert_close(picture, (background, colour)[wins])


def test_two_layers_follow_the_over_operator():
    background, first, second = (torch.full((1, 3, 1, 1), value) for value in (0.2, 0.6, 1.0))
    half, quarter = torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), 0.25)
    picture = composite(background, [Layer(first, half), Layer(second, quarter)])
    # 0.2 and 0.6 by halves make 0.4; a quarter of 1.0 over it makes 0.25 + 0.75 * 0.4.
    torch.testing.assert_close(picture, torch.full((1, 3, 1, 1), 0.55))
    other = composite(background, [Layer(second, quarter), Layer(first, half)])
    torch.testing.assert_close(other, torch.full((1, 3, 1, 1), 0.5))  # order matters


def test_a_composite_of_values_in_range_stays_in_range():
    layers = [Layer(pictures(seed=n), pictures(channels=1, seed=n + 9)) for n in range(3)]
    picture = composite(pictures(seed=8), layers)
    assert picture.min() >= 0 and picture.max() <= 1


def test_composite_has_exact_gradients():
    background, colour, alpha = checkable(pictures(), pictures(seed=1), pictures(channels=1, seed=2))
    assert torch.autograd.gradcheck(lambda b, c, a: composite(b, [Layer(c, a)]), (background, colour, alpha))


# Moving


@pytest.mark.parametrize("fill", FILLS)
def test_shift_has_exact_gradients_in_picture_and_offset(fill):
    # Away from whole offsets, where bilinear interpolation has a kink.
    offset = torch.tensor([[0.3, -1.4], [2.6, 0.7]], dtype=torch.float64)
    layer, offset = checkable(pictures(), offset)
    assert torch.autograd.gradcheck(lambda x, o: shift(x, o, fill), (layer, offset))


@pytest.mark.parametrize("fill", FILLS)
def test_affine_has_exact_gradients_in_picture_offset_and_scale(fill):
    offset = torch.tensor([[0.3, -0.4], [1.6, 0.7]], dtype=torch.float64)
    scale = torch.tensor([1.17, 1.43], dtype=torch.float64)
    layer, offset, scale = checkable(pictures(), offset, scale)
    assert torch.autograd.gradcheck(lambda x, o, s: affine(x, o, s, fill), (layer, offset, scale))


@pytest.mark.parametrize("fill", FILLS)
def test_whole_offsets_move_pixels_alike_with_and_without_interpolation(fill):
    offsets = [[x, y] for x in (-9, -3, 0, 2, 7) for y in (-6, -1, 0, 4)]  # some beyond the frame of 5 x 7
    layer = pictures(batch=len(offsets))
    offset = torch.tensor(offsets, dtype=torch.float64)
    torch.testing.assert_close(shift(layer, offset, fill), shift_whole(layer, offset, fill), atol=1e-12, rtol=0)


def test_a_whole_shift_is_a_slice():
    layer = pictures()
    moved = shift_whole(layer, torch.tensor([[2, 1], [-3, 0]]))
    assert torch.equal(moved[0, :, 1:, 2:], layer[0, :, :-1, :-2])  # right and down
    assert not moved[0, :, :1].any() and not moved[0, :, :, :2].any()
    assert torch.equal(moved[1, :, :, :-3], layer[1, :, :, 3:])  # left
    kept = shift_whole(layer, torch.tensor([[2, 1], [-3, 0]]), "replicate")
    assert torch.equal(kept[1, :, :, -3:], layer[1, :, :, -1:].expand(-1, -1, 3))  # the border repeats


def test_a_whole_shift_keeps_the_kind_of_number():
    layer = torch.arange(12, dtype=torch.uint8).view(1, 1, 3, 4)
    moved = shift_whole(layer, torch.tensor([[1.0, 0.0]]))
    assert moved.dtype == torch.uint8
    assert moved[0, 0].tolist() == [[0, 0, 1, 2], [0, 4, 5, 6], [0, 8, 9, 10]]


def test_half_a_pixel_averages_neighbours():
    layer = torch.tensor([0.0, 1.0, 0.0, 0.0]).view(1, 1, 1, 4)
    torch.testing.assert_close(shift(layer, torch.tensor([[0.5, 0.0]])).flatten(), torch.tensor([0.0, 0.5, 0.5, 0.0]))


@pytest.mark.parametrize("fill", FILLS)
def test_each_picture_moves_by_its_own_offset(fill):
    layer, offset = pictures(batch=3), torch.tensor([[1.5, 0.0], [0.0, -2.25], [3.0, 1.0]], dtype=torch.float64)
    together = shift(layer, offset, fill)
    for n in range(3):
        torch.testing.assert_close(together[n : n + 1], shift(layer[n : n + 1], offset[n : n + 1], fill))


def test_doubling_spreads_the_centre_over_the_whole_picture():
    layer = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    layer[..., 1:3, 1:3] = 1
    grown = affine(layer, torch.zeros(1, 2, dtype=torch.float64), torch.tensor([2.0], dtype=torch.float64))
    # The first pixel looks up 0.25 + 0.5 pixels from the left edge, a quarter of the way from a 1 to a 0.
    profile = torch.tensor([0.75, 1.0, 1.0, 0.75], dtype=torch.float64)
    torch.testing.assert_close(grown[0, 0], profile[:, None] * profile)


def test_a_filled_picture_stays_filled_and_an_unfilled_one_does_not():
    layer, offset = torch.ones(1, 1, 4, 4), torch.tensor([[1.5, -1.0]])
    torch.testing.assert_close(shift(layer, offset, "replicate"), layer)
    assert shift(layer, offset, "zero").sum() == pytest.approx(2.5 * 3)


def test_offsets_that_do_not_belong_to_the_pictures_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    with pytest.raises(ShapeError, match=r"offset must be \[2, 2\]"):
        affine(pictures(), torch.zeros(3, 2, dtype=torch.float64), torch.ones(2, dtype=torch.float64))
