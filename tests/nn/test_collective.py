"""Rows of all ranks with gradients, and batch norm over all of them: two ranks find what one finds."""

from pathlib import Path

import pytest
import torch
from collective_on_ranks import results
from processes import on_two_ranks
from torch import nn
from torchvision.models import resnet18

from genstruct.nn.batch_norm import BatchNorm, with_batch_norm
from genstruct.nn.collective import gather, gather_with_gradient, own_rows, sum_over_ranks

SCRIPT = Path(__file__).with_name("collective_on_ranks.py")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What one rank finds, and what each of two ranks finds."""
    out = tmp_path_factory.mktemp("ranks")
    on_two_ranks(SCRIPT, out)
    return results(), *(torch.load(out / f"{rank}.pt", weights_only=True) for rank in (0, 1))


def test_two_ranks_find_the_gradients_and_statistics_of_one(found):
    alone, *ranks = found
    assert sum("gradient" in name for name in alone) == 4 * 2 + 4 + 4 + 4 + 4
    for rank in ranks:
        torch.testing.assert_close(rank, alone, atol=1e-12, rtol=1e-10)  # float64: only the order of sums differs


def test_each_gradient_says_something(found):
    # A bias right before batch norm has no say; everything else must be well above the tolerance of the comparison.
    silent = {
        "flat batch norm: 0.bias gradient",
        *(f"{name}: 0.bias gradient" for name in ("batch norm", "average", "bare")),
    }
    for name, value in found[0].items():
        if name.endswith("gradient") and name not in silent:
            assert value.abs().max() > 1e-4, name


def test_ranks_keep_equal_statistics(found):
    _, first, second = found
    assert all(torch.equal(first[name], second[name]) for name in first if "running" in name)
    assert sum("running" in name for name in first) == 8


def test_alone_nothing_is_exchanged():
    rows = torch.randn(3, 2, requires_grad=True)
    assert gather_with_gradient(rows) is rows and sum_over_ranks(rows) is rows
    assert torch.equal(gather(rows), rows) and not gather(rows).requires_grad
    assert own_rows(3) == slice(0, 3)


@pytest.mark.parametrize(("theirs", "shape"), [(nn.BatchNorm1d, (6, 4)), (nn.BatchNorm2d, (6, 4, 3, 3))])
def test_alone_it_is_the_layer_of_torch(theirs, shape):
    ours, layer = BatchNorm(4), theirs(4)
    ours.load_state_dict(layer.state_dict())
    for mode in (True, False):
        ours.train(mode), layer.train(mode)
        rows = torch.randn(shape)
        assert torch.equal(ours(rows), layer(rows))
    assert all(torch.equal(a, b) for a, b in zip(ours.buffers(), layer.buffers(), strict=True))


def test_a_backbone_from_elsewhere_keeps_its_weights_and_names():
    network = resnet18().eval()
    before, state = network(image := torch.randn(1, 3, 32, 32)), network.state_dict()
    assert with_batch_norm(network) is network
    kinds = [type(module) for module in network.modules()]
    assert nn.BatchNorm2d not in kinds and kinds.count(BatchNorm) == 20
    assert list(network.state_dict()) == list(state) and torch.equal(network(image), before)
    assert isinstance(with_batch_norm(nn.BatchNorm1d(3)), BatchNorm)
