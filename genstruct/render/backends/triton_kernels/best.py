"""The highest value and, of equals, the lowest number at each place, whatever order lanes come in.

In float32 one 64-bit minimum does it: (all ones - bits of the value) << 32 | number. In float64 the value takes all
bits: a first pass (PASS 1) finds the highest, a second one (PASS 2) the lowest number that has it. Values must be at
least 0: their bits grow as they do.
"""

import torch
import triton.language as tl
from torch import Tensor

from genstruct.render.backends.triton_kernels.launch import kernel


def passes(dtype: torch.dtype) -> tuple[int, ...]:
    """The passes to make over values of this type."""
    return (0,) if dtype == torch.float32 else (1, 2)


def empty(shape: tuple[int, ...], like: Tensor) -> tuple[Tensor, Tensor]:
    """(keys, numbers) to start from; numbers are used in float64 only."""
    keys = torch.full(shape, (1 << 63) - 1, dtype=torch.int64, device=like.device)
    if like.dtype == torch.float32:
        return keys, keys.view(torch.int32)
    return keys, torch.full(shape, (1 << 31) - 1, dtype=torch.int32, device=like.device)


@kernel
def record(keys, numbers, place, value, number, live, PASS: tl.constexpr):
    """Enter a value and its number."""
    if PASS == 0:
        order = (0x7FFFFFFF - value.to(tl.int32, bitcast=True)).to(tl.int64)
        tl.atomic_min(keys + place, (order << 32) | number.to(tl.int64), live, sem="relaxed")
    else:
        order = 0x7FFFFFFFFFFFFFFF - value.to(tl.int64, bitcast=True)
        if PASS == 1:
            tl.atomic_min(keys + place, order, live, sem="relaxed")
        else:
            best = tl.load(keys + place, live, 0)
            tl.atomic_min(numbers + place, number.to(tl.int32), live & (best == order), sem="relaxed")


@kernel
def look_up(keys, numbers, place, live, PASS: tl.constexpr):
    """Value and number at a place, and whether there is one; PASS is the last that was made."""
    key = tl.load(keys + place, live, 0x7FFFFFFFFFFFFFFF)
    found = key != 0x7FFFFFFFFFFFFFFF
    if PASS == 0:
        value = (0x7FFFFFFF - (key >> 32)).to(tl.int32).to(tl.float32, bitcast=True)
        number = (key & 0x7FFFFFFF).to(tl.int32)
    else:
        value = (0x7FFFFFFFFFFFFFFF - key).to(tl.float64, bitcast=True)
        number = tl.load(numbers + place, live, 0)
    return tl.where(found, value, 0.0), tl.where(found, number, -1), found
