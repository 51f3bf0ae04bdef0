"""What SIGINT and SIGTERM do: ask a training to stop, or interrupt any other work.

The trainer finishes its step, saves, and returns; other work ends where it is and takes away what is half done.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A signal has ended the work, and that has been told: a program only ends with the signal's status."""


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

    def ask(number: int, before: Any) -> None:
        if flag.wanted:
            signal.signal(number, before)
            os.kill(os.getpid(), number)
        flag.wanted = True

    with _handled(ask, SIGNALS):
        yield flag


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt, as SIGINT does; a second one acts as it would have without us.

    Signals that are ignored (those of a shell's background jobs) stay so. Handlers are restored at the end. Outside the
    main thread, where Python allows no handlers, nothing changes.
    """

    def interrupt(number: int, before: Any) -> None:
        signal.signal(number, before)
        raise KeyboardInterrupt

    with _handled(interrupt, [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]):
        yield


@contextmanager
def _handled(act: Callable[[int, Any], None], numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Signals of these numbers call `act` with their number and the handler from before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}

    def handle(number: int, _: FrameType | None) -> None:
        act(number, before[number])

    for number in numbers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
