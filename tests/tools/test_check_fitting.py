"""Fits of mesh files: from a file to a table, a picture and errors that fall."""

import importlib
import json
from pathlib import Path

import jaxtyping
import pytest
import torch
from PIL import Image

from genstruct.geometry.surfaces import octahedral_sphere

TOOLS = Path(__file__).parents[2] / "tools"
FEW = ["--size", "32", "--pose-views", "2", "--starts", "2", "--pose-steps", "30"]
FEW += ["--shape-views", "4", "--shape-steps", "20"]


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # hundreds of steps; other tests check shapes
    return importlib.import_module("check_fitting")


@pytest.fixture
def body(tmp_path):
    """A smooth body of 128 triangles without any symmetry, in a file without colours."""
    surface = octahedral_sphere(8)
    x, y, z = surface.vertices[0].unbind(-1)
    bent = torch.stack([0.55 * x + 0.12 * z**2, 0.4 * y + 0.15 * x.clamp(min=0) ** 2, 0.85 * z + 0.1 * x * y], -1)
    lines = [f"v {a} {b} {c}" for a, b, c in bent.tolist()] + [
        f"f {a} {b} {c}" for a, b, c in (surface.faces + 1).tolist()
    ]
    path = tmp_path / "body.obj"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_poses_and_shapes_of_a_file_are_recovered_and_shown(tool, body, tmp_path, capsys):
    assert tool.main([str(body), *FEW, "--json", str(tmp_path / "fit.json"), "--out", str(tmp_path / "seen")]) == 0
    table = capsys.readouterr().out
    found = json.loads((tmp_path / "fit.json").read_text())["body"]
    pose, shape = found["pose"], found["shape"]
    assert found["triangles"] == 128
    assert 15 <= pose["start"]["degrees_median"] <= pose["start"]["degrees_largest"] <= 30
    assert pose["start"]["shift_median"] == pytest.approx(0.1)
    for kind in ("silhouettes", "colors"):
        assert pose[kind]["degrees_largest"] < 4 and pose[kind]["shift_largest"] < 0.05
        assert shape[f"bent, {kind}"]["overlap"] > 0.95 > 0.9 > shape["bent"]["overlap"]
        assert shape[f"bent, {kind}"]["vertices"] < 0.8 * shape["bent"]["vertices"]
        assert shape[f"ellipsoid, {kind}"]["overlap"] > shape["ellipsoid"]["overlap"]
    assert shape["the mesh itself"]["vertices"] == 0 and shape["the mesh itself"]["chamfer"] < 0.03
    assert all(f"    {name} " in table for name in [*pose, *shape])
    with Image.open(tmp_path / "seen" / "body.png") as picture:
        assert picture.width > 500


def test_a_seed_is_a_result(tool, body, tmp_path):
    from benchmarks import fitting

    mesh = fitting.from_file(body)
    assert torch.equal(fitting.bent(mesh, 0.08, 1).vertices, fitting.bent(mesh, 0.08, 1).vertices)
    one, two, other = (fitting.wrong_poses(3, (15.0, 30.0), 0.1, seed).rotation for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_without_gradients_of_silhouettes_no_pose_is_found(tool, body, monkeypatch):
    from benchmarks import fitting

    drawn = fitting.render
    monkeypatch.setattr(fitting, "render", lambda *args, **settings: drawn(*args, **settings, silhouette="none"))
    start = fitting.wrong_poses(2, (15.0, 30.0), 0.1, 0)
    with pytest.raises(RuntimeError, match="does not require grad"):
        fitting.fit_pose(fitting.Task(fitting.from_file(body), 32, 2, 2), "silhouettes", start)


def test_a_file_that_is_missing_is_an_error_in_words(tool, tmp_path, capsys):
    assert tool.main([str(tmp_path / "none.obj")]) == 2
    assert "none.obj" in capsys.readouterr().err
