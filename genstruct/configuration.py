"""Strict reading of settings into frozen dataclasses, and the way back.

A typo stops the command: `data: unknown key 'siez'; did you mean 'size'?`. Types are judged by jsonargparse, one value
at a time, so that an error names the key, the value and the type it should have.
"""

import dataclasses
import difflib
import functools
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import yaml

from genstruct.errors import ConfigError
from genstruct.strict_yaml import parse_yaml

T = TypeVar("T")
Values = dict[str, Any]


@dataclass(frozen=True)
class Typed:
    """The text of an override, whose meaning depends on the type of its field: `5` may be a number or a name."""

    text: str

    def parsed(self) -> Any:
        """The text as YAML; text that is no YAML stands for itself."""
        try:
            value = parse_yaml(self.text)
        except yaml.YAMLError:
            return self.text
        return self.text if isinstance(value, str) else value


@dataclass(frozen=True)
class Setting:
    """One leaf of a configuration, for `--help`.

    Args:
        key: Dotted.
        kind: Its type, in words.
        value: What it is now.
        help: Its documentation, with the unit.
    """

    key: str
    kind: str
    value: Any
    help: str


def build(cls: type[T], values: Mapping[str, Any], overrides: Sequence[str] = ()) -> T:
    """Fill a dataclass and the dataclasses inside it.

    Args:
        cls: A dataclass; its defaults hold for what is not given.
        values: Nested mappings, as read from YAML. A float without a fraction is taken where an int is wanted.
        overrides: `key.sub=value`, with or without leading dashes; a later one wins. Values are YAML.

    Raises:
        ConfigError: An unknown key, a missing or wrong value, or an override without "=".
    """
    values = dict(values)
    for override in overrides:
        key, text = split_override(override)
        values = _with(values, key.split("."), Typed(text))
    return _section(cls, values, "", None)


def split_override(override: str) -> tuple[str, str]:
    """`--data.root=x` or `data.root=x` as ("data.root", "x"). Raises ConfigError."""
    key, equals, text = override.removeprefix("--").partition("=")
    if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
        raise ConfigError(f"expected key=value (for example data.size=64), got {override!r}")
    return key.replace("-", "_"), text


