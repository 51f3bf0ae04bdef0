"""A confidence is the share of right answers, whatever evidence it is made from."""

import pytest
import torch

from genstruct.viewpoint.confidence import confidence, evidence, learn_confidence


def test_the_shares_that_made_the_answers_are_recovered():
    rng = torch.Generator().manual_seed(0)
    found = torch.stack([torch.randn(40_000, generator=rng) * 3, torch.rand(40_000, generator=rng)], 1)
    true = (found @ torch.tensor([0.8, 2.5]) - 1.0).sigmoid()
    right = (torch.rand(40_000, generator=rng) < true).float()
    weights = learn_confidence(found, right, found[:0])
    assert torch.allclose(weights, torch.tensor([0.8, 2.5, -1.0]), atol=0.12)
    assert (confidence(found, weights) - true).abs().max() < 0.02


def test_answers_that_are_all_right_give_a_finite_and_high_confidence():
    found = evidence(torch.linspace(0, 1, 50), torch.ones(50, 30))
    sure = confidence(found, learn_confidence(found, torch.ones(50), found[:0]))
    assert sure.isfinite().all() and sure.min() > 0.9


def test_nonsense_is_unlikely_to_be_right_even_where_all_answers_were():
    found = evidence(torch.full((200,), 0.9), torch.linspace(0.6, 0.9, 200)[:, None])
    nonsense = evidence(torch.full((40,), 0.9), torch.linspace(0.2, 0.35, 40)[:, None])
    weights = learn_confidence(found, torch.ones(200), nonsense)
    assert confidence(found, weights).min() > 0.9 and confidence(nonsense, weights).max() < 0.5


def test_evidence_that_tells_nothing_gives_the_share_that_is_right():
    found = evidence(torch.full((100,), 0.7))
    right = (torch.arange(100) < 70).float()
    assert confidence(found, learn_confidence(found, right, found[:0])).unique().tolist() == [
        pytest.approx(0.7, abs=0.01)
    ]
