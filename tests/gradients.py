"""How tests compare gradients: with differences of the function itself, or with those of another way to compute it.

`test_gradients.py` tests that a wrong gradient is found. (How right gradients of pictures are, which no function gives
exactly, is for `tools/benchmarks/gradients.py`.)
"""

import torch


def checkable(*tensors):
    """Copies that want gradients."""
    return [tensor.detach().clone().requires_grad_() for tensor in tensors]


def assert_exact(function, *inputs, step=1e-6, fast=False):
    """The gradients of `function` by each input are its central differences.

    Args:
        function: Of as many tensors as there are inputs; gives one tensor or several.
        inputs: Where to look, in float64. Keep away from kinks.
        step: Of the differences.
        fast: Look along random directions only: for functions of many numbers.
    """
    assert all(tensor.dtype == torch.float64 for tensor in inputs), "differences need float64"
    assert torch.autograd.gradcheck(function, checkable(*inputs), eps=step, fast_mode=fast)
    by_inputs = values_and_gradients(function, *inputs)[-len(inputs) :]
    still = [number for number, gradient in enumerate(by_inputs) if not gradient.any()]
    assert not still, f"nothing depends on inputs {still}: there is nothing to check"


def values_and_gradients(function, *inputs):
    """What `function` gives, and the gradients by each input of all of that together, in random shares."""
    points = checkable(*inputs)
    values = function(*points)
    values = [values] if isinstance(values, torch.Tensor) else list(values)
    rng = torch.Generator().manual_seed(5)
    weights = [torch.rand(value.shape, generator=rng, dtype=value.dtype).to(value.device) for value in values]
    total = sum((value * weight).sum() for value, weight in zip(values, weights, strict=True))
    return [*(value.detach() for value in values), *torch.autograd.grad(total, points)]


def assert_agree(found, wanted, rtol=None, share=0.0):
    """Two lists of tensors, or two tables of tensors by name, are the same but for rounding.

    Args:
        found: To be tested.
        wanted: What is right.
        rtol: Relative tolerance of each number, instead of torch's own for the type.
        share: What each number may be off besides, as a share of the largest number of its tensor.
    """
    if not isinstance(wanted, dict):
        found, wanted = dict(enumerate(found)), dict(enumerate(wanted))
    assert found.keys() == wanted.keys()
    assert any(tensor.any() for tensor in wanted.values()), "all are zero: there is nothing to compare"
    for name, right in wanted.items():
        largest = right.abs().max().item() if right.numel() else 0.0
        close = {} if rtol is None else {"rtol": rtol, "atol": share * largest + 1e-8}
        torch.testing.assert_close(found[name], right, **close, msg=lambda text, name=name: f"{name}: {text}")
