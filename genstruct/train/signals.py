"""SIGINT and SIGTERM ask the training to stop; the trainer finishes its step, saves, and returns."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopFlag:
    """Set once someone asked to stop."""

    def __init__(self) -> None:
        self.wanted = False


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """A flag that the first SIGINT or SIGTERM sets; a second one acts as it would have without us.

    Handlers are restored at the end. Outside the main thread, where Python allows no handlers, the flag is never set.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def ask(number: int, _: FrameType | None) -> None:
        if flag.wanted:
            signal.signal(number, before[number])
            os.kill(os.getpid(), number)
        flag.wanted = True

    for number in SIGNALS:
        signal.signal(number, ask)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
