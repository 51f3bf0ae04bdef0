"""Types of settings: the classes inside them, and how a person reads them.

A *kind* is the annotation of a field: `int`, `Annotated[float, Field(ge=0)]`, `tuple[StageConfig, ...]`. A *section* is
a class of settings.
"""

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo


class Place(NamedTuple):
    """What dotted keys lead to.

    Args:
        keys: As far as they lead: to a section, or to a setting, but not inside one.
        kind: The type there.
        value: What was given there.
    """

    keys: tuple[str, ...]
    kind: Any
    value: Any


@functools.cache
def kinds(section: type) -> dict[str, Any]:
    """Types of the fields that may be set, by name."""
    hints = typing.get_type_hints(section, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(section) if field.init}


def follow(section: type, values: Any, keys: Sequence[int | str]) -> Place:
    """Go from a section along keys, as far as they lead."""
    place = Place((), section, values)
    for key in map(str, keys):
        inner = section_in(place.kind, place.value)
        kind = kinds(inner).get(key) if inner else _item_in(place.kind)
        if kind is None:
            return place
        value = item(place.value, key)
        if inner and any(choices_in(kind)) and item(value, "name") is None:  # goes on with the default
            name = item(default_of(inner.__dataclass_fields__[key]), "name")
            value = {"name": name, **value} if isinstance(value, Mapping) else value
        place = Place((*place.keys, key), kind, value)
    return place


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The default of a field; None if it has none."""
    if callable(field.default_factory):
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def is_number(key: str) -> bool:
    """Whether a key may be that of an item of a list."""
    return key.isdecimal() and len(key) < 9


def item(values: Any, key: str) -> Any:
    """What a mapping, a list or a class of settings holds; None if nothing."""
    if isinstance(values, list | tuple):
        return values[int(key)] if is_number(key) and int(key) < len(values) else None
    return values.get(key) if isinstance(values, Mapping) else getattr(values, key, None)


def section_in(kind: Any, value: Any = None) -> type | None:
    """The section that a kind is, that may be None, or that is chosen by the name in `value`."""
    for choice in choices_in(kind):
        return choice.named(item(value, "name"))
    if parts := _parts(kind):
        return next(filter(None, map(section_in, parts)), None)
    return kind if dataclasses.is_dataclass(kind) and isinstance(kind, type) else None


def choices_in(kind: Any) -> Iterator[Any]:
    """The `Choice` of a kind, if it has one."""
    yield from (note for note in getattr(kind, "__metadata__", ()) if hasattr(note, "named"))


def literals(kind: Any) -> list[str]:
    """The words that a kind offers."""
    if get_origin(kind) is Literal:
        return list(map(str, get_args(kind)))
    return [word for part in _parts(kind) for word in literals(part)]


def words(kind: Any) -> str:
    """A type as a user reads it."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return f"{words(args[0])} {_bounds(kind.__metadata__)}".strip()
    if origin is Literal:
        return "one of " + ", ".join(map(str, args))
    if origin in (Union, types.UnionType):
        return " or ".join(map(words, args))
    if origin in (tuple, list, Sequence):
        parts = [words(part) for part in args if part is not Ellipsis]
        several = Ellipsis in args or origin is not tuple
        return f"list of {parts[0]}" if several else f"list of {len(parts)} ({', '.join(parts)})"
    if dataclasses.is_dataclass(kind):
        return f"{{{', '.join(kinds(kind))}}}"
    if isinstance(kind, type) and not args:
        plain = {"str": "text", "Path": "path", "bool": "true or false", "NoneType": "null"}
        return plain.get(kind.__name__, kind.__name__)
    return re.sub(r"\b[a-z_]+\.", "", str(kind))


def _parts(kind: Any) -> tuple[Any, ...]:
    """What is annotated, or the members of a union; nothing for other kinds."""
    if get_origin(kind) is Annotated:
        return get_args(kind)[:1]
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else ()


def _item_in(kind: Any) -> Any:
    """The kind of the items of a list of sections."""
    if parts := _parts(kind):
        return next(filter(None, map(_item_in, parts)), None)
    listed = get_args(kind)[0] if get_origin(kind) in (tuple, list) and get_args(kind) else None
    return listed if listed and (section_in(listed) or any(choices_in(listed))) else None


def _bounds(notes: Sequence[Any]) -> str:
    """`from 1 to 4`, `of at least 1`, `above 0 and below 1`."""
    flat = [part for note in notes for part in (note.metadata if isinstance(note, FieldInfo) else (note,))]
    found = {type(part): astuple(part)[0] for part in flat if isinstance(part, Ge | Gt | Le | Lt)}
    low, above, high, below = (_number(found.get(kind)) for kind in (Ge, Gt, Le, Lt))
    if low:
        end = f"to {high}" if high else f"to below {below}" if below else ""
        return f"from {low} {end}" if end else f"of at least {low}"
    start = f"above {above}" if above else ""
    end = f"at most {high}" if high else f"below {below}" if below else ""
    return " and ".join(filter(None, (start, end)))


def _number(bound: int | float | None) -> str:
    return "" if bound is None else f"{bound:g}" if isinstance(bound, float) else str(bound)
