"""Every tool ends as the commands do: a mistake and a signal are one line with its name."""

import argparse
import importlib
import signal
from pathlib import Path

import pytest

from genstruct.errors import ConfigError

TOOLS = Path(__file__).parents[2] / "tools"
NAMES = sorted(path.stem for path in TOOLS.glob("*.py") if "\ndef main(" in path.read_text())


@pytest.fixture
def ended(monkeypatch, capsys):
    """Status and line of a tool that does this instead of reading its arguments."""
    monkeypatch.syspath_prepend(str(TOOLS))

    def run(name, act):
        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", lambda *_: act())
        status = importlib.import_module(name).main()
        return status, capsys.readouterr().err

    return run


def wrong():
    raise ConfigError("no such\nthing")


@pytest.mark.parametrize("name", NAMES)
def test_a_signal_and_a_mistake_are_told_in_a_line(ended, name):
    assert ended(name, wrong) == (2, f"{name}: error: no such thing\n")
    for number, word in ((signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")):
        status, line = ended(name, lambda number=number: signal.raise_signal(number))
        assert status == 128 + number
        assert line in (f"{name}: {word}\n", f"{name}: {word}; the same command continues\n")
