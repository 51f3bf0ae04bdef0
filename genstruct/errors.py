"""Every error a user can cause, so that a command can tell "your input" from "our bug".

A message says what is wrong, what came, and what to do, in one line.
"""

import difflib
from collections.abc import Sequence


class GenstructError(Exception):
    """Base of all errors that carry a message for the user; commands print it without a traceback and exit with 2."""


class ConfigError(GenstructError):
    """A configuration value or command line that cannot be used."""


class DataError(GenstructError):
    """A data set that cannot be read as a whole (empty folder, broken metadata, hostile archive)."""


class ImageError(DataError):
    """One image that cannot be read; batch commands report it and go on with the next."""


class ShapeError(GenstructError):
    """A tensor of the wrong shape, type or range handed to a public function."""


class CheckpointError(GenstructError):
    """A checkpoint or weights file that is truncated, of another kind, or of a newer format."""


class OutputError(GenstructError):
    """A place that cannot be written: no permission, no space, or files there that are not ours."""


class MissingDependency(GenstructError):  # noqa: N818 - reads as what it is, like ModuleNotFoundError
    """An optional package is needed; the message carries the line that installs it."""


def nearest(word: str, words: Sequence[str]) -> str | None:
    """The word most like `word`, if one is alike."""
    return next(iter(difflib.get_close_matches(word, words, 1, 0.6)), None)
