"""The grid of views, and posteriors over it."""

import math

import pytest
import torch

from genstruct.viewpoint.neighbors import Neighbors, default_count, find_neighbors
from genstruct.viewpoint.posterior import balanced_logits, mean_field
from genstruct.viewpoint.views import ViewGrid

GRID = ViewGrid(12, 0.0, 0.4, 3)


def peak(azimuth, elevation=1, grid=GRID):
    q = torch.zeros(1, len(grid))
    q[0, azimuth % grid.azimuths * grid.elevations + elevation] = 1
    return q


def neighbors(rows, mirrored=False):
    index = torch.tensor(rows)
    return Neighbors(index, torch.full(index.shape, mirrored), torch.ones(index.shape))


def test_the_mirror_of_a_view_has_the_negated_azimuth_and_is_its_own_inverse():
    assert (GRID.mirror[GRID.mirror] == torch.arange(len(GRID))).all()
    apart = GRID.azimuth + GRID.azimuth[GRID.mirror]
    torch.testing.assert_close(apart.sin(), torch.zeros(len(GRID)), atol=1e-6, rtol=0)
    torch.testing.assert_close(GRID.elevation, GRID.elevation[GRID.mirror])


def test_smoothing_keeps_the_sum_and_goes_round_the_circle():
    smooth = GRID.smooth(peak(0), math.radians(30))
    assert smooth.sum() == pytest.approx(1, abs=0.2)  # rows sum to 1: elevations at the ends keep more
    table = smooth.view(12, 3)
    torch.testing.assert_close(table[1], table[11])
    assert table[1].sum() > table[2].sum() > table[6].sum()


def test_the_mean_view_lies_between_views_and_across_zero():
    q = (peak(0) + peak(11)) / 2
    azimuth, elevation = GRID.mean_view(q)
    assert azimuth.item() == pytest.approx(math.tau - math.radians(15))
    assert elevation.item() == pytest.approx(0.2)


def test_a_far_second_peak_does_not_pull_the_mean_view():
    azimuth, _ = GRID.mean_view(0.6 * peak(3) + 0.4 * peak(9))
    assert azimuth.item() == pytest.approx(math.pi / 2)


def test_balancing_makes_all_azimuths_equally_frequent():
    energy = torch.rand(500, len(GRID), generator=torch.Generator().manual_seed(0)) + GRID.azimuth / 10
    share = balanced_logits(energy, GRID, 0.2, 30).exp().view(-1, 12, 3).sum(2).mean(0)
    both = (share + share[-torch.arange(12) % 12]) / 2  # a set and its mirror image
    torch.testing.assert_close(both, torch.full((12,), 1 / 12), atol=2e-3, rtol=0)
    plain = balanced_logits(energy, GRID, 0.2, 0).exp()
    torch.testing.assert_close(plain, (-energy / 0.2).softmax(1))


def test_neighbors_decide_between_front_and_back():
    sure, torn = peak(2) * 0.98 + 0.02 / len(GRID), (0.49 * peak(2) + 0.51 * peak(8)) * 0.98 + 0.02 / len(GRID)
    unary = torch.cat([sure, sure, torn]).log()
    q = mean_field(unary, neighbors([[1], [0], [0]]), GRID, 3.0, 10)
    assert q[2].argmax() == peak(2).argmax()
    assert unary[2].argmax() == peak(8).argmax()


def test_a_mirrored_neighbor_speaks_through_the_mirror():
    sure, none = peak(2) * 0.98 + 0.02 / len(GRID), torch.full((1, len(GRID)), 1 / len(GRID))
    q = mean_field(torch.cat([sure, none]).log(), neighbors([[0], [0]], mirrored=True), GRID, 3.0, 10)
    assert q[1].argmax() == peak(-2).argmax()


def test_neighbors_are_those_of_an_exhaustive_search_without_oneself():
    rng = torch.Generator().manual_seed(0)
    plain, mirrored = (torch.nn.functional.normalize(torch.randn(50, 8, generator=rng), dim=1) for _ in "ab")
    found = find_neighbors(plain, plain, mirrored, 5, own=True)
    for number in range(50):
        both = torch.cat([plain, mirrored]) @ plain[number]
        both[[number, number + 50]] = -2
        best = both.topk(5)
        assert (found.index[number] + 50 * found.mirrored[number]).tolist() == best.indices.tolist()
    torch.testing.assert_close(found.weights.sum(1), torch.ones(50))


def test_the_number_of_neighbors_grows_with_the_set_and_never_exceeds_it():
    assert [default_count(n) for n in (1, 5, 100, 3000)] == [1, 4, 10, 60]
