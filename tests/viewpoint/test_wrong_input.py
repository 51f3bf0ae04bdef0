"""What tells masks of other photos, and two categories in one set."""

import math

import pytest
import torch
from rendered import photographed, random_views, wedge

from genstruct.viewpoint.crops import ObjectCrops
from genstruct.viewpoint.division import divide
from genstruct.viewpoint.neighbors import find_neighbors
from genstruct.viewpoint.outlines import outline_support


def test_colours_change_across_a_true_outline_and_anyhow_across_another_photos():
    images, masks, _ = photographed(wedge(), *random_views(40))
    noisy = images + 0.4 * (1 - masks) + 0.05 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    true, other = (outline_support(ObjectCrops(noisy, some, torch.zeros(40, 3))) for some in (masks, masks.roll(1, 0)))
    assert true.median() > 0.75 and other.median() < 0.7 and (true > other).float().mean() > 0.95


@pytest.mark.parametrize("angle", [0.0, 0.7, math.pi / 2])
def test_a_straight_edge_is_wholly_across(angle):
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    mask = torch.sigmoid(math.cos(angle) * (x - 16) + math.sin(angle) * (y - 16))[None, None]
    assert outline_support(ObjectCrops(mask.expand(1, 3, -1, -1), mask, torch.zeros(1, 3))) > 0.99


def circle(count, seed):
    """Descriptors on a circle, as views have them."""
    angle = torch.rand(count, generator=torch.Generator().manual_seed(seed)) * math.tau
    return torch.stack([angle.cos(), angle.sin()], 1)


def divided(features):
    unit = torch.nn.functional.normalize(features, dim=1)
    return divide(find_neighbors(unit, unit, -unit, 8, own=True))


@pytest.mark.parametrize("bridge", [0, 1], ids=["apart", "hardly joined"])
def test_two_groups_are_found_whole(bridge):
    one, other = circle(200, 0), circle(100, 1)
    both = torch.cat([torch.cat([one, 0 * one], 1), torch.cat([0 * other, other], 1)])
    between = (both[:bridge] + both[200 : 200 + bridge]) / 2
    found = divided(torch.cat([both, between]))
    assert found.conductance < 0.01 and found.second[:300].nonzero()[:, 0].tolist() == list(range(200, 300))


def test_one_circle_is_hard_to_cut():
    assert divided(circle(200, 0)).conductance > 0.01
