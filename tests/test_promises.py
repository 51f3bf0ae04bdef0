"""What the texts and the packaging promise. (Configurations: test_configs; exact resume: train/test_trainer.)"""

import json
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from genstruct.cli.main import command_parser, load_command
from genstruct.experiments import load_experiment

ROOT = Path(__file__).parent.parent
TOOLS = sorted((ROOT / "tools").glob("*.py"))
OPTIONAL = ("lmdb", "cv2", "pytest", "beartype", "pytorch3d", "imageio_ffmpeg", "matplotlib")
# Written in two parts, so that this file does not hold them.
MACHINE_PATHS = [
    re.compile(r"(?<![\w.])" + first + second) for first, second in (("/wo", "rk/"), ("/ho", r"me/\w"), ("/ro", "ot/"))
]


def texts():
    """All pages for people: README of every room, CONTRIBUTING, cards of weights."""
    places = ("*.md", "assets/*.md", "configs/**/*.md", "tools/**/*.md", "genstruct/**/*.md")
    return sorted(path for place in places for path in ROOT.glob(place))


def shown_commands():
    """Command lines of the code blocks of all texts, continuation lines joined, comments and prompts taken off."""
    pattern = re.compile(r"^```(?:bash|sh|console|shell)\n(.*?)^```", re.M | re.S)
    blocks = [block for path in texts() for block in pattern.findall(path.read_text())]
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|\|", line.removeprefix("$ ")):
            words = shlex.split(part, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words:
                yield words


def as_genstruct(words):
    """A command line as arguments of `genstruct`, or None."""
    if words[0] == "genstruct":
        return words[1:]
    tools = {"tools/train.py": "train", "tools/extract_masks.py": "masks", "tools/evaluate.py": "evaluate"}
    for number, word in enumerate(words):
        if word in tools:
            return [tools[word], *words[number + 1 :]]
    return None


def test_the_texts_show_commands():
    shown = [" ".join(words) for words in shown_commands()]
    assert any(line.startswith("make demo") for line in shown)
    assert any(line.startswith("genstruct train configs/") for line in shown)
    assert any(line.startswith("genstruct masks --model") for line in shown)


@pytest.mark.parametrize("words", list(shown_commands()), ids=" ".join)
def test_every_command_of_the_texts_can_be_run_as_it_stands(words):
    for word in words:
        if word.startswith(("configs/", "tools/", "assets/")):
            assert (ROOT / word).exists(), word
    if words[0] == "make":
        targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
        assert {word for word in words[1:] if "=" not in word} <= targets
    arguments = as_genstruct(words)
    if arguments is None or arguments[0].startswith("-"):
        return
    args = command_parser(arguments[0], load_command(arguments[0])).parse(arguments[1:])
    if arguments[0] == "train" and args.config is not None:
        load_experiment(ROOT / args.config, args.overrides)


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_and_module_that_a_text_names_is_there(path):
    text = path.read_text()
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / link).exists(), link
    for name in re.findall(r"`((?:genstruct|configs|tools|assets|tests)/[\w./-]*)`", text):
        assert (ROOT / name).exists() or re.search(r"\b(NAME|CAPABILITY|FORMAT)\b", name), name
    for name in re.findall(r"`(genstruct(?:\.\w+)+)`", text):
        assert resolves(name), name
    for names in re.findall(r"^from (genstruct[\w.]*) import ([\w, ]+)$", text, re.M):
        for name in names[1].split(", "):
            assert resolves(f"{names[0]}.{name}"), names


def resolves(name):
    """Whether a dotted name is a module, or something in one."""
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 200


def fresh(script, *arguments):
    """What `script` prints as JSON, in a new process where warnings are errors."""
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_the_package_imports_nothing_heavy_and_warns_of_nothing():
    script = "import sys, json; before = set(sys.modules); import genstruct; print(json.dumps(sorted(sys.modules)))"
    assert not {"torch", "torchvision", "numpy", "PIL", "pydantic"} & set(fresh(script))


def test_reading_every_configuration_and_its_help_imports_no_torch():
    script = """
import json, pathlib, sys
from genstruct.cli.train import key_table
from genstruct.experiments import load_experiment, resolved
for path in pathlib.Path("configs").rglob("*.yaml"):
    experiment = load_experiment(path, ["data.root=photos"])
    resolved(experiment)
    assert "data.root=photos" in key_table(experiment)
print(json.dumps(sorted(sys.modules)))
"""
    modules = set(fresh(script))
    assert "genstruct.segmentation.experiment" in modules
    assert not {"torch", "torchvision", "kornia", "numba"} & modules


def test_every_module_can_be_imported_without_the_optional_packages():
    script = """
import importlib, json, pkgutil, sys, warnings
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
warnings.filterwarnings("default", module="(?!genstruct)")
import genstruct
names = [m.name for m in pkgutil.walk_packages(genstruct.__path__, "genstruct.")]
for name in names:
    importlib.import_module(name)
print(json.dumps(names))
"""
    names = fresh(script, *OPTIONAL)
    assert {"genstruct.data.lsun", "genstruct.cli.masks", "genstruct.segmentation.experiment"} <= set(names)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda path: path.name)
def test_every_tool_says_what_it_is_for_at_once(tool):
    script = """
import runpy, sys
tool = sys.argv[1]
sys.argv, sys.path[0] = [tool, "--help"], tool.rpartition("/")[0]
try:
    runpy.run_path(tool, run_name="__main__")
except SystemExit as stop:
    assert not stop.code
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script, tool], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage:" in done.stdout


def test_tools_with_a_command_of_their_own_only_call_it():
    for name, command in (("train", "train"), ("extract_masks", "masks")):
        text = (ROOT / "tools" / f"{name}.py").read_text()
        assert len(text.splitlines()) < 12
        assert f'main(["{command}", *sys.argv[1:]])' in text


def test_the_tested_versions_cover_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    pins = dict(line.split("==") for line in lines if line)
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    optional = [text for extra in project["optional-dependencies"].values() for text in extra]
    for text in [*project["dependencies"], *optional]:
        need = Requirement(text)
        assert canonicalize_name(need.name) in pins, need.name
        assert need.specifier.contains(pins[canonicalize_name(need.name)]), text


def test_an_installed_package_has_its_templates_its_marker_of_types_and_its_texts():
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    places = {name: "genstruct/**" if name == "*" else name.replace(".", "/") for name in tables}
    patterns = [f"{places[name]}/{pattern}" for name, table in tables.items() for pattern in table]
    shipped = {file for pattern in patterns for file in ROOT.glob(pattern)}
    others = {file for file in (ROOT / "genstruct").rglob("*") if file.is_file() and file.suffix != ".py"}
    assert ROOT / "genstruct" / "py.typed" in shipped
    assert {file for file in others if "__pycache__" not in file.parts} <= shipped  # where numba keeps compiled code


def test_ci_runs_what_a_person_runs():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert re.search(r"^make test$", (ROOT / ".ci" / "run").read_text(), re.M)


def test_no_tracked_file_holds_a_path_of_a_machine():
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a checkout")
    found = []
    for name in filter(None, done.stdout.split("\0")):
        text = (ROOT / name).read_bytes().decode(errors="replace") if (ROOT / name).is_file() else ""
        found += [name for pattern in MACHINE_PATHS if pattern.search(text)]
    assert found == []
