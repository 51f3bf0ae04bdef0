"""Work on many files at once, results in order."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_order(work: Callable[[int], T], count: int, workers: int | None = None) -> Iterator[T]:
    """`work(0)`, `work(1)`, ... computed in threads; stopping early, also by an interrupt, cancels what has not begun.

    Args:
        work: Called from several threads.
        count: Number of calls.
        workers: Threads; as many as there are processors if left out.
    """
    workers = workers or os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers, "files")
    ahead: deque[Future[T]] = deque()
    try:
        for number in range(count):
            ahead.append(pool.submit(work, number))
            if len(ahead) > 4 * workers:  # enough to keep all threads busy past a slow file, little enough to hold
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
