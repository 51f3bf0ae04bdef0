"""The comparison of gradients itself: right ones pass, wrong ones are found."""

import pytest
import torch
from gradients import assert_agree, assert_exact, values_and_gradients
from torch.autograd.gradcheck import GradcheckError

D = torch.float64


def product_with(by_a, by_b):
    """a * b + a^2 with gradients written by hand."""

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b + a.square()

        @staticmethod
        def backward(ctx, gradient):
            a, b = ctx.saved_tensors
            return by_a(gradient, a, b), by_b(gradient, a, b)

    return Product.apply


def right_by_a(g, a, b):
    return g * (b + 2 * a)


def right_by_b(g, a, b):
    return g * a


WRONG = {
    "a factor": lambda g, a, b: 1.01 * right_by_a(g, a, b),
    "the sign": lambda g, a, b: -right_by_a(g, a, b),
    "a term left out": lambda g, a, b: g * b,
    "one number": lambda g, a, b: right_by_a(g, a, b).index_put((torch.tensor(1),), torch.tensor(0.0, dtype=D)),
    "the order": lambda g, a, b: right_by_a(g, a, b).flip(0),
    "the one by the other": lambda g, a, b: right_by_b(g, a, b),
    "what comes from above left out": lambda g, a, b: b + 2 * a,
    "nothing": lambda g, a, b: torch.zeros_like(a),
    "no number": lambda g, a, b: torch.full_like(a, torch.nan),
}


def inputs():
    rng = torch.Generator().manual_seed(0)
    return [torch.rand(4, generator=rng, dtype=D) + 0.5 for _ in range(2)]


@pytest.mark.parametrize("fast", [False, True])
def test_a_right_gradient_passes(fast):
    assert_exact(product_with(right_by_a, right_by_b), *inputs(), fast=fast)
    assert_exact(lambda a, b: (a * b, a.sin()), *inputs(), fast=fast)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_gradient_is_found(wrong, fast):
    above = 3.0  # so that a gradient that ignores what comes from above differs
    function = product_with(WRONG[wrong], right_by_b)
    with pytest.raises((AssertionError, GradcheckError)):
        assert_exact(lambda a, b: above * function(a, b), *inputs(), fast=fast)


def test_what_depends_on_nothing_is_no_test():
    with pytest.raises(AssertionError, match=r"nothing depends on inputs \[1\]"):
        assert_exact(lambda a, b: a.square() + 0 * b, *inputs())


def test_single_precision_is_refused():
    with pytest.raises(AssertionError, match="float64"):
        assert_exact(torch.sin, torch.ones(2))


def test_values_come_with_gradients_of_each_input():
    a, b = inputs()
    value, by_a, by_b = values_and_gradients(lambda a, b: a * b, a, b)
    torch.testing.assert_close(value, a * b)
    torch.testing.assert_close(by_a / b, by_b / a)  # both are the random share
    assert (by_a / b).std() > 0.05
    first, second, by_a = values_and_gradients(lambda a: (a, 2 * a), a)
    torch.testing.assert_close(second, 2 * first)
    assert len(by_a.unique()) == len(a)


@pytest.mark.parametrize("wrong", [name for name in WRONG if name != "what comes from above left out"])
def test_ways_that_differ_do_not_agree(wrong):
    right = values_and_gradients(product_with(right_by_a, right_by_b), *inputs())
    assert_agree(values_and_gradients(lambda a, b: a * b + a.square(), *inputs()), right)
    found = values_and_gradients(product_with(WRONG[wrong], right_by_b), *inputs())
    for tolerance in ({}, {"rtol": 1e-4, "share": 1e-4}):
        with pytest.raises(AssertionError, match="1: "):
            assert_agree(found, right, **tolerance)


def test_tolerance_is_a_share_of_the_largest_number_of_a_tensor():
    wanted = {"large": torch.tensor([100.0, 0.0]), "small": torch.tensor([1e-3, 0.0])}
    off = {"large": torch.tensor([100.0, 9e-4]), "small": torch.tensor([1e-3, 9e-9])}
    assert_agree(off, wanted, rtol=0.0, share=1e-5)
    with pytest.raises(AssertionError, match="small: "):
        assert_agree(wanted | {"small": torch.tensor([1e-3, 9e-7])}, wanted, rtol=0.0, share=1e-5)


def test_tables_have_the_same_names_and_something_in_them():
    one = {"a": torch.ones(2)}
    with pytest.raises(AssertionError):
        assert_agree({}, one)
    with pytest.raises(AssertionError):
        assert_agree([torch.ones(2)], [torch.ones(2), torch.ones(2)])
    with pytest.raises(AssertionError, match="nothing to compare"):
        assert_agree({"a": torch.zeros(2)}, {"a": torch.zeros(2)})
