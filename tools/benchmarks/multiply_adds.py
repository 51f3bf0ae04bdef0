"""How many multiply-adds a piece of work costs, so that speeds of different networks can be compared."""

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class MultiplyAdds(TorchDispatchMode):
    """Counts multiply-adds of convolutions and matrix products, forward and backward, while it is entered.

    By torch's own formulas. Not by its FlopCounterMode, which also follows modules and so refuses the
    `torch.autograd.grad` of a penalty (torch 2.11). Elementwise work and matrices times vectors are left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        """Called by torch in place of each operation."""
        result = function(*arguments, **(options or {}))
        operations = flop_registry.get(function._overloadpacket)
        if operations is not None:
            self.total += operations(*arguments, **(options or {}), out_val=result) // 2
        return result
