"""Optimisers against their formulas, the rule which parameters decay, and their state in checkpoints."""

from typing import Annotated, Any

import pytest
import torch
from torch import nn

from genstruct.configuration import build, plain
from genstruct.errors import CheckpointError, ConfigError
from genstruct.settings import Choice, settings
from genstruct.train.lars import LARS
from genstruct.train.optimizer_config import OPTIMIZERS, AdamSettings, AdamWSettings, LARSSettings, SGDSettings
from genstruct.train.optimizers import make_optimizer, moments, restore, state_of

KINDS = [
    AdamSettings(lr=0.01, betas=(0.9, 0.99)),
    AdamWSettings(lr=0.01, weight_decay=0.1),
    AdamWSettings(lr=0.01, weight_decay=0.1, exclude_bias_and_norm=True),
    SGDSettings(lr=0.01, momentum=0.0),
    SGDSettings(lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.1, exclude_bias_and_norm=True),
    LARSSettings(lr=0.5, weight_decay=0.1, trust=0.02),
    LARSSettings(lr=0.5, weight_decay=0.1, trust=0.02, exclude_bias_and_norm=False),
]


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2)).double()


def gradients(net, number):
    rng = torch.Generator().manual_seed(number)
    for p in net.parameters():
        p.grad = torch.randn(p.shape, generator=rng, dtype=p.dtype)


def plain_step(kind, w, g, state, number, excluded):
    """One step of a parameter by the formulas of the papers, in float64."""
    decay = 0.0 if excluded else getattr(kind, "weight_decay", 0.0)
    if kind.name in ("adam", "adamw"):
        (b1, b2), (m, v) = kind.betas, state or (0, 0)
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        w = w - kind.lr * decay * w
        return w - kind.lr * m / (1 - b1**number) / ((v / (1 - b2**number)).sqrt() + kind.eps), (m, v)
    q = 1.0
    if kind.name == "lars" and not excluded and w.norm() > 0:
        q = kind.trust * w.norm() / (g.norm() + decay * w.norm())
    descent = q * (g + decay * w)
    velocity = kind.momentum * state + descent if state is not None else descent
    move = descent + kind.momentum * velocity if getattr(kind, "nesterov", False) else velocity
    return w - kind.lr * move, velocity


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_steps_follow_the_formulas(kind):
    net = network()
    optimizer = make_optimizer(net, kind)
    expected = {name: (p.detach().clone(), None) for name, p in net.named_parameters()}
    for number in range(1, 5):
        gradients(net, number)
        for name, p in net.named_parameters():
            excluded = getattr(kind, "exclude_bias_and_norm", False) and p.ndim == 1
            expected[name] = plain_step(kind, *expected[name][:1], p.grad, expected[name][1], number, excluded)
        optimizer.step()
    for name, p in net.named_parameters():
        torch.testing.assert_close(p.detach(), expected[name][0], atol=1e-12, rtol=1e-10)


def test_a_step_of_lars_has_the_length_that_trust_allows_whatever_the_gradient():
    for size in (1e-6, 1.0, 1e6):
        w = nn.Parameter(torch.full((3, 4), 2.0))
        before = w.detach().clone()
        w.grad = torch.full((3, 4), size)
        LARS([w], lr=0.5, trust=0.1).step()
        assert (w - before).norm().item() == pytest.approx(0.5 * 0.1 * before.norm().item(), rel=1e-5)


def test_lars_moves_weights_that_are_zero_and_rests_where_nothing_pulls():
    zero, still = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.ones(3))
    unused = nn.Parameter(torch.ones(3))
    zero.grad, still.grad = torch.ones(3), torch.zeros(3)
    optimizer = LARS([zero, still, unused], lr=0.5, trust=0.1)
    optimizer.step()
    assert torch.equal(zero, torch.full((3,), -0.5)) and torch.equal(still, torch.ones(3))
    assert torch.equal(unused, torch.ones(3)) and unused not in optimizer.state


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_state_goes_through_a_file_and_training_goes_on_bit_for_bit(kind, tmp_path):
    net, other = network(), network()
    optimizer, again = make_optimizer(net, kind), make_optimizer(other, kind)
    for number in range(3):
        gradients(net, number)
        optimizer.step()
    torch.save({"optimizer": state_of(optimizer, kind), "net": net.state_dict()}, tmp_path / "state.pt")
    saved = torch.load(tmp_path / "state.pt", weights_only=True)
    other.load_state_dict(saved["net"])
    restore(again, kind, saved["optimizer"], "net")
    assert len(moments([again])) == len(moments([optimizer]))
    for number in range(3, 6):
        for each, o in ((net, optimizer), (other, again)):
            gradients(each, number)
            o.step()
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_state_of_another_kind_or_grouping_is_refused():
    net = network()
    adam = AdamWSettings()
    saved = state_of(make_optimizer(net, adam), adam)
    with pytest.raises(CheckpointError, match="optimizer of critic is adamw, here it is sgd"):
        restore(make_optimizer(net, SGDSettings()), SGDSettings(), saved, "critic")
    other = AdamWSettings(exclude_bias_and_norm=True)
    with pytest.raises(CheckpointError, match=r"groups of \[6\] parameters, here they are \[2, 4\]"):
        restore(make_optimizer(net, other), other, saved, "critic")
    del saved["name"]  # as earlier versions wrote it
    restore(make_optimizer(net, adam), adam, saved, "critic")


def test_parameters_that_need_no_gradient_are_left_out():
    net = network()
    net[0].requires_grad_(False)
    assert sum(len(group["params"]) for group in make_optimizer(net, SGDSettings()).param_groups) == 4


@settings
class Holder:
    """A section with an optimiser chosen by name."""

    optimizer: Annotated[Any, Choice(OPTIMIZERS)] = AdamSettings()


def test_every_kind_is_chosen_by_its_name():
    assert set(OPTIMIZERS) == {"adam", "adamw", "sgd", "lars"}
    for name in OPTIMIZERS:
        held = build(Holder, {"optimizer": {"name": name, "lr": 0.5}})
        assert (held.optimizer.name, held.optimizer.lr) == (name, 0.5)
        assert build(Holder, plain(held)) == held


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (SGDSettings, {"nesterov": True, "momentum": 0.0}, "nesterov needs a momentum"),
        (SGDSettings, {"momentum": 1.0}, "momentum"),
        (AdamSettings, {"lr": 0.0}, "lr"),
        (AdamSettings, {"betas": (0.9, 1.0)}, "betas"),
        (LARSSettings, {"trust": 0}, "trust"),
    ],
)
def test_values_out_of_bounds_are_refused(kind, given, said):
    with pytest.raises(ConfigError, match=said):
        kind(**given)
