"""Who does the work: torch (reference, any device), numba (CPU), triton (CUDA). All have the same functions.

They take checked, floating-point tensors of one type and device; faces as [1 or B, F, 3].
"""

from importlib import import_module
from types import ModuleType
from typing import Literal

import torch

from genstruct.errors import ConfigError, MissingDependency

Backend = Literal["auto", "torch", "numba", "triton"]

BACKENDS = {
    "torch": "genstruct.render.backends.torch",
    "numba": "genstruct.render.backends.numba",
    "triton": "genstruct.render.backends.triton",
}


def choose(backend: Backend, device: torch.device) -> ModuleType:
    """The module of a backend; "auto" is numba on a CPU and torch elsewhere. Imported when first asked for.

    Raises:
        ConfigError: An unknown name, or a backend for another device.
        MissingDependency: Its package is not installed; the message tells how to install it.
    """
    name = ("numba" if device.type == "cpu" else "torch") if backend == "auto" else backend
    if name not in BACKENDS:
        raise ConfigError(f"backend must be one of auto, {', '.join(BACKENDS)}, got {backend!r}")
    if name == "numba" and device.type != "cpu":
        raise ConfigError(f"backend numba works on the CPU, the tensors are on {device}; use torch or auto")
    try:
        return import_module(BACKENDS[name])
    except ModuleNotFoundError as error:
        package = (error.name or name).split(".")[0]
        if package == "genstruct":
            raise ConfigError(f"backend {name} is not part of this version; use auto, torch or numba") from error
        raise MissingDependency(f"backend {name} needs {package}: pip install {package}") from error
