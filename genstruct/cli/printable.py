"""Text of others for the terminal: names of files may hold anything but "/" and a zero byte."""

import unicodedata


def printable(text: object) -> str:
    """The text of `text` on one line, with control characters, line breaks and the like as escapes (`\\x1b`, `\\n`).

    A terminal would obey them, and bytes that are no text, which Python holds as lone surrogates, cannot be printed at
    all. Spaces of all widths stay: cameras and screenshots have them.
    """
    return "".join(letter if _is_plain(letter) else _escaped(letter) for letter in str(text))


def _is_plain(letter: str) -> bool:
    return letter.isprintable() or unicodedata.category(letter) == "Zs"


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
