"""Remember what was computed from a tensor as long as it lives and does not change.

Faces are made once and used in every step; what depends on them alone (their range, their edges) need not be computed
again, nor a CUDA device be waited for.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from weakref import ref

from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

Result = TypeVar("Result")


def remembered(function: Callable[..., Result]) -> Callable[..., Result]:
    """Call a function of tensors once for each tensor (and others beside it), and again when one was changed in place.

    Not for tensors that need gradients: the result would keep their graph alive.
    """
    results: WeakIdKeyDictionary = WeakIdKeyDictionary()

    @wraps(function)
    def remembering(first: Tensor, *others: Tensor) -> Result:
        if any(tensor.is_inference() for tensor in (first, *others)):  # these keep no count of their changes
            return function(first, *others)
        state = [first._version, *((id(tensor), tensor._version) for tensor in others)]
        entry: Any = results.get(first, (None, (), None))
        known, alive, result = entry
        if known != state or any(reference() is None for reference in alive):  # numbers of the dead are given again
            result = function(first, *others)
            results[first] = (state, [ref(tensor) for tensor in others], result)
        return result

    return remembering
