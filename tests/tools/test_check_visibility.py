"""The table of visibility beside pytorch3d's."""

import importlib
import json
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("check_visibility")


def test_a_folder_of_files_is_compared(tool, tmp_path, capsys):
    pytest.importorskip("pytorch3d", reason="the peer is an extra")
    square = "v -1 -1 0\nv 1 -1 0\nv 1 1 0\nv -1 1 0\n"
    (tmp_path / "once.obj").write_text(square + "f 1 2 3\nf 1 3 4\n")
    (tmp_path / "twice.obj").write_text(square + "f 1 2 3\nf 1 3 4\nf 1 2 4\nf 2 3 4\n")  # two surfaces in one place
    settings = ["--sizes", "32", "--views", "2", "--json", str(tmp_path / "shares.json")]
    assert tool.main([str(tmp_path), *settings]) == 0
    results = json.loads((tmp_path / "shares.json").read_text())
    assert list(results) == ["sphere", "grid", "once", "twice"]
    for name in ("sphere", "grid", "once"):
        assert results[name]["32"]["auto"] == {"equal": 1, "one_only": 0, "as_near": 0}
    row = results["twice"]["32"]["auto"]
    assert row["one_only"] == 0 and row["equal"] + row["as_near"] == pytest.approx(1)
    assert "lowest share of equal pixels" in capsys.readouterr().out


def test_a_folder_without_meshes_is_an_error_in_words(tool, tmp_path, capsys):
    assert tool.main([str(tmp_path)]) == 2
    assert f"no mesh files (.glb, .gltf, .obj, .ply, .stl, .off) in {tmp_path}" in capsys.readouterr().err
