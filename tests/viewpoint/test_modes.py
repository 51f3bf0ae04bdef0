"""The likeliest views of a posterior."""

import math

import torch

from genstruct.viewpoint.modes import candidates
from genstruct.viewpoint.views import ViewGrid

GRID = ViewGrid()


def posterior(*bumps):
    q = torch.zeros(1, len(GRID))
    for azimuth, elevation, probability in bumps:
        q[0, azimuth * GRID.elevations + elevation] += probability
    return GRID.smooth(q, math.radians(6))


def test_front_and_back_are_two_candidates_with_their_shares():
    found = candidates(posterior((4, 2, 0.7), (22, 2, 0.3)), GRID)[0]
    degrees = found[:, :2].rad2deg()
    assert torch.allclose(degrees[0], torch.tensor([40.0, 16.0]), atol=1.0)
    assert torch.allclose(degrees[1], torch.tensor([220.0, 16.0]), atol=1.0)
    assert torch.allclose(found[:2, 2], torch.tensor([0.7, 0.3]), atol=0.03) and not found[2:].any()


def test_neighbouring_views_are_one_candidate_across_azimuth_zero():
    found = candidates(posterior((35, 1, 0.5), (1, 1, 0.5)), GRID)[0]
    assert min(found[0, 0].item(), math.tau - found[0, 0].item()) < 0.01
    assert found[0, 2] > 0.9 and found[1:, 2].max() < 0.1


def test_a_flat_posterior_has_no_sure_candidate():
    assert candidates(torch.full((2, len(GRID)), 1 / len(GRID)), GRID)[..., 2].max() < 0.2
