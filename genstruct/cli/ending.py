"""How a program ends: a mistake in the input and a signal are one line on standard error and a status."""

import functools
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec

from genstruct.cli.printable import printable
from genstruct.errors import GenstructError
from genstruct.train.signals import Stopped, interrupted_by_signals

P = ParamSpec("P")
CONTINUES = "the same command continues"
_WORDS: dict[int, str] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


def ending(name: str, advice: str = "", debug: bool = False) -> Callable[[Callable[P, int]], Callable[P, int]]:
    """Turn what a `main` function raises into its status: the decorator of every program.

    2 stands for a `GenstructError` or `OSError`, 130 for SIGINT, 143 for SIGTERM, which ends the work as Ctrl-C does so
    that half a file is taken away, and 141 for a reader (`| head`) that has seen enough. Errors of ours are not hidden.

    Args:
        name: Of the program, in front of its line.
        advice: What the line adds after a signal.
        debug: Show where an error comes from.
    """

    def decorate(main: Callable[P, int]) -> Callable[P, int]:
        @functools.wraps(main)
        def ended(*args: P.args, **options: P.kwargs) -> int:
            _escape_what_cannot_be_written()
            with _latest_signal() as latest, interrupted_by_signals():
                try:
                    status = main(*args, **options)
                    sys.stdout.flush()
                    return status
                except (SystemExit, KeyboardInterrupt, GenstructError, OSError) as error:
                    if debug and isinstance(error, Exception):
                        traceback.print_exc()
                    line, status = _line_and_status(error, latest(), advice)
                    if line:
                        print(f"{name}: {line}", file=sys.stderr)
                    return status

        return ended

    return decorate


def _escape_what_cannot_be_written() -> None:
    """Letters that the output's encoding has not (names of photos) become escapes instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks and what else a terminal would obey."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return printable(f"{place}{error.strerror}")
    return printable(" ".join(str(error).split()))


def _line_and_status(error: BaseException, number: int, advice: str) -> tuple[str, int]:
    """What to say of an end, if anything, and its status."""
    match error:
        case SystemExit():  # argparse, after --help and after a mistake, which it has told
            return "", int(error.code or 0)
        case Stopped():
            return "", 128 + number
        case KeyboardInterrupt():
            return "; ".join(filter(None, (_WORDS[number], advice))), 128 + number
        case BrokenPipeError():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return "", 141
        case _:
            return f"error: {one_line(error)}", 2


@contextmanager
def _latest_signal() -> Iterator[Callable[[], int]]:
    """A function that gives the number of the latest SIGINT or SIGTERM (SIGINT if there was none), whoever handled it.

    The trainer handles signals and tells only that one came; Python also writes their numbers to this pipe.
    """
    if threading.current_thread() is not threading.main_thread():  # which gets no signals
        yield lambda: signal.SIGINT
        return
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def latest() -> int:
        try:
            return next((number for number in reversed(os.read(reader, 4096)) if number in _WORDS), signal.SIGINT)
        except BlockingIOError:
            return signal.SIGINT

    try:
        yield latest
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)
