"""YAML without surprises: the scalars of version 1.2, and no key twice.

PyYAML reads version 1.1, where `no` is false, `2e6` a string, `1:30` ninety and `010` eight; here `no` is a word, `2e6`
a number, `1:30` a word and `010` ten. Underscores in numbers are allowed, as in Python: `400_000`.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from genstruct.errors import ConfigError


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds; an empty file is an empty mapping. Raises ConfigError."""
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give the path of a YAML file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file; give the path of a YAML file") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {_reason(error)}") from error
    if values is not None and not isinstance(values, dict):
        raise ConfigError(f"{path}: expected lines of 'key: value', got {type(values).__name__}")
    return values or {}


def parse_yaml(text: str) -> Any:
    """YAML text as Python values. Raises yaml.YAMLError."""
    try:
        return yaml.load(text, _Loader)
    except RecursionError as error:
        raise yaml.YAMLError("nested too deeply") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # of scalars with a tag: `!!int x`
        raise yaml.YAMLError(f"a value that does not fit its type ({error})") from error


def _reason(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    text = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"line {mark.line + 1}: {text}" if mark else text


class _Loader(yaml.SafeLoader):
    def construct_document(self, node: yaml.Node) -> Any:
        self.deep_construct = True  # so that what contains itself (`&a [*a]`) is refused
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is not a word", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} occurs twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}  # of its own, and none of those of version 1.1
_NUMBER = r"[0-9][0-9_]*"
_FLOAT = rf"[-+]?(?:\.[0-9]+|{_NUMBER}(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan"
for _tag, _pattern, _starts in (
    ("null", "~|null|", ["~", "n", ""]),
    ("bool", "true|false", list("tf")),
    ("int", rf"[-+]?{_NUMBER}", list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _starts)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value.replace("_", "")))
