"""Schedules: pure functions of the share of a training that is done, `Step.fraction`, in [0, 1].

Those that fall are factors on a rate or a weight; those that rise go from 0 to 1 and are put between two values by
`linear`: `linear(ease(step.fraction), weight, weight_end)`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

Schedule = Callable[[float], float]
ScheduleName = Literal["constant", "linear", "cosine", "steps"]


def constant(fraction: float) -> float:
    """1 throughout."""
    return 1.0


def linear(fraction: float, first: float = 1.0, last: float = 0.0) -> float:
    """From `first` to `last` along a line; at any share in between, also outside [0, 1]."""
    return first + (last - first) * fraction


def cosine(fraction: float, last: float = 0.0) -> float:
    """From 1 to `last` along half a cosine (Loshchilov & Hutter 2017, Eq. 5, without restarts)."""
    return last + (1 - last) * (1 + math.cos(math.pi * fraction)) / 2


def steps(fraction: float, at: Sequence[float] = (0.6, 0.8), factor: float = 0.1) -> float:
    """1, multiplied by `factor` at each of the shares `at`."""
    return factor ** sum(fraction >= share for share in at)


def warm_up(fraction: float, length: float = 0.05, start: float = 0.05) -> float:
    """From `start` to 1 at a slope of 1 per `length` of the training, then 1; a `length` of 0 = no warm-up."""
    return min(1.0, start + fraction * (1.0 / length)) if length > 0 else 1.0


def warm_up_cosine(fraction: float, length: float = 0.05, start: float = 0.05, last: float = 0.0) -> float:
    """A warm-up, and the fall to `last` along half a cosine of the whole training."""
    return warm_up(fraction, length, start) * cosine(fraction, last)


def ramp(fraction: float, start: float, end: float) -> float:
    """From 0 at `start` along a line to 1 at `end`; a jump where `end` is not after `start`."""
    if end <= start:
        return float(fraction > start)
    return min(max((fraction - start) / (end - start), 0.0), 1.0)


def late(fraction: float, parts: int = 3) -> float:
    """From 0 to 1 along a line over the last of so many equal parts of the training, 0 before."""
    return min(max((fraction - (parts - 1) / parts) * parts, 0.0), 1.0)


def ease(fraction: float) -> float:
    """From 0 to 1 along half a cosine."""
    return (1 - math.cos(math.pi * fraction)) / 2


SCHEDULES: Mapping[str, Schedule] = {"constant": constant, "linear": linear, "cosine": cosine, "steps": steps}
"""Factors on a rate, by the name that settings give (`ScheduleName`)."""
