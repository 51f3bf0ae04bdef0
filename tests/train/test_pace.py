"""A plan fits its time, and the speed that it goes by is that of the training."""

import pytest
from tiny_training import CONFIG, SIZE, TinyGan

from genstruct.data.archive import Archive
from genstruct.data.synthetic import make_scenes
from genstruct.train import pace
from genstruct.train.config import TrainConfig
from genstruct.train.pace import STEPS, Work, fitting_factor, seconds_per_image

WORKS = (Work("learn", 100.0), Work("label", 20.0, scales=False), Work("more", 60.0))


@pytest.mark.parametrize("seconds", [100.0, 180.0, 420.0])
def test_what_is_lengthened_by_the_factor_takes_the_time(seconds):
    factor = fitting_factor(WORKS, seconds, 0.1, 10.0)
    assert sum(work.times(factor).seconds for work in WORKS) == pytest.approx(seconds)
    assert WORKS[1].times(factor) == WORKS[1]


def test_the_factor_keeps_its_bounds_where_nothing_fits_or_nothing_scales():
    assert fitting_factor(WORKS, -5.0, 0.4, 3.0) == 0.4
    assert fitting_factor(WORKS, 1e6, 0.4, 3.0) == 3
    assert fitting_factor(WORKS[1:2], 30.0, 0.4, 3.0) == 3


class Clock:
    """A clock that only a step of the training moves: each takes twice as long as the first would have been."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.mark.parametrize("images", [4, 4000], ids=["shorter than the measurement", "longer"])
def test_the_first_steps_do_not_count_and_the_others_are_timed(monkeypatch, images):
    clock, method, taken = Clock(), TinyGan(), []
    monkeypatch.setattr(pace, "time", clock)

    def after_step(*_):
        taken.append(1)
        clock.now += 10.0 if len(taken) <= STEPS // 2 else 2.0

    method.after_step = after_step
    archive = Archive.from_arrays(make_scenes(8, SIZE).images)
    config = TrainConfig(**{**CONFIG, "images": images, "tensorboard": True})
    assert seconds_per_image(method, archive, config) == pytest.approx(2.0 / config.batch)
    assert len(taken) == STEPS // 2 + STEPS
