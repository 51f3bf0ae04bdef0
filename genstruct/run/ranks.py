"""Work that one of several processes does for all."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch.distributed as dist

from genstruct.errors import GenstructError
from genstruct.train import distributed
from genstruct.train.signals import interrupted_by_signals, stop_on_signals

T = TypeVar("T")


def made_once(make: Callable[[], T]) -> T:
    """What `make` gives on rank 0, on every rank: for work that would only be repeated. The others wait for it.

    Raises:
        GenstructError: On every rank, if it was raised on rank 0: no rank is left waiting.
        KeyboardInterrupt: On every rank, after a signal to any of them.
    """
    ranks = distributed.current()
    if ranks.world == 1:
        return make()
    message: list[Any] = [None]
    with stop_on_signals() as stop:
        if ranks.main:
            try:
                with interrupted_by_signals():
                    message = [make()]
            except (GenstructError, KeyboardInterrupt) as error:
                message = [error]
        dist.broadcast_object_list(message, 0)
        stopped = distributed.any_rank(stop.wanted)
    result = message[0]
    if isinstance(result, GenstructError | KeyboardInterrupt):
        raise result
    if stopped:
        raise KeyboardInterrupt
    return result
