"""What pydantic says of settings, in our words: one line with the key, the value, and what was expected."""

from collections.abc import Iterator
from reprlib import Repr
from typing import Any

from pydantic import ValidationError

from genstruct.errors import ConfigError, nearest
from genstruct.setting_kinds import Place, choices_in, follow, kinds, literals, section_in, words

CHECK = "check"
"""Type of the errors whose text is ours already."""
UNKNOWN = "unexpected_keyword_argument"
_SHOWN = Repr()
_SHOWN.maxlevel, _SHOWN.maxlist, _SHOWN.maxdict, _SHOWN.maxstring, _SHOWN.maxother = 4, 8, 6, 60, 60


def in_words(section: type, values: Any, error: ValidationError) -> ConfigError:
    """The first mistake in `values` of a section; a key that is unknown goes before others that it may explain."""
    found = error.errors(include_url=False, include_context=False)
    first = min(found, key=lambda problem: problem["type"] != UNKNOWN)
    loc = first["loc"]
    if loc and isinstance(loc[0], int):  # a positional argument
        loc = (next(iter(list(kinds(section))[loc[0] :]), str(loc[0])), *loc[1:])
    place = follow(section, values, loc)
    where = ".".join(place.keys)
    if first["type"] == CHECK:
        return ConfigError(f"{where}: {first['msg']}" if where else first["msg"])
    if first["type"] == UNKNOWN and len(place.keys) < len(loc):
        return ConfigError(f"{where + ': ' if where else ''}unknown key {loc[-1]!r}; {_advice(str(loc[-1]), place)}")
    if first["type"] in ("unexpected_positional_argument", "multiple_argument_values"):
        return ConfigError(f"{loc[0]}: {first['msg'].lower()}")
    if first["type"] == "missing":
        key = ".".join(map(str, loc))
        return ConfigError(f"{key}: needs a value; add {key}=...")
    return ConfigError(_expected(where, place))


def wrong_leaves(section: type, values: Any, error: ValidationError) -> Iterator[str]:
    """Dotted keys of the settings that have a wrong value."""
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        place = follow(section, values, problem["loc"])
        if place.keys and section_in(place.kind, place.value) is None:
            yield ".".join(place.keys)


def shown(value: Any) -> str:
    """A value in a message."""
    text = _SHOWN.repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 60 else text[:57] + "..."


def _expected(where: str, place: Place) -> str:
    before = f"{where}: " if where else ""
    if section_in(place.kind) or any(choices_in(place.kind)):
        example = f"; set its keys, as in {where}.key=value" if where else ""
        return f"{before}expected keys and values, got {shown(place.value)}{example}"
    near = nearest(place.value[:60], literals(place.kind)) if isinstance(place.value, str) else None
    advice = f"; did you mean {near!r}?" if near else ""
    return f"{before}expected {words(place.kind)}, got {shown(place.value)}{advice}"


def _advice(key: str, place: Place) -> str:
    """What else may have been meant by an unknown key of a section."""
    section = section_in(place.kind, place.value)
    assert section is not None
    names = list(kinds(section))
    near = nearest(key, names)
    if near is None:  # perhaps a key of a section below, written without the section
        near = next((f"{path}.{key}" for path, below in _below(section) if key in kinds(below)), None)
    return f"did you mean {near!r}?" if near else f"the keys here are {', '.join(names)}"


def _below(section: type, prefix: str = "") -> Iterator[tuple[str, type]]:
    for name, kind in kinds(section).items():
        if inner := section_in(kind):
            yield prefix + name, inner
            yield from _below(inner, f"{prefix}{name}.")
