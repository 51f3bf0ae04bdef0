"""Which edges are kept, and how sure views are, on edges written down by hand."""

import math

import pytest
import torch

from genstruct.viewpoint.edges import Edges
from genstruct.viewpoint.selection import SOFTNESS, STRONGEST, agreement, confidence, likeness, strongest


def edges(rows):
    """(start, end, similarity, agrees)."""
    start, end, similarity, agrees = (torch.tensor(column) for column in zip(*rows, strict=True))
    nothing = torch.zeros(len(rows))
    return Edges(start, end, nothing.bool(), nothing, similarity, agrees)


def test_agreement_is_a_share_weighted_by_similarity():
    found = edges([(0, 1, 0.9, True), (0, 2, 0.9 - SOFTNESS, False), (1, 3, 0.2, True)])
    share = 1 / (1 + math.exp(-1))
    assert agreement(found, 5).tolist() == pytest.approx([share, 1, 0, 1, 0])


def test_likeness_is_the_mean_of_the_strongest_claims_at_both_ends():
    rows = [(0, other, 0.5 + other / 100, other % 2 == 0) for other in range(1, STRONGEST + 4)]
    near = likeness(edges(rows), STRONGEST + 5)
    best = sorted((row[2] for row in rows), reverse=True)[:STRONGEST]
    assert near[0].item() == pytest.approx(sum(best) / STRONGEST)
    assert near[3].item() == pytest.approx(0.53) and near[-1] == 0


def test_confidence_falls_with_what_disagrees_and_for_images_like_no_other():
    found = edges([(0, 1, 0.9, True), (2, 3, 0.9, False), (4, 5, 0.4, True)])
    assert confidence(found, 7).tolist() == pytest.approx([0.9, 0.9, 0, 0, 0.4, 0.4, 0])


def test_kept_edges_are_verified_and_strong_for_their_own_images():
    among = [(one, other, 0.95 if one == 0 else 0.8, True) for one in range(6) for other in range(one + 1, 6)]
    found = edges([*among, (6, 7, 0.6, True), (8, 9, 0.99, False)])
    kept = [(int(found.start[row]), int(found.end[row])) for row in strongest(found, 10, 1)]
    # Ten in all: the five of .95, and the edge between images that are like no other before ten of .8.
    assert {(0, other) for other in range(1, 6)} <= set(kept) and (6, 7) in kept and (8, 9) not in kept
    assert len(kept) == 10


def test_no_edges_are_no_reason_to_fail():
    none = edges([(0, 1, 0.5, True)])[torch.zeros(1, dtype=torch.bool)]
    assert strongest(none, 3, 10).tolist() == [] and confidence(none, 3).tolist() == [0, 0, 0]
