"""How kernels are made and launched."""

import inspect
import os
from collections.abc import Callable
from typing import Any

import torch
import triton
from torch import Tensor

LANES = 128
"""Lanes of a program: pixels, edges or triangles that are worked on together."""


def kernel(function: Callable[..., Any]) -> Any:
    """Compile on first launch, for each type of arguments. Helpers that only kernels call are made the same way.

    Written so that the interpreter runs them too: `while` over whole numbers known only at run time (numpy >= 2.4
    refuses them in `range`), and no `&` between a block and a single value.
    """
    # Tests wrap every function of the package to check shapes; Triton needs the plain one.
    return triton.jit(inspect.unwrap(function))


def launch(function: Any, grid: tuple[int, ...], device: torch.device, *arguments: Any, **constants: Any) -> None:
    """Start a kernel on the device of its tensors; nothing is waited for.

    Products and sums are not fused, so that visibility is the same, bit by bit, as that of the other backends.
    """
    if 0 in grid:
        return
    with torch.cuda.device(device if device.type == "cuda" else -1):
        function[grid](*arguments, **constants, enable_fp_fusion=False)


def blocks(items: int, lanes: int = LANES) -> int:
    """Programs for so many items."""
    return -(-items // lanes)


def stride(rows: Tensor) -> int:
    """Entries from one image to the next; 0 where one is shared by all."""
    return rows[0].numel() if len(rows) > 1 else 0


def interpreted() -> bool:
    """Whether kernels run on the CPU in the interpreter: TRITON_INTERPRET=1, set before Triton is imported."""
    return os.environ.get("TRITON_INTERPRET") == "1"
