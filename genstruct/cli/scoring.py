"""What the evaluations share: failures and notes on standard error, JSON where it was asked for, the status."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genstruct.cli.printable import printable

if TYPE_CHECKING:
    from rich.console import Console

    from genstruct.data.source import Failure

SHOWN_FAILURES = 20


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option that `give_json` is given."""
    parser.add_argument(
        "--json", metavar="FILE", nargs="?", const="-", help="write the result as JSON; without FILE to standard output"
    )


def show_failures(failures: list["Failure"], done: int) -> None:
    """One line each on standard error, up to a number that can be read."""
    for failure in failures[:SHOWN_FAILURES]:
        print(printable(f"{failure.name}: {failure.why}"), file=sys.stderr)
    if len(failures) > SHOWN_FAILURES:
        print(f"... and {len(failures) - SHOWN_FAILURES} more (all are in the --json result)", file=sys.stderr)
    if failures:
        print(f"{len(failures)} items failed, {done} done", file=sys.stderr)


def show_notes(notes: Sequence[str]) -> None:
    """On standard error."""
    for note in notes:
        print(printable(f"note: {note}"), file=sys.stderr)


def console_beside(json_place: str | None) -> "Console":
    """Where tables go: standard output, unless JSON goes there."""
    from rich.console import Console

    return Console(stderr=json_place == "-")


def give_json(place: str | None, result: dict[str, object]) -> None:
    """Write a result to a file, or to standard output ("-"); not at all without a place."""
    if place is None:
        return
    if place == "-":
        print(json.dumps(result, indent=1))
        return
    from genstruct.files import write_json

    write_json(Path(place).expanduser(), result)


def status(done: int, failed: int) -> int:
    """0: all items done; 1: some failed; 2: none could be done."""
    if not done:
        return 2
    return 1 if failed else 0
