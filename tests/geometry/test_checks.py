"""Checks of values."""

import pytest
import torch

from genstruct.errors import ShapeError
from genstruct.geometry.checks import check_finite


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_one_bad_value_is_found_and_named(bad: float) -> None:
    values = torch.zeros(2, 5, 3)
    values[1, 4, 2] = bad
    with pytest.raises(ShapeError, match=r"vertices \[2, 5, 3\].*1 values are NaN or infinite.*\[1, 4, 2\]"):
        check_finite("vertices", values)


def test_infinities_of_both_signs_do_not_cancel() -> None:
    with pytest.raises(ShapeError, match="2 values"):
        check_finite("v", torch.tensor([float("inf"), 1.0, -float("inf")]))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_finite_values_pass_though_their_sum_overflows(sign: float) -> None:
    check_finite("v", torch.full((8,), sign * 3e38))
    check_finite("v", torch.empty(0, 3))
