"""Averaging recovers rotations from claims of which a fifth are nonsense; what has no claims stays."""

import math

import torch

from genstruct.geometry.rotation import from_axis_angle, geodesic_distance, random_rotations
from genstruct.viewpoint.averaging import average_rotations

VIEWS = 60


def claims(rng, wrong):
    """True rotations, a graph of about 10 claims a view, and relative rotations of which a share is random."""
    true = random_rotations(VIEWS, rng)
    one, other = torch.randint(VIEWS, (2, 12 * VIEWS), generator=rng)
    one, other = one[one != other], other[one != other]
    noise = from_axis_angle(math.radians(1) * torch.randn(len(one), 3, generator=rng))
    relative = true[one].mT @ true[other] @ noise
    bad = torch.rand(len(one), generator=rng) < wrong
    return true, one, other, torch.where(bad[:, None, None], random_rotations(len(one), rng), relative)


def errors(found, true):
    """Degrees after the best common rotation of the frame, which no claim tells."""
    gauge = true[:1] @ found[:1].mT
    return geodesic_distance(gauge @ found, true).rad2deg()


def test_rotations_are_recovered_from_claims_of_which_a_fifth_are_wrong():
    rng = torch.Generator().manual_seed(0)
    true, one, other, relative = claims(rng, wrong=0.2)
    start = from_axis_angle(0.35 * torch.randn(VIEWS, 3, generator=rng)) @ true
    found = average_rotations(start, one, other, relative)
    assert errors(start, true).median() > 15
    assert errors(found, true).max() < 3 and errors(found, true).median() < 1.5


def test_exact_claims_are_met_exactly_and_views_without_claims_stay():
    rng = torch.Generator().manual_seed(1)
    true, one, other, relative = claims(rng, wrong=0.0)
    relative = true[one].mT @ true[other]
    alone = random_rotations(1, rng)
    start = torch.cat([from_axis_angle(0.2 * torch.randn(VIEWS, 3, generator=rng)) @ true, alone])
    found = average_rotations(start, one, other, relative)
    off = geodesic_distance(found[one] @ relative, found[other])
    assert off.max() < 2e-3
    torch.testing.assert_close(found[-1:], alone)
