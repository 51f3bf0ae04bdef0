"""Losses of masks: values of masks that can be worked out by hand."""

import math

import pytest
import torch

from genstruct.losses.mask import (
    area,
    binarization,
    border,
    information_leak,
    maximum_area,
    minimum_area,
    total_variation,
)
from genstruct.losses.segmentation import cross_entropy, soft_jaccard

SIZE = 8


def full(value, size=SIZE):
    return torch.full((1, 1, size, size), value)


def left_half():
    mask = full(0.0)
    mask[..., : SIZE // 2] = 1
    return mask


def test_area_is_the_share_of_the_picture():
    masks = torch.cat([full(0.0), full(1.0), left_half(), full(0.25)])
    assert area(masks).tolist() == [0, 1, 0.5, 0.25]


def test_area_hinges_act_outside_their_range_only():
    masks = torch.cat([full(0.0), full(0.25), left_half(), full(1.0)])
    torch.testing.assert_close(minimum_area(masks, 0.3), torch.tensor([0.3, 0.05, 0, 0]))
    torch.testing.assert_close(maximum_area(masks, 0.4), torch.tensor([0, 0, 0.1, 0.6]))


def test_area_hinges_pull_small_masks_up_and_large_ones_down():
    small, large = full(0.1).requires_grad_(), full(0.9).requires_grad_()
    (up,) = torch.autograd.grad(minimum_area(small, 0.3).sum(), small)
    (down,) = torch.autograd.grad(maximum_area(large, 0.6).sum(), large)
    assert (up < 0).all() and (down > 0).all()


def test_binarization_is_zero_for_crisp_masks_and_largest_for_gray_ones():
    masks = torch.cat([left_half(), full(0.5), full(0.1), full(0.9)])
    torch.testing.assert_close(binarization(masks), torch.tensor([0, 0.5, 0.1, 0.1]))


def test_border_is_the_mean_on_the_frame():
    inside, frame = full(0.0), full(1.0)
    inside[..., 2:-2, 2:-2] = 1
    frame[..., 2:-2, 2:-2] = 0
    masks = torch.cat([inside, frame, full(0.5), left_half()])
    torch.testing.assert_close(border(masks, 2), torch.tensor([0, 1, 0.5, 0.5]))
    torch.testing.assert_close(border(inside, 3), torch.tensor([12 / 60]))  # a ring of 12 pixels lies in a frame of 60


def test_total_variation_of_a_straight_edge_is_one_step_in_each_row():
    torch.testing.assert_close(total_variation(left_half()), torch.tensor([1 / (SIZE - 1)]))
    checkers = ((torch.arange(SIZE)[:, None] + torch.arange(SIZE)) % 2).float()[None, None]
    torch.testing.assert_close(total_variation(checkers), torch.tensor([2.0]))
    assert total_variation(full(0.7)).item() == 0


def test_a_leak_is_worst_for_equal_layers_and_least_for_opposite_ones():
    same = torch.rand(1, 3, SIZE, SIZE)
    assert information_leak(same, same, left_half()).item() == 0
    black, white = torch.zeros(1, 3, SIZE, SIZE), torch.ones(1, 3, SIZE, SIZE)
    torch.testing.assert_close(information_leak(black, white, left_half()), torch.tensor([-1.0]))


def test_a_leak_teaches_the_background_under_the_mask_the_object_outside_and_the_mask_nothing():
    background, foreground = (torch.rand(1, 3, SIZE, SIZE).requires_grad_() for _ in range(2))
    mask = left_half().requires_grad_()
    gradients = torch.autograd.grad(
        information_leak(background, foreground, mask).sum(), (background, foreground, mask), allow_unused=True
    )
    assert torch.equal(gradients[0].abs().sum((0, 1)) > 0, mask[0, 0] > 0)
    assert torch.equal(gradients[1].abs().sum((0, 1)) > 0, mask[0, 0] == 0)
    assert gradients[2] is None


# Predicted masks against target masks


def certain(mask):
    return (mask * 2 - 1) * 40


def test_cross_entropy_of_no_knowledge_is_log_two():
    torch.testing.assert_close(cross_entropy(full(0.0), left_half()), torch.tensor([math.log(2)]))
    assert cross_entropy(certain(left_half()), left_half()).item() < 1e-6


def test_cross_entropy_is_least_at_a_soft_target():
    target, logits = full(0.3), full(math.log(0.3 / 0.7)).requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(logits, target).sum(), logits)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-8, rtol=0)


def test_soft_jaccard_of_crisp_masks_is_one_minus_intersection_over_union():
    top = left_half().mT
    half, quarter = SIZE * SIZE / 2, SIZE * SIZE / 4
    value = soft_jaccard(certain(left_half()), top, smooth=0.0)
    torch.testing.assert_close(value, torch.tensor([1 - quarter / (2 * half - quarter)]))
    assert soft_jaccard(certain(top), top).item() == pytest.approx(0, abs=1e-6)
    assert soft_jaccard(certain(full(0.0)), full(0.0)).item() == pytest.approx(0, abs=1e-6)  # nothing, rightly


def test_soft_jaccard_of_an_empty_target_still_has_a_gradient():
    logits = full(1.0).requires_grad_()
    (gradient,) = torch.autograd.grad(soft_jaccard(logits, full(0.0)).sum(), logits)
    assert (gradient > 0).all()
