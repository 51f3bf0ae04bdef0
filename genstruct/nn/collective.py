"""What the ranks of a training exchange inside a computation: sums and rows of all of them, with gradients.

It lies this low because layers (batch statistics) and losses (all rows of a batch against each other) need it; starting
and ending processes, and what the trainer exchanges, is in `genstruct.train.distributed`. Without torchrun every
function does nothing. All ranks must call these in the same order, so never in a preview, which rank 0 makes alone.

**Gradients.** The trainer averages gradients over ranks, so what is minimised is the mean of the ranks' losses. A value
that ranks share acts on all of their losses: its gradient is the *sum* over ranks of what each finds for it.
That is right both where each rank's loss is a mean over its own rows (contrast against the rows of all) and where all
compute one loss of all rows (a correlation matrix of the batch).
"""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.autograd import Function


def world_size() -> int:
    """The number of ranks; 1 without torchrun."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process among the ranks."""
    return dist.get_rank() if world_size() > 1 else 0


def sum_over_ranks(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The sum of `values` over ranks, equal on all of them; differentiable as often as wanted."""
    return values if world_size() == 1 else _Sum.apply(values)


def gather_with_gradient(rows: Float[Tensor, "batch *rest"]) -> Float[Tensor, "all *rest"]:
    """The rows of all ranks in the order of the global batch; each rank has as many.

    Gradients flow back to the rank that a row came from, from the losses of all ranks. This rank's rows are
    `own_rows(len(rows))` of the result.
    """
    return rows if world_size() == 1 else _Gather.apply(rows)


@torch.no_grad()
def gather(rows: Shaped[Tensor, "batch *rest"]) -> Shaped[Tensor, "all *rest"]:
    """The rows of all ranks in the order of the global batch, of any type, without gradients: for queues."""
    return rows.detach() if world_size() == 1 else _gathered(rows.detach())


def own_rows(count: int) -> slice:
    """Which rows of a gathered tensor are this rank's, where each rank has `count`."""
    return slice(rank() * count, (rank() + 1) * count)


class _Sum(Function):
    """All-reduce; its gradient is an all-reduce of the same kind."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.apply(gradients[0])


class _Gather(Function):
    """All-gather; the gradient of a row is the sum of those that all ranks have for it."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.rows = len(rows)
        return _gathered(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return sum_over_ranks(gradients[0])[own_rows(ctx.rows)]


def _gathered(rows: Tensor) -> Tensor:
    parts = [torch.empty_like(rows, memory_format=torch.contiguous_format) for _ in range(world_size())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)
