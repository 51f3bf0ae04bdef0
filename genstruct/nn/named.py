"""Networks by name, as the classes that they are."""

from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def named(networks: nn.ModuleDict, name: str, kind: type[Network]) -> Network:
    """The network called `name`, which is of class `kind`: a `ModuleDict` alone tells no more than that it is a module.

    Raises:
        TypeError: It is of another class.
    """
    network = networks[name]
    if not isinstance(network, kind):
        raise TypeError(f"{name} is a {type(network).__name__}, not a {kind.__name__}")
    return network
