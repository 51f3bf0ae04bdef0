"""The study of viewpoints: rows that are there are not made again, figures become a table, unknown rows are named."""

import importlib
import json
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("study_viewpoint")


@pytest.fixture
def rows(tool, tmp_path):
    """A folder with one row made."""
    (tmp_path / "rows").mkdir()
    row = {"row": "chance", "figures": {"median": 82.64, "<30": 0.18}, "seconds": 1.0}
    (tmp_path / "rows" / f"{tool.file_name('chance')}.json").write_text(json.dumps(row))
    return tmp_path


def arguments(out, *more):
    return ["no-such-data", "--masks", "no-such-masks", "--out", str(out), *more]


def test_a_row_that_is_there_needs_no_data_and_comes_into_the_table(tool, rows, capsys):
    assert tool.main(arguments(rows, "--only", "chance")) == 0
    assert "chance" in capsys.readouterr().out
    table = (rows / "table.md").read_text()
    assert table.startswith("| | median | <30 |\n") and "| chance | 82.6 | 0.180 |" in table
    assert json.loads((rows / "table.json").read_text())[0]["figures"]["median"] == 82.64


def test_a_row_that_is_missing_reads_the_data(tool, rows, capsys):
    assert tool.main(arguments(rows, "--only", "full")) == 2
    assert "no-such-data" in capsys.readouterr().err


def test_an_unknown_row_is_named_with_those_there_are(tool, rows, capsys):
    assert tool.main(arguments(rows, "--only", "chnce")) == 2
    told = capsys.readouterr().err
    assert "'chnce'" in told and "turns: roof" in told


def test_figures_about_turns_and_choices_join_in_one_line(tool):
    found = {
        "turns: roof": {"one-way": 0.7, "best match": 2.04},
        "choice by retrieval": {"roof": {"realism": 0.4, "chosen": 0.25}},
        "choice by critic": {"roof": {"realism": -1.0, "chosen": 0.5}},
    }
    rows = tool.joined(found, ["roof", "cylinder"])
    lines = tool.table(tool.TURNS, rows).splitlines()
    assert lines[0] == "| | one-way | best match | realism | chosen | realism by critic | chosen by critic |"
    assert lines[2] == "| roof | 0.700 | 2.0 | 0.400 | 0.250 | -1.000 | 0.500 |"
    assert lines[3].replace(" ", "") == "|cylinder|||||||"
