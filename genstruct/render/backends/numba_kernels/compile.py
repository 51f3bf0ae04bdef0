"""How kernels are compiled and spread over threads."""

import inspect
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import torch


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile on first call, for each type of arguments, and keep the machine code beside the source.

    Without fast-math: sums are then never reordered or fused, so that results equal those of the torch backend. In
    float32 every constant and whole number must be cast (`real(0.5)`): numba promotes int64 with float32 to float64.
    Kernels release the interpreter lock. Where neither the package nor the user's folder can be written, nothing is
    kept, and each process compiles again. After a change to helpers in another file, delete __pycache__: numba looks
    only at the file of the kernel itself.
    """
    # Tests wrap every function of the package to check shapes; numba needs the plain one.
    plain = inspect.unwrap(function)
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(plain)
    except RuntimeError:  # "no locator available"
        return numba.njit(nogil=True, error_model="numpy")(plain)


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that only kernels call; it becomes part of their code."""
    return numba.njit(error_model="numpy", forceinline=True)(inspect.unwrap(function))


@helper
def unsigned(number):
    """A whole number to index with. A signed one costs a test for each access: whether it counts from the end."""
    return np.uint64(number)


@helper
def ceil(x):
    """Of a number that is not negative. `math.ceil` is a call of a library, as slow as several pixels."""
    whole = int(x)
    return whole + 1 if x > whole else whole


def spread(work: Callable[[int, int], object], items: int) -> None:
    """Call `work(begin, end)` on equal shares of `items`, one for each of torch's threads.

    Python threads instead of numba's: no second set of OpenMP threads, safe when called from several threads, and
    `torch.set_num_threads` is obeyed. Every item is written by one thread, so results do not depend on their number.
    """
    shares = min(torch.get_num_threads(), items)
    if shares <= 1:
        work(0, items)
        return
    bounds = [items * share // shares for share in range(shares + 1)]
    pending = [_pool().submit(work, *bounds[share : share + 2]) for share in range(1, shares)]
    work(bounds[0], bounds[1])
    for one in pending:
        one.result()


_pools: dict[int, ThreadPoolExecutor] = {}


def _pool() -> ThreadPoolExecutor:
    """Threads of this process; a forked child does not inherit those of its parent."""
    process = os.getpid()
    if process not in _pools:
        _pools.clear()
        _pools[process] = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="genstruct-render")
    return _pools[process]
