"""Adversarial objectives and gradient penalties: known values, and the one-pass identity."""

import math
from typing import get_args

import pytest
import torch
from torch import nn

from genstruct.losses.adversarial import (
    Objective,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    reversal,
    zero_centered_penalty,
)

OBJECTIVES = get_args(Objective)


def logits(count=50, spread=2.0, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return (spread * torch.randn(2, count, generator=rng, dtype=torch.float64)).unbind()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_reversal_is_the_ratio_of_the_gradients_of_both_losses(objective):
    real, made = logits()
    made.requires_grad_()
    (of_generator,) = torch.autograd.grad(generator_loss(objective, real, made).sum(), made)
    (of_discriminator,) = torch.autograd.grad(discriminator_loss(objective, real, made).sum(), made)
    torch.testing.assert_close(reversal(objective, real, made.detach()), of_generator / of_discriminator)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("lead", [-80.0, 80.0])
def test_reversal_is_finite_where_one_network_has_won(objective, lead):
    factor = reversal(objective, torch.zeros(1), torch.tensor([lead]))
    assert torch.isfinite(factor).all() and (factor < 0).all()


def test_objectives_have_their_published_values():
    real, made = torch.tensor([2.0]), torch.tensor([-1.0])

    def softplus(x):
        return math.log1p(math.exp(x))

    values = {
        "relativistic": (softplus(-3), softplus(3)),
        "non_saturating": (softplus(-2) + softplus(-1), softplus(1)),
        "wasserstein": (-3.0, 1.0),
    }
    for objective, (discriminator, generator) in values.items():
        assert discriminator_loss(objective, real, made).item() == pytest.approx(discriminator)
        assert generator_loss(objective, real, made).item() == pytest.approx(generator)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_two_networks_pull_a_made_image_in_opposite_directions(objective):
    real, made = logits()
    made.requires_grad_()
    gradients = (
        torch.autograd.grad(f(objective, real, made).sum(), made)[0] for f in (generator_loss, discriminator_loss)
    )
    up, down = gradients
    assert (up < 0).all() and (down > 0).all()


class Plane(nn.Module):
    """Logit = <weight, image> + 3."""

    def __init__(self, norm: float = 1.0) -> None:
        super().__init__()
        weight = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(1))
        self.weight = nn.Parameter(weight * norm / weight.norm())

    def forward(self, images):
        return (images * self.weight).sum((1, 2, 3)) + 3


class Bowl(nn.Module):
    """Logit = half the squared norm of the image, so that the gradient is the image."""

    def forward(self, images):
        return images.square().sum((1, 2, 3)) / 2


def test_the_zero_centered_penalty_of_a_plane_is_its_squared_slope_and_trains_it():
    plane, images = Plane(norm=2.5), torch.rand(3, 3, 4, 4)
    squared, values = zero_centered_penalty(plane, images)
    torch.testing.assert_close(squared, torch.full((3,), 6.25))
    torch.testing.assert_close(values, plane(images))
    (gradient,) = torch.autograd.grad(squared.mean(), plane.weight)
    torch.testing.assert_close(gradient, 2 * plane.weight.detach())


def test_the_zero_centered_penalty_is_taken_at_each_image():
    images = torch.rand(3, 3, 4, 4)
    squared, _ = zero_centered_penalty(Bowl(), images)
    torch.testing.assert_close(squared, images.square().sum((1, 2, 3)))


@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
def test_the_gradient_penalty_of_a_plane_is_the_squared_distance_of_its_slope_from_one(norm):
    real, made, share = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4), torch.tensor([0.3, 0.9])
    value = gradient_penalty(Plane(norm), real, made, share)
    torch.testing.assert_close(value, torch.full((2,), (norm - 1) ** 2), atol=1e-6, rtol=1e-5)


def test_the_gradient_penalty_is_taken_between_made_and_real():
    real, made = torch.rand(3, 3, 4, 4), torch.rand(3, 3, 4, 4)
    share = torch.tensor([0.0, 1.0, 0.25])
    between = torch.stack([made[0], real[1], 0.75 * made[2] + 0.25 * real[2]])
    expected = (between.square().sum((1, 2, 3)).sqrt() - 1).square()
    torch.testing.assert_close(gradient_penalty(Bowl(), real, made, share), expected)


def test_the_gradient_penalty_of_a_flat_discriminator_is_one_and_can_be_differentiated():
    plane = Plane(norm=0.0)
    value = gradient_penalty(plane, torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4), torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(value, torch.ones(2), atol=1e-5, rtol=0)
    (gradient,) = torch.autograd.grad(value.mean(), plane.weight)
    assert torch.isfinite(gradient).all()
