"""Keys of settings that once had another name: told in a line, or brought forward where a run of before goes on.

A table maps old keys to new names of the key, and `key=value` to new values. All but the last dotted word may be
patterns (`fnmatch`):

```python
RENAMED = {"objective.centre": "center", "rounds.*.learning.colour": "color", "data.crop=centre": "center"}
```
"""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from genstruct.errors import ConfigError

Table = Mapping[str, str]


def refuse_old(values: Any, table: Table) -> None:
    """Raise ConfigError for the first key or value that has a new name."""
    words = {old.partition("=")[0].rpartition(".")[2] for old in table}
    for path, key, value in _walk(values, max((old.count(".") for old in table), default=-1)):
        if key not in words:
            continue
        where, before = _joined(path, key), f"{path}: " if path else ""
        if new := _new(where, table):
            raise ConfigError(f"{before}{key!r} is now called {new!r}; rename it")
        if new := _new(f"{where}={value}", table):
            raise ConfigError(f"{where}: {value!r} is now called {new!r}; rename it")


def brought_forward(values: Any, table: Table, path: str = "") -> Any:
    """Nested mappings and lists as they were stored, under today's names."""
    if isinstance(values, list | tuple):
        return [brought_forward(value, table, _joined(path, key)) for key, value in _items(values)]
    if not isinstance(values, Mapping):
        return _new(f"{path}={values}", table) or values
    return {
        _new(_joined(path, key), table) or key: brought_forward(value, table, _joined(path, key))
        for key, value in values.items()
    }


def _new(what: str, table: Table) -> str | None:
    return next((new for old, new in table.items() if fnmatchcase(what, old)), None)


def _joined(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _walk(values: Any, depth: int, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Path, key and value of everything in nested values, to so many sections below."""
    for key, value in _items(values) if depth >= 0 else ():
        yield path, key, value
        yield from _walk(value, depth - 1, _joined(path, key))


def _items(values: Any) -> Any:
    if isinstance(values, Mapping):
        return values.items()
    return enumerate(values) if isinstance(values, list | tuple) else ()
