"""`genstruct COMMAND ...`: finds the command, hands it its arguments, turns errors into one line and a status.

Status 0: done; 1: done but for some items; 2: a mistake in the input, nothing or not all of it done; 130 and 143:
stopped by SIGINT or SIGTERM (`genstruct.cli.ending`). A command is a module with `add_arguments(parser)` and
`run(args) -> int`; it imports what is heavy inside `run`, so that `genstruct --help` answers at once.
"""

import argparse
import importlib
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any, NoReturn

from genstruct import __version__
from genstruct.cli.ending import ending
from genstruct.errors import ConfigError, nearest

COMMANDS = {
    "train": "genstruct.cli.train",
    "masks": "genstruct.cli.masks",
    "graph": "genstruct.cli.graph",
    "viewpoints": "genstruct.cli.viewpoints",
    "samples": "genstruct.cli.samples",
    "evaluate": "genstruct.cli.evaluate",
    "views": "genstruct.cli.views",
    "data": "genstruct.cli.data",
}
_DESCRIPTION = "Learn structure from unlabelled images of one category: masks, viewpoints, shape."


class Parser(argparse.ArgumentParser):
    """A parser that raises `ConfigError` instead of printing, and knows what an unknown option may have meant."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        near = nearest(wrong[1], re.findall(r"[\w-]+", wrong[2])) if wrong else None
        raise ConfigError(message + (f"; did you mean {near!r}?" if near else "") + f"; see {self.prog} --help")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse all arguments. Options and positional arguments may be mixed.

        A command with a positional argument called `overrides` also takes them with leading dashes (`--key.sub=value`).
        """
        args, extra = self._parse_known(arguments)
        settings = [text for text in extra if "overrides" in args and text.startswith("--") and "=" in text]
        unknown = next((text for text in extra if text not in settings), None)
        if unknown is not None:
            self._refuse(unknown)
        if settings:
            args.overrides = [*args.overrides, *settings]
        return args

    def _parse_known(self, arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        if any(isinstance(action, argparse._SubParsersAction) for action in self._actions):
            return self.parse_known_args(arguments)  # argparse cannot mix arguments around sub-commands
        return self.parse_known_intermixed_args(arguments)

    def _refuse(self, unknown: str) -> NoReturn:
        near = nearest(unknown.partition("=")[0], list(self._options())) if unknown.startswith("-") else None
        self.error(f"unknown argument {unknown!r}" + (f"; did you mean {near}?" if near else ""))

    def _options(self) -> Iterator[str]:
        for action in self._actions:
            yield from action.option_strings
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    yield from parser._options()


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Args:
        argv: Without the program's name; `sys.argv[1:]` if left out.

    Returns:
        The exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    return ending("genstruct", debug=debug)(_run)([text for text in arguments if text != "--debug"])


def command_parser(name: str, module: ModuleType) -> Parser:
    """The parser of one command."""
    parser = Parser(f"genstruct {name}", description=summary(module), conflict_handler="resolve")
    module.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show where an error comes from")
    return parser


def load_command(name: str) -> ModuleType:
    """The module of a command. Raises ConfigError for an unknown one."""
    if name not in COMMANDS:
        near = nearest(name, list(COMMANDS))
        advice = f"did you mean {near!r}?" if near else f"commands are {', '.join(COMMANDS)}"
        raise ConfigError(f"unknown command {name!r}; {advice}")
    return importlib.import_module(COMMANDS[name])


def summary(module: ModuleType) -> str:
    """What a command does, from the first line of its docstring."""
    first = (module.__doc__ or "").strip().splitlines()[0]
    return first.partition(": ")[2].rstrip(".")


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-"):
        top = _top_parser()
        top.parse(arguments)
        top.print_help()
        return 0
    name, *rest = arguments
    module = load_command(name)
    args = command_parser(name, module).parse(rest)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # on broken EXIF blocks, sizes and the like, file by file
        return module.run(args)


def _top_parser() -> Parser:
    lines = [f"  {name:<10} {summary(load_command(name))}" for name in COMMANDS]
    parser = Parser(
        "genstruct",
        usage="genstruct [--help] [--version] COMMAND ...",
        description=_DESCRIPTION,
        epilog="commands:\n" + "\n".join(lines) + "\n\ngenstruct COMMAND --help says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"genstruct {__version__}")
    parser.add_argument("--debug", action="store_true", help="with a command: show where an error comes from")
    return parser


if __name__ == "__main__":
    sys.exit(main())
