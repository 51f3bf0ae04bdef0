"""A compressed bank answers as the full descriptors do, and its views come back as they went in."""

import math

import pytest
import torch
from known import GRID, seen, views
from rendered import random_views

from genstruct.viewpoint.bank import Bank, principal, spread
from genstruct.viewpoint.descriptors import describe_both
from genstruct.viewpoint.neighbors import find_neighbors


@pytest.fixture(scope="module")
def known():
    azimuth, elevation = random_views(60)
    crops = seen(azimuth, elevation)
    plain, mirrored = describe_both(crops.images, crops.masks)
    known = views(azimuth, elevation)
    return plain, mirrored, Bank.of(plain, mirrored, known.candidates, known.shape)


def test_all_directions_give_the_neighbours_of_full_descriptors(known):
    plain, mirrored, bank = known
    photos = seen(*random_views(20, 1))
    ours = bank.neighbors(*describe_both(photos.images, photos.masks))
    asked, _ = describe_both(photos.images, photos.masks)
    full = find_neighbors(asked, plain, mirrored, 10, own=False)
    # 120 directions hold 60 photos and their mirror images entirely, so nothing is lost
    assert torch.allclose(ours.similarity, full.similarity, atol=1e-4)
    assert (ours.index[:, 0] == full.index[:, 0]).all() and (ours.mirrored[:, 0] == full.mirrored[:, 0]).all()


def test_a_known_photo_is_not_its_own_neighbour_in_any_chunk(known):
    plain, mirrored, bank = known
    for first in (0, 25):
        near = bank.neighbors(plain[first : first + 20], mirrored[first : first + 20], first)
        assert (near.index != torch.arange(first, first + 20)[:, None]).all()
    assert bank.neighbors(plain, mirrored).index[:, 0].tolist() == list(range(60))


def test_principal_directions_hold_what_varies():
    rng = torch.Generator().manual_seed(0)
    scales = torch.tensor([30.0, 10, 3, *[0.1] * 20])
    rows = torch.randn(400, 23, generator=rng) * scales
    basis = principal(rows, 3)
    assert torch.allclose(basis.mT @ basis, torch.eye(3), atol=1e-5)
    assert basis[:3].square().sum() > 2.999


def test_spread_posteriors_have_the_mean_and_the_probabilities_of_their_candidates():
    step = math.tau / GRID.azimuths
    pair = torch.tensor([[[2.25 * step, 0.125, 0.6], [14 * step, 0.5, 0.2], [0, 0, 0]]])
    table = spread(pair, GRID).unflatten(1, (GRID.azimuths, GRID.elevations))[0]
    assert table.sum() == pytest.approx(1)
    assert table[14, 2] == pytest.approx(0.25)  # of what there is, 0.2 of 0.8
    assert table[2:4].sum() == pytest.approx(0.75)
    assert (table[3].sum() / table[2:4].sum()).item() == pytest.approx(0.25, abs=1e-5)
    assert (table[2:4, 1].sum() / table[2:4].sum()).item() == pytest.approx(0.5, abs=1e-5)


def test_the_last_bin_is_beside_the_first_and_elevations_beyond_the_grid_are_its_ends():
    step = math.tau / GRID.azimuths
    table = spread(torch.tensor([[[23.5 * step, 2.0, 1.0]]]), GRID).unflatten(1, (24, 3))[0]
    assert table[23, 2] == pytest.approx(0.5, abs=1e-4) and table[0, 2] == pytest.approx(0.5, abs=1e-4)


def test_without_candidates_every_view_is_as_likely():
    assert spread(torch.zeros(1, 4, 3), GRID).unique().tolist() == [pytest.approx(1 / 72)]
