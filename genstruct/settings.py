"""Settings are frozen dataclasses whose values are checked, by pydantic, however they are made.

A class of settings says everything of a setting in one place: type, bounds and default, and below them what it means
and in which unit. What concerns several settings is a check in `__post_init__`.

```python
@settings
class MocoConfig:
    name: Literal["moco"] = "moco"  # only where a class is chosen by its name, see `Choice`
    queue: PositiveInt = 4096  # pydantic's names, `Share`, or Annotated[int, Field(ge=1, le=9)]
    "Negatives to keep, images."

    def __post_init__(self) -> None:
        if self.queue % 8:
            raise ConfigError(f"queue must be a multiple of 8, got {self.queue}")
```

`MocoConfig(queue=0)` in Python and `genstruct.configuration.build` say the same of a wrong value; the latter puts the
section before it: `method.queue: expected int above 0, got 0`. Types are strict, but a float without a fraction is an
int, and a list a tuple; NaN and infinity are no numbers. What a file leaves out of a section is as in the default of
the field that holds the section. A class variable `renamed` lists how keys were once called (`genstruct.renamed`).
Modules of settings import nothing heavy, above all no torch: `genstruct train CONFIG --help` reads them all.
"""

import dataclasses
import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin

from pydantic import BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, Strict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from genstruct.errors import ConfigError, nearest
from genstruct.setting_errors import CHECK, in_words, shown
from genstruct.setting_kinds import choices_in, default_of, is_number, item, kinds

T = TypeVar("T")
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field, Field))
def settings(cls: type[T]) -> type[T]:
    """Make a frozen dataclass whose values are checked however it is built; wrong ones raise ConfigError."""
    own = inspect.get_annotations(cls)
    if get_origin(own.get("name", Literal)) is not Literal and "name" in own:
        raise TypeError(f'{cls.__name__}.name: the key "name" is for choices alone: name: Literal["moco"] = "moco"')
    plain: Any = cls
    if "__post_init__" in vars(cls):
        plain.__post_init__ = _in_place(plain.__post_init__)
    cls.__annotations__ = {name: _over_default(_strict(kind), vars(cls).get(name)) for name, kind in own.items()}
    made: Any = validated(frozen=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))(cls)
    made.__init__ = _told(made.__init__)
    return made


def checked_class(cls: type[T]) -> type[T]:
    """`cls`; TypeError for another kind of dataclass, whose unknown keys pydantic would ignore without a word."""
    if not is_pydantic_dataclass(cls):
        raise TypeError(f"{cls.__name__} is no class of settings: decorate it with genstruct.settings.settings")
    return cls


@dataclass(frozen=True, eq=False)
class Choice:
    """One of several classes of settings, chosen by their key `name`: `method: Annotated[Any, Choice({...})]`.

    A `name` in a file or an override begins with the defaults of its class: keys of another class are not carried over.

    Args:
        table: "module:Class" by name. Only the module of the chosen class is imported.
    """

    table: Mapping[str, str]

    def named(self, name: Any) -> type | None:
        """The class called so; None if there is none."""
        if not isinstance(name, str) or name not in self.table:
            return None
        module, _, attribute = self.table[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_in_place(self._chosen))

    def _chosen(self, value: Any) -> Any:
        listed = f"; names are {', '.join(self.table)}"
        if not isinstance(value, Mapping) and not hasattr(value, "name"):
            raise ConfigError(f"expected keys and values with a name, got {shown(value)}{listed}")
        name = item(value, "name")
        cls = self.named(name)
        if cls is not None:
            return TypeAdapter(checked_class(cls)).validate_python(value)
        near = nearest(str(name), list(self.table))
        what = "needs a name" if name is None else f"unknown name {shown(name)}"
        raise ConfigError(what + (f"; did you mean {near!r}?" if near else listed))


def merged(below: Any, above: Any, path: str = "") -> Any:
    """`above` over `below`, key by key in sections and item by item in lists: `{"rounds": {"0": {"size": 32}}}`."""
    if not isinstance(above, Mapping):
        return above
    if isinstance(below, list | tuple) and above and all(map(is_number, above)):
        return _placed(below, above, path)
    if dataclasses.is_dataclass(below):  # whose dictionaries are replaced: they are values
        if "name" in above and hasattr(below, "name"):
            return above
        held = {field.name: getattr(below, field.name) for field in dataclasses.fields(below)}
        inside = {key: value for key, value in held.items() if not isinstance(value, Mapping)}
    elif isinstance(below, Mapping) and not ("name" in below and above.get("name", below["name"]) != below["name"]):
        held = inside = below
    else:
        return above
    return {**held, **{k: merged(inside.get(k), v, f"{path}.{k}".removeprefix(".")) for k, v in above.items()}}


def _placed(items: Sequence[Any], changes: Mapping[str, Any], path: str) -> list[Any]:
    missing = next((key for key in changes if int(key) >= len(items)), None)
    if missing is not None:
        numbered = f"it has {len(items)} items, numbered from 0" if items else "it is empty"
        raise ConfigError(f"{path + ': ' if path else ''}no item {missing!r}: {numbered}; set the whole list")
    new = {int(key): value for key, value in changes.items()}
    return [merged(item, new[i], f"{path}.{i}") if i in new else item for i, item in enumerate(items)]


def _over_default(kind: Any, default: Any) -> Any:
    """`kind`, whose values may be partial: the rest is as in the default that the class gives this field."""
    if default is None or get_origin(kind) is ClassVar:
        return kind

    def complete(given: Any) -> Any:
        if not isinstance(given, Mapping) or ("name" in given and any(choices_in(kind))):
            return given
        base = default_of(default) if isinstance(default, dataclasses.Field) else default
        return given if isinstance(base, Mapping) else merged(base, given)

    return Annotated[kind, BeforeValidator(_in_place(complete))]


def _in_place(check: Callable[..., Any]) -> Callable[..., Any]:
    """`check`, whose ConfigError becomes pydantic's, which knows in which section it arose."""

    @functools.wraps(check)
    def checked(*args: Any) -> Any:
        try:
            return check(*args)
        except ConfigError as error:
            raise PydanticCustomError(CHECK, "{text}", {"text": str(error)}) from error

    return checked


def _told(init: Callable[..., None]) -> Callable[..., None]:
    """`__init__`, with mistakes in our words."""

    @functools.wraps(init)
    def told(self: Any, *args: Any, **given: Any) -> None:
        try:
            init(self, *args, **given)
        except ValidationError as error:
            raise in_words(type(self), dict(zip(kinds(type(self)), args, strict=False)) | given, error) from None

    return told


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


_STRICT = {kind: Annotated[kind, Strict()] for kind in (bool, float, str)}
_STRICT[int] = Annotated[int, Strict(), BeforeValidator(_whole)]


def _strict(kind: Any) -> Any:
    """A type that takes no text for a number and no number for a truth, wherever these are in it."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (ClassVar, Literal):
        return kind
    if origin is Annotated:
        return Annotated[(_strict(args[0]), *args[1:])]
    if origin in (Union, UnionType):
        return Union[tuple(map(_strict, args))]  # noqa: UP007 - of as many as there are
    if args:
        return origin[tuple(map(_strict, args))]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return checked_class(kind)
    return _STRICT.get(kind, kind)
