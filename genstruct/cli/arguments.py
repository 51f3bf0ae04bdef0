"""Kinds of numbers and places that options take; argparse shows their messages."""

import argparse
import math
from pathlib import Path


def place(text: str) -> Path:
    """A path, `~` for the home folder also where the shell leaves it (`--out=~/x`)."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:  # the home of nobody known
        return path


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def number(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}")
    return value


def fraction(text: str) -> float:
    """A number in [0, 1)."""
    value = number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, got {text}")
    return value
