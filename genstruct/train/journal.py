"""One training session as others see it: the clock, the log in the folder, and the progress line."""

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genstruct.train.report import OnProgress, Progress, Report
from genstruct.train.state import State


class Journal:
    """Tells of a training, whose `State` it is handed each time, and counts its seconds.

    Args:
        out: The folder of the run, or None on ranks that write nothing.
        total: Images the training will see.
        tensorboard: Whether to write curves, too.
        on_progress: Called at each log line and event.
        state: Where the training stands when the session begins.
    """

    def __init__(
        self, out: Path | None, total: int, tensorboard: bool, on_progress: OnProgress | None, state: State
    ) -> None:
        self.total, self.on_progress = total, on_progress
        self.report = Report(out, tensorboard, state.images)
        self.clock = time.perf_counter()
        self.mark(state)

    def mark(self, state: State) -> None:
        """Measure speed from here on."""
        self.since = (state.images, state.seconds)

    def tick(self, state: State) -> None:
        """Bring `state.seconds` up to date."""
        now = time.perf_counter()
        state.seconds += now - self.clock
        self.clock = now

    def logs(self, state: State, logs: Mapping[str, float]) -> None:
        """Write a log line and report progress."""
        self.tick(state)
        images, seconds = state.images - self.since[0], state.seconds - self.since[1]
        speed = images / max(seconds, 1e-9)
        self.mark(state)
        times = {"step": state.step, "seconds": round(state.seconds, 3), "images_per_second": round(speed, 3)}
        self.report.line(state.images, {**times, **logs})
        if self.on_progress:
            left = (self.total - state.images) / speed if speed > 0 else math.inf
            self.on_progress(Progress(state.images, self.total, speed, left, dict(logs)))

    def event(self, state: State, event: str, **details: Any) -> None:
        """Write down and report something unusual."""
        self.report.line(state.images, {"event": event, **details})
        if self.on_progress:
            self.on_progress(Progress(state.images, self.total, event=event))

    def close(self) -> None:
        """Close the files."""
        self.report.close()