def plain(value: Any) -> Any:
    """A configuration as mappings, lists, numbers and strings, such that `build(type(x), plain(x)) == x`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def settings(config: Any, prefix: str = "") -> Iterator[Setting]:
    """Every leaf of a configuration with its type, value and documentation, in order."""
    help_of = _documentation(type(config))
    for name, kind in _fields(type(config)).items():
        value = getattr(config, name)
        if dataclasses.is_dataclass(value):
            yield from settings(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple) and value and all(map(dataclasses.is_dataclass, value)):
            for number, item in enumerate(value):
                yield from settings(item, f"{prefix}{name}.{number}.")
        else:
            yield Setting(f"{prefix}{name}", _words(kind), plain(value), help_of.get(name, ""))


def nearest(word: str, words: Sequence[str]) -> str | None:
    """The word most like `word`, if one is alike."""
    return next(iter(difflib.get_close_matches(word, words, 1, 0.6)), None)


def _section(cls: type[T], values: Any, path: str, base: T | None) -> T:
    """Build `cls` from `values`, over the values of `base` if there is one."""
    if isinstance(values, Typed):
        values = values.parsed()
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{path}: expected keys and values, got {_shown(values)}; set its keys, as in {path}.key=value"
        )
    kinds = _fields(cls)
    for key in values:
        if key not in kinds:
            raise ConfigError(f"{path + ': ' if path else ''}unknown key {key!r}; {_advice(str(key), cls, path)}")
    given = {}
    for key, value in values.items():
        where = f"{path}.{key}" if path else str(key)
        given[key] = _value(kinds[key], value, where, _default(cls, key, base))
    missing = [f"{path}.{n}" if path else n for n in kinds if n not in given and _default(cls, n, base) is _NEEDED]
    if missing:
        raise ConfigError(f"{missing[0]}: needs a value; add {missing[0]}=...")
    try:
        return cls(**given) if base is None else dataclasses.replace(base, **given)
    except ConfigError as error:
        named = not path or str(error).startswith((f"{path.rsplit('.', 1)[-1]}.", path))
        raise error if named else ConfigError(f"{path}: {error}") from error


def _value(kind: Any, value: Any, path: str, default: Any) -> Any:
    """The value of a field: a dataclass, dataclasses in a list, or a leaf that jsonargparse judges."""
    inner, listed = _dataclass_in(kind), _sequence_in(kind)
    raw = value.parsed() if isinstance(value, Typed) and inner else value
    if inner and listed and isinstance(raw, Mapping) and raw and all(str(key).isdigit() for key in raw):
        raw = _placed(raw, default if isinstance(default, list | tuple) else (), path)
    if inner and listed and isinstance(raw, list | tuple):
        return listed(_item(inner, item, f"{path}.{i}") for i, item in enumerate(raw))
    if inner and not listed and (isinstance(raw, Mapping) or dataclasses.is_dataclass(kind)):
        return _section(inner, raw, path, default if isinstance(default, inner) else None)
    return _leaf(kind, value, path)


def _item(cls: type, item: Any, path: str) -> Any:
    base, values = item if isinstance(item, tuple) else (None, item)
    return base if values is None and base is not None else _section(cls, values, path, base)


def _placed(changes: Mapping[str, Any], defaults: Sequence[Any], path: str) -> list[tuple[Any, Any]]:
    """Default items of a list, each with the values that change in it: `rounds.0.size=32`."""
    for key in changes:
        _check_place(key, len(defaults), path)
    return [(base, changes.get(str(i))) for i, base in enumerate(defaults)]


def _check_place(key: str, count: int, path: str) -> None:
    if not key.isdigit() or int(key) >= count:
        numbered = f"it has {count} items, numbered from 0" if count else "it is empty"
        raise ConfigError(f"{path}: no item {key!r}: {numbered}; set the whole list, as in {path}=[{{...}}]")


def _leaf(kind: Any, value: Any, path: str) -> Any:
    choices = [value.parsed(), value.text] if isinstance(value, Typed) else [_parsed(value)]
    for choice in choices:
        try:
            return _judge(kind, _whole(kind, choice))
        except _WrongTypeError:
            continue
    shown, words = _shown(choices[0]), _words(kind)
    near = nearest(str(choices[0]), [str(a) for part in (kind, *get_args(kind)) for a in _literals(part)])
    raise ConfigError(f"{path}: expected {words}, got {shown}" + (f"; did you mean {near!r}?" if near else ""))


def _parsed(value: Any) -> Any:
    """Overrides of entries of a dictionary or a list as YAML."""
    if isinstance(value, list | tuple):
        return [_parsed(inner) for inner in value]
    if isinstance(value, Mapping):
        return {key: _parsed(inner) for key, inner in value.items()}
    return value.parsed() if isinstance(value, Typed) else value


class _WrongTypeError(Exception):
    pass


def _judge(kind: Any, value: Any) -> Any:
    """`value` as a `kind`, by jsonargparse (1.4 ms). Raises _WrongTypeError."""
    import jsonargparse

    parser = jsonargparse.ArgumentParser(exit_on_error=False, add_help=False, default_env=False)
    parser.add_argument("--value", type=kind)
    try:
        return parser.parse_object({"value": value}).value
    except (jsonargparse.ArgumentError, TypeError, ValueError) as error:
        raise _WrongTypeError from error


def _whole(kind: Any, value: Any) -> Any:
    """Replace floats without a fraction by ints where `kind` wants ints."""
    origin, args = get_origin(kind), get_args(kind)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if origin in (Union, types.UnionType) and float not in args:
        return functools.reduce(lambda v, part: _whole(part, v), args, value)
    if origin in (list, tuple, Sequence) and isinstance(value, list | tuple):
        kinds = args if origin is tuple and Ellipsis not in args else args[:1] * len(value)
        return [_whole(k, v) for k, v in zip(kinds, value, strict=True)] if len(kinds) == len(value) else value
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {key: _whole(args[1], inner) for key, inner in value.items()}
    return value


def _with(values: Mapping[str, Any], keys: list[str], value: Typed, path: str = "") -> Values:
    """`values` with one nested key set; others are left alone."""
    first, *rest = keys
    path = f"{path}.{first}" if path else first
    there = values.get(first)
    there = there.parsed() if isinstance(there, Typed) and rest else there
    if not rest:
        new = value.parsed()
        merged = {**there, **new} if isinstance(there, Mapping) and isinstance(new, dict) else value
        return {**values, first: merged}
    if isinstance(there, list):
        _check_place(rest[0], len(there), path)
        items = _with({str(i): item for i, item in enumerate(there)}, rest, value, path)
        return {**values, first: list(items.values())}
    return {**values, first: _with(there if isinstance(there, Mapping) else {}, rest, value, path)}


_NEEDED = object()


def _default(cls: type, name: str, base: Any) -> Any:
    if base is not None:
        return getattr(base, name)
    field = cls.__dataclass_fields__[name]
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return _NEEDED if field.default is dataclasses.MISSING else field.default


@functools.cache
def _fields(cls: type) -> dict[str, Any]:
    """Types of the fields of a dataclass that may be set."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def _dataclass_in(kind: Any) -> type | None:
    """The dataclass that a type is, or that is inside `X | None`, `tuple[X, ...]` and `list[X]`."""
    if dataclasses.is_dataclass(kind):
        return kind
    if get_origin(kind) in (dict, Mapping):
        return None
    return next((found for part in get_args(kind) if (found := _dataclass_in(part))), None)


