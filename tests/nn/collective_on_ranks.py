"""Losses over all rows of a batch, and batch norm, as one of several ranks; gradients are averaged as the trainer does.

Run as a script: `python collective_on_ranks.py OUT` writes what this rank found to OUT/<rank>.pt.
"""

import os
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from genstruct.nn.batch_norm import BatchNorm
from genstruct.nn.collective import gather, gather_with_gradient, own_rows, sum_over_ranks
from genstruct.train.distributed import average_gradients, current, joined

ROWS = 8


def whole_batch(*shape):
    return torch.randn(ROWS, *shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def mine(rows):
    local = ROWS // current().world
    return rows[current().rank * local : (current().rank + 1) * local]


def contrast(features):
    """Own rows against the rows of all ranks: a mean over own rows."""
    every = gather_with_gradient(features)
    numbers = torch.arange(len(every))[own_rows(len(features))]
    return F.cross_entropy(features @ every.T + 0.1 * features.sum(1, keepdim=True), numbers)


def correlation(features):
    """One loss of all rows, the same on all ranks."""
    every = gather_with_gradient(features)
    return (every.T @ every / len(every) - torch.eye(features.shape[1])).square().sum()


def spread(features):
    """One loss of a sum over ranks."""
    return (sum_over_ranks(features.square().sum(0)) / ROWS).log().square().sum()


def slope(features):
    """A gradient of a gradient through a sum over ranks; the inner one is of the sum of the ranks' losses."""
    (gradient,) = torch.autograd.grad(spread(features), features, create_graph=True)
    return sum_over_ranks((gradient / current().world).square().sum())


def normalized(layers):
    """Through batch norm: a loss that does not forget scale and place, as its sum would."""

    def loss(rows):
        weights = torch.linspace(-1, 1, ROWS, dtype=rows.dtype)
        out = layers(rows).flatten(1).tanh().sum(1)
        return (out * mine(weights)).square().mean()

    return loss


def seeded(network):
    """The network with weights and biases that are not at their special first values."""
    rng = torch.Generator().manual_seed(5)
    for p in network.parameters():
        p.data = torch.randn(p.shape, generator=rng, dtype=torch.float64)
    return network.double()


def cases():
    """Name -> (network, loss of its output, rows)."""
    losses = (contrast, correlation, spread, slope)
    found = {loss.__name__: (seeded(nn.Linear(5, 4)), loss, whole_batch(5)) for loss in losses}
    flat = seeded(nn.Sequential(nn.Linear(5, 4), BatchNorm(4)))
    images = seeded(
        nn.Sequential(nn.Conv2d(3, 4, 3), BatchNorm(4, momentum=0.3), nn.SiLU(), BatchNorm(4, affine=False))
    )
    average = seeded(nn.Sequential(nn.Conv2d(3, 4, 3), BatchNorm(4, momentum=None)))
    bare = seeded(nn.Sequential(nn.Conv2d(3, 4, 3), BatchNorm(4, track_running_stats=False)))
    for name, net in (("batch norm", images), ("average", average), ("bare", bare)):
        found[name] = (net, normalized(nn.Identity()), 5 + whole_batch(3, 6, 6))
    found["flat batch norm"] = (flat, normalized(nn.Identity()), whole_batch(5))
    return found


def results():
    """Every loss, averaged gradient and buffer, by name."""
    found = {"gathered": gather(mine(torch.arange(ROWS)))}
    for name, (network, loss, rows) in cases().items():
        network(mine(rows))  # a first time, for the running statistics
        value = loss(network(mine(rows)))
        value.backward()
        average_gradients(network.parameters())
        found |= {f"{name}: {key} gradient": p.grad for key, p in network.named_parameters()}
        found |= {f"{name}: {key}": b.clone() for key, b in network.named_buffers()}
        found[f"{name}: evaluated"] = gather(network.eval()(mine(rows)).detach())
    return found


if __name__ == "__main__":
    with joined() as ranks:
        torch.save(results(), Path(sys.argv[1]) / f"{ranks.rank}.pt")
    os._exit(0)  # all is done; threads of gloo now and then abort the interpreter's own exit (torch)
