import json
import subprocess
import sys
from types import ModuleType

import pytest

from genstruct import __version__
from genstruct.cli import main as cli
from genstruct.cli.main import main
from genstruct.errors import DataError


def command(run):
    """The module of a command that does `run`."""

    def add_arguments(parser):
        parser.add_argument("thing", nargs="?")
        parser.add_argument("overrides", nargs="*")
        parser.add_argument("--number", type=int)

    module = ModuleType("toy", "`genstruct toy`: does what it is told.")
    module.run, module.add_arguments = run, add_arguments
    return module


@pytest.fixture
def toy(monkeypatch):
    def install(run):
        monkeypatch.setattr(cli, "load_command", lambda name: command(run))

    return install


def fails(capsys, *arguments):
    """The one line on standard error of a command that ends with status 2."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err.strip()


def test_help_lists_every_command_and_what_it_does(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "train      learn from unlabelled images what an experiment file describes" in text
    assert all(f"\n  {name} " in text for name in cli.COMMANDS)
    assert main([]) == 0
    assert capsys.readouterr().out == text


def test_the_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"genstruct {__version__}"


def test_the_package_can_be_run_as_a_module():
    done = subprocess.run([sys.executable, "-m", "genstruct", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, f"genstruct {__version__}", "")


def test_help_names_all_sources_and_defaults(capsys):
    main(["masks", "--help"])
    assert "torchvision:NAME" in capsys.readouterr().out
    main(["evaluate", "masks", "--help"])
    assert "a prediction above it is object (0.5)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_says_what_its_options_are(capsys, name):
    assert main([name, "--help"]) == 0
    assert f"genstruct {name}" in capsys.readouterr().out


def test_help_answers_without_importing_torch_and_without_warnings():
    script = (
        "import sys, json; from genstruct.cli.main import COMMANDS, main; "
        "statuses = [main(a) for a in (['--version'], ['--help'], *([name, '--help'] for name in COMMANDS))]; "
        "print(json.dumps([statuses, [m for m in ('torch', 'torchvision', 'tensorboard', 'cv2') if m in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [[0] * (2 + len(cli.COMMANDS)), []]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "unknown command 'trian'; did you mean 'train'?"),
        (
            ["zzz"],
            "unknown command 'zzz'; commands are train, masks, graph, viewpoints, samples, evaluate, views, data",
        ),
        (["train", "--otu", "x"], "unknown argument '--otu'; did you mean --out?; see genstruct train --help"),
        (["data", "--wrks=3", "x"], "unknown argument '--wrks=3'; did you mean --workers?; see genstruct data --help"),
        (["evaluate", "mask"], "did you mean 'masks'?; see genstruct evaluate --help"),
        (["masks", "photos", "--mod", "x", "--out", "y"], "the following arguments are required: --model"),
        (
            ["masks", "a", "--model", "b", "--out", "c", "--batch", "0"],
            "argument --batch: must be a whole number of at least 1, got '0'",
        ),
        (
            ["evaluate", "masks", "--pred", "a", "--truth", "b", "--seed", "-1"],
            "--seed: must be a whole number of at least 0",
        ),
        (
            ["evaluate", "masks", "--pred", "a", "--truth", "b", "--limit", "0"],
            "--limit: must be a whole number of at lea",
        ),
        (
            ["evaluate", "masks", "--pred", "a", "--truth", "b", "--threshold", "x"],
            "--threshold: must be a number, got 'x'",
        ),
        (["data", ""], "no images given"),
        (["train"], "give an experiment file, for example configs/"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_status_2(capsys, arguments, message):
    line = fails(capsys, *arguments)
    assert line.startswith("genstruct: error: ")
    assert message in line


def test_the_status_of_a_command_is_passed_on(toy):
    toy(lambda args: args.number)
    assert main(["toy", "--number", "7"]) == 7


def test_overrides_may_have_dashes_and_stand_anywhere(toy):
    seen = []
    toy(lambda args: seen.append((args.thing, args.overrides, args.number)) or 0)
    assert main(["toy", "file", "a=1", "--number", "3", "b.c=2", "--d.e=x y"]) == 0
    assert seen == [("file", ["a=1", "b.c=2", "--d.e=x y"], 3)]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DataError("photos: nothing\nthere"), "genstruct: error: photos: nothing there"),
        (PermissionError(13, "Permission denied", "/x/y"), "genstruct: error: /x/y: Permission denied"),
        (PermissionError(13, "Permission denied", "/x\x1b[2J"), "genstruct: error: /x\\x1b[2J: Permission denied"),
        (DataError("a\x1b[2J\u202eb is no image"), "genstruct: error: a\\x1b[2J\\u202eb is no image"),
        (OSError(28, "No space left on device"), "genstruct: error: No space left on device"),
    ],
)
def test_an_error_of_the_user_is_one_line_unless_asked_for_more(toy, capsys, error, line):
    def run(args):
        raise error

    toy(run)
    assert fails(capsys, "toy") == line
    assert main(["toy", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_error_of_ours_is_not_hidden(toy):
    def run(args):
        raise ZeroDivisionError

    toy(run)
    with pytest.raises(ZeroDivisionError):
        main(["toy"])


def test_an_interrupt_ends_with_status_130(toy, capsys):
    def run(args):
        raise KeyboardInterrupt

    toy(run)
    assert main(["toy"]) == 130
    assert capsys.readouterr().err == "genstruct: interrupted\n"


def test_a_reader_that_has_seen_enough_is_no_error():
    script = "from genstruct.cli import main as m; m._top_parser = lambda: m.Parser(epilog='x' * 10**6); m.main([])"
    command = [sys.executable, "-c", f"import sys; {script}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(60)
