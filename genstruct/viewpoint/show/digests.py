"""Digests of results: equal where all values are, so that what was made of them need not be made again."""

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass

from torch import Tensor, nn

from genstruct.viewpoint.store import digest


def result_digest(*results: object) -> str:
    """Of dataclasses, modules, tensors, mappings, sequences and plain JSON values, within each other."""
    return digest([_plain(result) for result in results])


def _plain(value: object) -> object:
    if isinstance(value, Tensor):
        data = value.detach().cpu().contiguous()
        return [str(data.dtype), list(data.shape), hashlib.blake2b(data.numpy().data, digest_size=16).hexdigest()]
    if isinstance(value, nn.Module):
        return _plain(value.state_dict())
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(part)] for key, part in value.items()]
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value
