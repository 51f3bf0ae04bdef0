"""A line on the terminal that moves while a training runs. The command line passes it in; the library never prints."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from genstruct.train.report import OnProgress, Progress

SHOWN = 4  # logged values beside the bar: more do not fit in 120 columns


class ProgressLine:
    """Shows images seen, images/s, time left and a few logged values; hand it to `Trainer` as `on_progress`.

    Bare counts (of packing or labelling) are shown now and then, see `Sparse`.

    On a terminal it is one moving line, with events above it; elsewhere (a file, a pipe) one plain line per log line.

    Args:
        name: What is being trained.
        console: Where to write; standard error by default.
        shown: Names of logged values to show; by default the first few.
    """

    def __init__(self, name: str = "train", console: Console | None = None, shown: tuple[str, ...] = ()) -> None:
        self.name, self.shown = name, shown
        self.console = console or Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[text]}"))
        self.bar = Bar(*columns, console=self.console, transient=False, disable=not self.console.is_terminal)
        self.task = self.bar.add_task(name, total=None, text="")
        self._sparse = Sparse(self._show)

    def __enter__(self) -> "ProgressLine":
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def __call__(self, progress: Progress) -> None:
        """Take in a report of the trainer, or a bare count."""
        self._sparse(progress)

    def _show(self, progress: Progress) -> None:
        if progress.event:
            self.console.print(f"{self.name}: {progress.event}", markup=False, highlight=False, soft_wrap=True)
            return
        text = describe(progress, self.shown)
        if self.console.is_terminal:
            self.bar.update(self.task, completed=progress.images, total=progress.total, text=text)
        else:
            self.console.print(f"{self.name}: {text}", markup=False, highlight=False, soft_wrap=True)


class Sparse:
    """Passes progress on, but bare counts (of packing or labelling, thousands a second) only now and then.

    Counts get the speed and the time left that the trainer's own reports have already.

    Args:
        show: What shows progress.
        every: Seconds between counts; the last one is always shown.
    """

    def __init__(self, show: OnProgress, every: float = 5.0) -> None:
        self.show, self.every = show, every
        self.start = self.last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Take in a report."""
        if progress.event or progress.logs or progress.images_per_second:
            self.show(progress)
            return
        now = time.monotonic()
        if now - self.last < self.every and progress.images < progress.total:
            return
        self.last = now
        speed = progress.images / max(now - self.start, 1e-9)
        left = (progress.total - progress.images) / speed if speed else math.inf
        self.show(replace(progress, images_per_second=speed, seconds_left=left))


def describe(progress: Progress, shown: tuple[str, ...] = ()) -> str:
    """One line, for example `12.8k/400k images  84.1/s  1:16:44 left  area 0.22  loss/generator 0.69`."""
    parts = [
        f"{short(progress.images)}/{short(progress.total)} images",
        f"{progress.images_per_second:.1f}/s",
        f"{duration(progress.seconds_left)} left",
    ]
    return "  ".join(parts + _values(progress.logs, shown))


def duration(seconds: float) -> str:
    """Hours, minutes and seconds as `1:02:03` or `2:03`; `?` if it is not known."""
    if not math.isfinite(seconds):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def short(count: int) -> str:
    """A count in at most three digits and a letter: `950`, `12.8k`, `2.00M`."""
    for size, letter in ((10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return str(count)


def _values(logs: Mapping[str, float], shown: tuple[str, ...]) -> list[str]:
    names = [name for name in shown if name in logs] if shown else list(logs)[:SHOWN]
    return [f"{name} {logs[name]:.3g}" for name in names]
