"""Randomness with an address: every draw is a function of (seed, step, use, position in the global batch).

Nothing about random state is ever saved, so a resumed run repeats the original because it cannot do otherwise, and two
ranks with half the batch each see what one rank with the whole batch sees: each draws for the global batch and keeps
its own rows. (The design note proposed a generator per rank; rows of a global draw make ranks interchangeable.)
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


def generator_for(*address: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A random stream that depends on its address only.

    Args:
        address: Whatever names the stream, for example `(seed, step, "latents")`.
        device: Where the stream draws. Streams of the same address differ between device types.
    """
    digest = hashlib.blake2s("/".join(map(str, address)).encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:7], "big"))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """First weights made in the block depend on `seed` alone; torch's own stream is as before afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@dataclass(frozen=True)
class Draws:
    """The random draws of one step, for this rank's rows of the global batch.

    Args:
        seed: Of the run (changed after a roll-back).
        step: Number of the step.
        first: Position of this rank's first row in the global batch.
        count: Rows of this rank.
        total: Rows of the global batch, over all ranks.
        device: Where the draws are made.
    """

    seed: int
    step: int
    first: int
    count: int
    total: int
    device: torch.device | str = "cpu"

    def normal(self, use: str, *shape: int) -> Float[Tensor, "batch ..."]:
        """Standard normal values `[count, *shape]`; `use` names what they are for."""
        values = torch.randn(self.total, *shape, generator=self._stream(use), device=self.device)
        return values[self.first : self.first + self.count]

    def uniform(self, use: str, *shape: int, low: float = 0.0, high: float = 1.0) -> Float[Tensor, "batch ..."]:
        """Uniform values in `[low, high)`, `[count, *shape]`; `use` names what they are for."""
        values = torch.rand(self.total, *shape, generator=self._stream(use), device=self.device)
        return low + (high - low) * values[self.first : self.first + self.count]

    def integers(self, use: str, *shape: int, low: int, high: int) -> Int[Tensor, "batch ..."]:
        """Uniform integers in `[low, high)`, `[count, *shape]`; `use` names what they are for."""
        values = torch.randint(low, high, (self.total, *shape), generator=self._stream(use), device=self.device)
        return values[self.first : self.first + self.count]

    def shared(self, use: str) -> float:
        """One value in `[0, 1)` for the whole global batch, equal on all ranks; drawn on the host, without a sync."""
        return torch.rand((), generator=generator_for(self.seed, self.step, use)).item()

    def _stream(self, use: str) -> torch.Generator:
        return generator_for(self.seed, self.step, use, device=self.device)
