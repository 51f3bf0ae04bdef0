"""The plan of a demo that is given a time: how much of its training is done, kept, and told as it goes on."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from genstruct.errors import OutputError
from genstruct.files import write_json
from genstruct.run.stages import Reporter
from genstruct.train.pace import Work
from genstruct.train.progress import duration
from genstruct.train.report import OnProgress

Say = Callable[[str], None]
"""Told what happens, a line at a time."""


@dataclass(frozen=True)
class Pace:
    """What a demo will do.

    Args:
        factor: Of the configuration's images.
        works: Its parts, in order, with the time that each will take.
    """

    factor: float
    works: tuple[Work, ...]

    @property
    def seconds(self) -> float:
        """All of it."""
        return sum(work.seconds for work in self.works)

    def describe(self) -> str:
        """The plan in a line."""
        parts = ", ".join(f"{work.name} {duration(work.seconds)}" for work in self.works if work.seconds >= 1)
        return f"{self.factor:.0%} of the configured images: {parts}; {duration(self.seconds)} in all"

    def left_from(self, name: str) -> float | None:
        """Seconds from the beginning of a part to the end of all; None for a part that is not planned."""
        names = [work.name for work in self.works]
        return sum(work.seconds for work in self.works[names.index(name) :]) if name in names else None


def kept_pace(file: Path) -> float | None:
    """The factor that `keep_pace` wrote, so that a demo that was stopped goes on with the training that it began.

    Raises:
        OutputError: The file is damaged.
    """
    if not file.exists():
        return None
    try:
        return float(json.loads(file.read_text())["factor"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OutputError(f"{file} is damaged ({error!r}); give another folder (OUT=...)") from error


def keep_pace(file: Path, pace: Pace) -> None:
    """Write the plan."""
    write_json(file, {"factor": pace.factor, "seconds": {work.name: round(work.seconds, 1) for work in pace.works}})


def telling(reporter: Reporter, pace: Pace, say: Say) -> Reporter:
    """A reporter that also says, as each planned part begins, how long all that is left will take."""

    @contextmanager
    def report(stage: str) -> Iterator[OnProgress]:
        if (left := pace.left_from(stage)) is not None:
            say(f"{stage}: about {duration(left)} left of the whole demo")
        with reporter(stage) as progress:
            yield progress

    return report


def paced(file: Path, find: Callable[[], Pace], seconds: float, reporter: Reporter, say: Say) -> tuple[float, Reporter]:
    """How long the training will be, and a reporter that tells the time left; measured once, then kept.

    Args:
        file: Where it is kept.
        find: Measures this machine and makes the plan.
        seconds: That are left for all.
        reporter: Shows the progress of the training.
        say: Told the plan.
    """
    if (length := kept_pace(file)) is not None:
        say(f"going on with {length:.0%} of the configured images, as begun")
        return length, reporter
    say("measuring this machine")
    pace = find()
    keep_pace(file, pace)
    say(pace.describe())
    if pace.seconds > seconds:
        say(f"that is more than the {duration(max(seconds, 0))} that are left: a shorter training would learn nothing")
    return pace.factor, telling(reporter, pace, say)
