"""Training on several processes started by torchrun; every function does nothing special without torchrun.

No DistributedDataParallel: a phase trains some networks only and lazy penalties differentiate gradients; both are where
DDP raises or averages wrongly (torch issues 47562 and 63812). One flat all-reduce a phase does the same work.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from genstruct.errors import ConfigError
from genstruct.nn.collective import world_size

PATIENCE = timedelta(hours=12)
"""How long ranks wait for each other: rank 0 may label a large set alone. torchrun ends all of them where one dies."""


@dataclass(frozen=True)
class Ranks:
    """Which process this is. `rank` of `world` in all, `local` on this machine."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def main(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """Rows of one rank in a global batch of `batch`; raises ConfigError if the ranks' shares differ."""
        if batch % self.world:
            raise ConfigError(f"batch ({batch}) must be a multiple of the number of processes ({self.world})")
        return batch // self.world


def current() -> Ranks:
    """The place of this process; `Ranks()` outside `joined`."""
    if world_size() == 1:
        return Ranks()
    return Ranks(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_RANK", 0)))


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the processes that torchrun started (gloo on CPUs, NCCL on GPUs) and leave them at the end."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or dist.is_initialized():
        yield current()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield current()
        dist.barrier()  # nobody leaves while another still talks to it
    finally:
        dist.destroy_process_group()


def pick_device(wanted: str = "auto") -> torch.device:
    """The device of this process: "cpu", "cuda" (the GPU of this rank), or "auto" for a GPU if there is one."""
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError("device is cuda, but torch finds no GPU; use device=cpu or auto")
    return torch.device("cuda", current().local % torch.cuda.device_count())


def barrier() -> None:
    """Wait until every rank is here."""
    any_rank(False)  # a message over the CPU: NCCL's barrier would need to be told each rank's GPU


def mean_over_ranks(values: Tensor) -> Tensor:
    """The mean of `values` over ranks, equal on all of them."""
    if current().world == 1:
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values / current().world


def any_rank(flag: bool) -> bool:
    """Whether `flag` is set on any rank. Costs a tiny CPU message, never a GPU synchronisation."""
    if current().world == 1:
        return flag
    message = torch.tensor([int(flag)])
    dist.all_reduce(message, dist.ReduceOp.MAX)
    return bool(message.item())


def share_weights(module: nn.Module) -> None:
    """Give every rank the parameters and buffers of rank 0."""
    if current().world > 1:
        for tensor in module.state_dict().values():
            dist.broadcast(tensor, 0)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over ranks, in one message.

    Parameters without a gradient are skipped. Which ones those are must be equal on all ranks; it is, as long as it
    depends on the step (levels not grown in yet) and not on a rank's rows.
    """
    world = current().world
    gradients = [p.grad for p in parameters if p.grad is not None]
    if world == 1 or not gradients:
        return
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= world
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
