"""Who does the work: torch (reference, any device), numba (CPU), triton (CUDA); pytorch3d for cross-checks.

All have the same functions, except that pytorch3d has visibility only. They take checked, floating-point tensors of one
type and device; faces as [1 or B, F, 3].
"""

import os
from importlib import import_module
from types import ModuleType
from typing import Literal

import torch
from torch import are_deterministic_algorithms_enabled  # in this package, `torch` becomes the backend once imported

from genstruct.errors import ConfigError, MissingDependency

Backend = Literal["auto", "torch", "numba", "triton", "pytorch3d"]

BACKENDS = {
    "torch": "genstruct.render.backends.torch",
    "numba": "genstruct.render.backends.numba",
    "triton": "genstruct.render.backends.triton",
    "pytorch3d": "genstruct.render.backends.pytorch3d",
}


def choose(backend: Backend, device: torch.device) -> ModuleType:
    """The module of a backend, imported when first asked for.

    "auto" is numba on a CPU, triton on CUDA (torch after `torch.use_deterministic_algorithms(True)`: triton sums
    gradients in any order), and torch elsewhere.

    Raises:
        ConfigError: An unknown name, or a backend for another device.
        MissingDependency: Its package is not installed; the message tells how to install it.
    """
    name = _automatic(device) if backend == "auto" else backend
    if name not in BACKENDS:
        raise ConfigError(f"backend must be one of auto, {', '.join(BACKENDS)}, got {backend!r}")
    if name == "numba" and device.type != "cpu":
        raise ConfigError(f"backend numba works on the CPU, the tensors are on {device}; use auto, torch or triton")
    if name == "triton" and device.type != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        raise ConfigError(f"backend triton works on CUDA devices, the tensors are on {device}; use auto or numba")
    try:
        return import_module(BACKENDS[name])
    except ModuleNotFoundError as error:
        package = (error.name or name).split(".")[0]
        if package == "genstruct":
            raise
        message = f"backend {name} needs {package}: pip install {package}, or use backend='torch'"
        raise MissingDependency(message) from error


def _automatic(device: torch.device) -> str:
    """The fastest backend for a device."""
    if device.type == "cuda":
        return "torch" if are_deterministic_algorithms_enabled() else "triton"
    return "numba" if device.type == "cpu" else "torch"
