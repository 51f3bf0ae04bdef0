"""Strict reading of settings (`genstruct.settings`) from YAML and overrides, the way back, and their list for `--help`.

A typo stops the command: `data: unknown key 'siez'; did you mean 'size'?`.
"""

import ast
import dataclasses
import functools
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from genstruct.errors import ConfigError
from genstruct.renamed import refuse_old
from genstruct.setting_errors import in_words, wrong_leaves
from genstruct.setting_kinds import choices_in, default_of, item, kinds, words
from genstruct.settings import checked_class, merged
from genstruct.strict_yaml import parse_yaml

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """One leaf of a configuration, for `--help`.

    Args:
        key: Dotted.
        kind: Its type, in words.
        value: What it is now.
        default: What it is where nothing is said; None where something must be.
        help: Its documentation, with the unit.
    """

    key: str
    kind: str
    value: Any
    default: Any
    help: str


def build(cls: type[T], values: Any, overrides: Sequence[str] = ()) -> T:
    """Fill a class of settings and those inside it.

    Args:
        cls: Made by `settings`; its defaults hold for what is not given.
        values: Nested mappings, as read from YAML.
        overrides: `key.sub=value`, with or without leading dashes; a later one wins. Values are YAML.

    Raises:
        ConfigError: An unknown key, a missing or wrong value, or an override without "=".
    """
    written = list(map(split_override, overrides))
    changes = functools.reduce(merged, (_nested(key, _parsed(text)) for key, text in written), {})
    given, adapter = merged(values, changes) if overrides else values, TypeAdapter(checked_class(cls))
    refuse_old(given, getattr(cls, "renamed", {}))
    try:
        return adapter.validate_python(given)
    except ValidationError as error:
        wrong = tuple(f"{place}." for place in wrong_leaves(cls, given, error))
    texts = [_nested(key, text) for key, text in written if f"{key}.".startswith(wrong)]
    try:  # what looks like a number may be a name
        return adapter.validate_python(functools.reduce(merged, texts, given))
    except ValidationError as error:
        raise in_words(cls, given, error) from None


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


def leaves(config: Any, prefix: str = "", default: Any = None, names: Sequence[str] = ()) -> Iterator[Setting]:
    """Every leaf of a configuration with its type, value, default and documentation, in order.

    Args:
        config: Made by `settings`.
        prefix: Of all keys, with its dot.
        default: What `config` is where nothing is said; that of its class where it is of another one.
        names: If it was chosen by its name, all names.
    """
    help_of = _documentation(type(config))
    defaults = vars(default) if type(default) is type(config) else _defaults(type(config))
    for name, kind in kinds(type(config)).items():
        value, key, usual = getattr(config, name), f"{prefix}{name}", defaults.get(name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{key}.", usual, [name for choice in choices_in(kind) for name in choice.table])
        elif isinstance(value, list | tuple) and value and all(map(dataclasses.is_dataclass, value)):
            for number, one in enumerate(value):
                yield from leaves(one, f"{key}.{number}.", item(usual, str(number)))
        else:
            about = f"one of {', '.join(names)}" if name == "name" and names else words(kind)
            yield Setting(key, about, plain(value), plain(usual), help_of.get(name, ""))


def _defaults(cls: type) -> dict[str, Any]:
    return {field.name: default_of(field) for field in dataclasses.fields(cls)}


def _nested(key: str, value: Any) -> Any:
    return functools.reduce(lambda inner, part: {part: inner}, reversed(key.split(".")), value)


def _parsed(text: str) -> Any:
    """The text of an override as YAML; a word, or text that is no YAML, stands for itself."""
    try:
        value = parse_yaml(text)
    except yaml.YAMLError:
        return text
    return text if isinstance(value, str) else value


@functools.cache
def _documentation(cls: type) -> dict[str, str]:
    """The text below each field."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        except OSError:  # without its source
            continue
        for field, text in itertools.pairwise(tree.body if isinstance(tree, ast.ClassDef) else ()):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and (said := _text(text)):
                found[field.target.id] = " ".join(said.split())
    return found


def _text(node: ast.stmt) -> str:
    """What a statement that is only a string says; nothing of others."""
    value = node.value.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) else ""
    return value if isinstance(value, str) else ""
