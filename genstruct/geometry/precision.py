"""Geometry stays precise inside autocast: half-precision rotations and positions would be off by whole pixels."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])
KINDS = ("cpu", "cuda")


def full_precision(function: Function) -> Function:
    """Run `function` without autocast, and with half-precision tensors among its arguments widened to float32.

    Tensors inside other arguments (a `Camera`, a `Plane`) are left as they are.
    """

    @wraps(function)
    def precise(*args: Any, **kwargs: Any) -> Any:
        wide = [_widened(argument) for argument in args]
        named = {name: _widened(argument) for name, argument in kwargs.items()}
        with ExitStack() as stack:
            for kind in KINDS:
                if torch.is_autocast_enabled(kind):
                    stack.enter_context(torch.autocast(kind, enabled=False))
            return function(*wide, **named)

    return cast(Function, precise)


def _widened(argument: Any) -> Any:
    half = isinstance(argument, Tensor) and argument.dtype in (torch.float16, torch.bfloat16)
    return argument.float() if half else argument
