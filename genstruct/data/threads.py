"""Work on many files at once, results in order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def in_order(work: Callable[[int], T], count: int, workers: int | None = None) -> Iterator[T]:
    """`work(0)`, `work(1)`, ... computed in threads; stopping early, also by an interrupt, cancels what has not begun.

    Args:
        work: Called from several threads.
        count: Number of calls.
        workers: Threads; as many as there are processors if left out.
    """
    # Enough ahead to keep all threads busy past a slow file, little enough to hold.
    return mapped(work, range(count), workers or os.cpu_count() or 1, 4)


def mapped(work: Callable[[S], T], items: Iterable[S], workers: int, ahead: int) -> Iterator[T]:
    """`work` on each item, as `in_order`; at most `ahead` times as many unfinished as there are threads."""
    pool = ThreadPoolExecutor(workers, "files")
    waiting: deque[Future[T]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
