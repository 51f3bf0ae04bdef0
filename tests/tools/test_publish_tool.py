import importlib.util
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("publish_tool", TOOLS / "publish_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scores", "val.json"], "--scores takes SET=FILE, for example val=out/val.json; got 'val.json'"),
        ([], "no such file"),
    ],
)
def test_mistakes_are_one_line_and_status_2(tool, tmp_path, capsys, arguments, message):
    assert tool.main([str(tmp_path), "--name", "cars", "--assets", str(tmp_path / "assets"), *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert message in lines[0]
