"""Keys of settings that once had another name: told in a line, or brought forward where a run of before goes on.

A table maps dotted patterns (`fnmatch`) of old keys to the key's new name, and `key=value` to a new value:

```python
RENAMED = {"objective.centre": "center", "*learning.colour": "color", "data.crop=centre": "center"}
```
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from genstruct.errors import ConfigError

Table = Mapping[str, str]


def refuse_old(values: Any, table: Table, path: str = "") -> None:
    """Raise ConfigError for the first key or value that has a new name."""
    for key, value in _items(values):
        where, before = _joined(path, key), f"{path}: " if path else ""
        new_key, new_value = _new(where, table), _new(f"{where}={value}", table)
        if new_key:
            raise ConfigError(f"{before}{key!r} is now called {new_key!r}; rename it")
        if new_value:
            raise ConfigError(f"{where}: {value!r} is now called {new_value!r}; rename it")
        refuse_old(value, table, where)


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


def _items(values: Any) -> Any:
    if isinstance(values, Mapping):
        return values.items()
    return enumerate(values) if isinstance(values, list | tuple) else ()
