"""Endless shuffled batches addressed by step.

The images of a run form one endless row: a permutation of the whole set, then another, and so on. Step s takes
positions s * batch to (s + 1) * batch - 1 of it, and each rank its share of those. What a step holds is therefore a
function of (seed, step, position) alone: any step can be asked for in any order, by any number of ranks, and a resumed
run sees what the uninterrupted one would have seen.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from genstruct.data.archive import Archive
from genstruct.data.fields import LABELS
from genstruct.data.sample import Sample
from genstruct.errors import ConfigError
from genstruct.pixels import to_unit


class Batches:
    """The rows of one rank.

    Args:
        archive: Where images (and masks, labels and fields, when it has them) come from.
        batch: Rows of the global batch, over all ranks. May exceed the number of images.
        seed: Of the order.
        device: Where samples are delivered.
        rank: Number of this process.
        world: Number of processes; divides `batch`.
        prefetch: Read the next step's rows in a thread while the current step computes. Changes no result.

    Raises:
        ConfigError: A batch that is not positive or that the ranks cannot share equally.
    """

    def __init__(
        self,
        archive: Archive,
        batch: int,
        seed: int,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
        prefetch: bool = True,
    ) -> None:
        if batch < 1 or batch % world:
            raise ConfigError(f"a batch of {batch} cannot be shared by {world} ranks; choose a multiple of {world}")
        self.archive, self.batch, self.seed, self.device = archive, batch, seed, torch.device(device)
        self._count = batch // world
        self._first = rank * self._count
        self._pool = ThreadPoolExecutor(1, "batches") if prefetch else None
        self._next: tuple[int, Future[_Rows]] | None = None

    def at(self, step: int) -> Sample:
        """This rank's rows of `step`, on the device, images in channels-last memory format."""
        rows = self._take(step)
        if self._pool is not None:
            self._next = step + 1, self._pool.submit(self._read, step + 1, self.seed)
        return self._sample(rows)

    def evenly(self, count: int) -> Sample:
        """`count` images spread evenly over the set, the same at every call; some come again where it has fewer."""
        return self._sample(self._rows(np.arange(count) * len(self.archive) // count))

    def reseed(self, seed: int) -> None:
        """Change the order of everything that follows, as after a roll-back."""
        self.seed, self._next = seed, None

    def close(self) -> None:
        """Stop the reading thread. `at` must not be called afterwards."""
        self._next = None
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _take(self, step: int) -> "_Rows":
        expected, self._next = self._next, None
        if expected is not None and expected[0] == step:
            return expected[1].result()
        return self._read(step, self.seed)

    def _read(self, step: int, seed: int) -> "_Rows":
        return self._rows(order(len(self.archive), seed, step * self.batch + self._first, self._count))

    def _rows(self, index: Int[np.ndarray, " batch"]) -> "_Rows":
        masks = None if self.archive.masks is None else self._picked(self.archive.masks, index)
        fields = {name: self._picked(values, index) for name, values in self.archive.fields.items()}
        return _Rows(self._picked(self.archive.images, index), self._pinned(index), masks, fields)

    def _picked(self, values: np.ndarray, index: Int[np.ndarray, " batch"]) -> Tensor:
        # Sorted reads walk the file forwards: fewer seeks where it is not in memory yet.
        sorting = np.argsort(index, kind="stable")
        rows = np.empty((len(index), *values.shape[1:]), values.dtype)
        rows[sorting] = values[index[sorting]]
        return self._pinned(rows)

    def _pinned(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor.pin_memory() if self.device.type == "cuda" else tensor

    def _sample(self, rows: "_Rows") -> Sample:
        fields = {name: values.to(self.device, non_blocking=True) for name, values in rows.fields.items()}
        return Sample(
            to_unit(rows.images, self.device),
            rows.index.to(self.device),
            None if rows.masks is None else to_unit(rows.masks[..., None], self.device),
            fields.pop(LABELS, None),
            fields,
        )

    def __enter__(self) -> "Batches":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class _Rows:
    """Rows of an archive as they are stored."""

    images: UInt8[Tensor, "batch size size 3"]
    index: Int[Tensor, " batch"]
    masks: UInt8[Tensor, "batch size size"] | None
    fields: dict[str, Tensor]


def order(images: int, seed: int, start: int, count: int) -> Int[np.ndarray, " count"]:
    """Image numbers at positions `start` to `start + count - 1` of the endless row.

    Args:
        images: Size of the set.
        seed: Of the shuffling.
        start: First position.
        count: Number of positions.
    """
    positions = np.arange(start, start + count)
    epochs, places = np.divmod(positions, images)
    result = np.empty(count, np.int64)
    for epoch in range(epochs[0], epochs[-1] + 1):  # one or two, but for sets smaller than the batch
        here = epochs == epoch
        result[here] = _permutation(images, seed, epoch)[places[here]]
    return result


@lru_cache(maxsize=4)  # a pure function; a new epoch of a million images takes 0.1 s
def _permutation(images: int, seed: int, epoch: int) -> Int[np.ndarray, " images"]:
    # Raw output of a bit generator is promised to stay the same in all versions of numpy, shuffle() is not.
    keys = np.random.PCG64(np.random.SeedSequence([seed & (2**64 - 1), epoch])).random_raw(images)
    return np.argsort(keys, kind="stable")