def _sequence_in(kind: Any) -> type | None:
    """`tuple` or `list` where a type is or may be one."""
    return next((o for o in map(get_origin, (kind, *get_args(kind))) if o in (tuple, list)), None)


def _advice(key: str, cls: type, path: str) -> str:
    """What else may have been meant by an unknown key of section `path`."""
    names = list(_fields(cls))
    near = nearest(key, names)
    if near is None:  # perhaps a key of a section below, written without the section
        below = [f"{section}.{name}" for section, name in _below(cls) if name == key]
        near = next(iter(below), None)
    return f"did you mean {near!r}?" if near else f"the keys here are {', '.join(names)}"


def _below(cls: type, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, kind in _fields(cls).items():
        if dataclasses.is_dataclass(kind):
            yield from ((prefix + name, inner) for inner in _fields(kind))
            yield from _below(kind, f"{prefix}{name}.")


def _literals(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _words(kind: Any) -> str:
    """A type as a user reads it."""
    if kind is type(None):
        return "null"
    if _literals(kind):
        return "one of " + ", ".join(map(str, _literals(kind)))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(map(_words, get_args(kind)))
    if get_origin(kind) in (tuple, list, Sequence):
        words = [_words(part) for part in get_args(kind) if part is not Ellipsis]
        several = Ellipsis in get_args(kind) or get_origin(kind) is not tuple
        return f"list of {words[0]}" if several else f"list of {len(words)} ({', '.join(words)})"
    if isinstance(kind, type) and not get_args(kind):
        return {"str": "text", "Path": "path", "bool": "true or false"}.get(kind.__name__, kind.__name__)
    return re.sub(r"\b[a-z_]+\.", "", str(kind))


def _shown(value: Any) -> str:
    text = repr(plain(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _documentation(cls: type) -> dict[str, str]:
    """Help of each field: the string below it, or its line under Args in the docstring of the class."""
    import docstring_parser

    try:
        found = docstring_parser.parse_from_object(cls)
    except (OSError, TypeError):  # without its source, what the docstring says must do
        found = docstring_parser.parse(cls.__doc__ or "")
    return {param.arg_name: " ".join((param.description or "").split()) for param in found.params}
