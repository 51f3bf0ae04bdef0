"""Time by part of a step."""

import time
from dataclasses import dataclass, field

import torch


@dataclass
class Clock:
    """Wall and processor seconds by part of a step. Processor seconds count all threads of this process."""

    device: torch.device
    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    _last: tuple[float, float] = (0.0, 0.0)

    def start(self) -> None:
        """Begin to measure."""
        self._last = self._now()

    def mark(self, part: str) -> None:
        """What has passed since the last mark belongs to `part`."""
        now = self._now()
        for seconds, new, old in zip((self.wall, self.cpu), now, self._last, strict=True):
            seconds[part] = seconds.get(part, 0.0) + new - old
        self._last = now

    def _now(self) -> tuple[float, float]:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter(), time.process_time()
