"""Kernels compile where nothing can be kept, too."""

import numpy as np
import pytest

caching = pytest.importorskip("numba.core.caching")

from genstruct.render.backends.numba_kernels.compile import kernel  # noqa: E402


def double(numbers):
    for n in range(len(numbers)):
        numbers[n] *= 2


def test_a_place_that_cannot_be_written_is_no_obstacle(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])  # as in a read-only container
    numbers = np.arange(3.0)
    kernel(double)(numbers)
    assert numbers.tolist() == [0, 2, 4]
