"""`genstruct views`: from a file to a film, a gif, a sheet or a folder, and what is told of bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genstruct.cli.main import main
from genstruct.export.meshes import write_mesh
from genstruct.geometry.mesh import Mesh
from genstruct.geometry.surfaces import icosphere

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def meshes(tmp_path_factory):
    """A textured .glb, .obj and .ply: a ball in red above and blue below."""
    folder = tmp_path_factory.mktemp("meshes")
    ball = icosphere(2)
    texture = torch.zeros(1, 3, 2, 1)
    texture[0, 0, 0], texture[0, 2, 1] = 1, 1
    height = torch.where(ball.vertices[0, :, 1] > 0, 0.25, 0.75)
    uv = torch.stack([torch.full_like(height, 0.5), height], -1)
    for suffix in (".glb", ".obj", ".ply"):
        write_mesh(folder / f"ball{suffix}", Mesh(ball.vertices * 30 + 7, ball.faces, uv, None, texture))
    return folder


def draw(mesh, out, *options):
    return main(["views", str(mesh), "--out", str(out), "--size", "32", "--frames", "3", "--samples", "1", *options])


@pytest.mark.parametrize("suffix", [".glb", ".obj", ".ply"])
def test_a_mesh_file_becomes_a_sheet_upright_and_in_its_colors(meshes, tmp_path, capsys, suffix):
    assert draw(meshes / f"ball{suffix}", tmp_path / "turn.png", "--no-light", "--elevation", "0") == 0
    assert f"3 views of {meshes / 'ball'}{suffix} (320 triangles) written to {tmp_path / 'turn.png'}\n" in (
        capsys.readouterr().out
    )
    with Image.open(tmp_path / "turn.png") as image:
        sheet = np.asarray(image)
    assert sheet.shape == (64, 64, 3)
    for top, left in ((0, 0), (0, 32), (32, 0)):
        assert np.abs(sheet[top + 6, left + 16].astype(int) - (255, 0, 0)).max() <= 2
        assert np.abs(sheet[top + 26, left + 16].astype(int) - (0, 0, 255)).max() <= 2
    assert (sheet[32:, 32:] == 255).all()


@pytest.mark.parametrize("name", ["turn.mp4", "turn.gif", "deep/turn"])
def test_every_format_is_written(meshes, tmp_path, name):
    assert draw(meshes / "ball.glb", tmp_path / name, "--fps", "10", "--size", "40x32") == 0
    if name == "deep/turn":
        assert len(list((tmp_path / name).iterdir())) == 3
        return
    assert (tmp_path / name).stat().st_size > 500
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_can_be_transparent(meshes, tmp_path):
    assert draw(meshes / "ball.glb", tmp_path / "views", "--background", "none", "--size", "48x32") == 0
    with Image.open(tmp_path / "views" / "view_002.png") as image:
        pixels = np.asarray(image)
    assert pixels.shape == (32, 48, 4)
    assert pixels[16, 24, 3] == 255
    assert (pixels[0, 0] == 0).all()


def test_the_background_and_the_axis_that_points_up_can_be_chosen(meshes, tmp_path):
    options = ("--background", "#204060", "--up", "z", "--no-light", "--elevation", "90", "--frames", "1")
    assert draw(meshes / "ball.glb", tmp_path / "turn.png", *options) == 0
    with Image.open(tmp_path / "turn.png") as image:
        assert image.getpixel((0, 0)) == (0x20, 0x40, 0x60)
        low, high = np.asarray(image)[26, 16], np.asarray(image)[6, 16]
    # From above (+z of the file), its front -y, which is blue, is at the lower edge.
    assert low.tolist() == [0, 0, 255]
    assert high.tolist() == [255, 0, 0]


def test_a_mesh_without_any_color_is_gray(tmp_path):
    write_mesh(tmp_path / "ball.obj", Mesh(icosphere(1).vertices, icosphere(1).faces))
    assert draw(tmp_path / "ball.obj", tmp_path / "turn.png", "--no-light", "--frames", "1") == 0
    with Image.open(tmp_path / "turn.png") as image:
        assert image.getpixel((16, 16)) == (180, 180, 180)


def test_what_is_lost_is_told_and_status_1_and_harmless_remarks_are_told_only(tmp_path, capsys):
    square = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
    (tmp_path / "a.obj").write_text(f"mtllib lo\u009bst.mtl\nusemtl a\n{square}f 1 2 3 4\nl 1 2\n")
    assert draw(tmp_path / "a.obj", tmp_path / "a.png") == 1
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        f"note: {tmp_path / 'a.obj'}: the material file 'lo\\x9bst.mtl' is not there; drawn without it",
        f"note: {tmp_path / 'a.obj'}: lines are not drawn",
    ]
    assert "3 views" in told.out
    (tmp_path / "b.obj").write_text(f"{square}f 1 2 3 4\nl 1 2\n")
    assert draw(tmp_path / "b.obj", tmp_path / "b.png") == 0
    assert capsys.readouterr().err == f"note: {tmp_path / 'b.obj'}: lines are not drawn\n"


def test_what_is_there_is_replaced_only_on_request(meshes, tmp_path, capsys):
    out = tmp_path / "turn.gif"
    out.write_text("mine")
    assert draw(meshes / "ball.glb", out) == 2
    assert out.read_text() == "mine"
    assert "or --overwrite" in capsys.readouterr().err
    assert draw(meshes / "ball.glb", out, "--overwrite") == 0
    assert out.read_bytes().startswith(b"GIF89a")


@pytest.fixture
def bad(tmp_path, meshes):
    whole = (meshes / "ball.glb").read_bytes()
    (tmp_path / "cut.glb").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.ply").write_bytes(b"")
    (tmp_path / "points.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    (tmp_path / "nan.obj").write_text("v 0 0 0\nv nan 0 0\nv 0 1 0\nf 1 2 3\n")
    (tmp_path / "shape.stp").write_text("ISO-10303-21;")
    (tmp_path / "big.obj").write_bytes(b"# large\n" * 200_000)
    return tmp_path


@pytest.mark.parametrize(
    ("mesh", "options", "message"),
    [
        ("nowhere.glb", [], "nowhere.glb does not exist"),
        ("cut.glb", [], "cut.glb cannot be read as a mesh"),
        ("empty.ply", [], "empty.ply"),
        ("points.obj", [], "points.obj"),
        ("nan.obj", [], "nan.obj has vertices that are NaN or infinite"),
        ("shape.stp", [], "shape.stp is not a mesh file that can be read"),
        ("big.obj", ["--max-megabytes", "1"], "big.obj has 1.6 MB, at most 1.0 MB are read"),
        ("ball.glb", ["--max-triangles", "10"], "ball.glb has 320 triangles, at most 10 are read"),
        ("ball.glb", ["--frames", "0"], "must be a whole number of at least 1, got '0'"),
        ("ball.glb", ["--frames", "200000"], "1 to 100000 frames, got 200000"),
        ("ball.glb", ["--size", "0"], "must be pixels of at least 1"),
        ("ball.glb", ["--size", "64x0"], "must be pixels of at least 1"),
        ("ball.glb", ["--size", "99999"], "pixels wide and high"),
        ("ball.glb", ["--elevation", "95"], "elevation must be from -90 to 90 degrees, got 95"),
        ("ball.glb", ["--azimuth", "nan"], "must be a number, got 'nan'"),
        ("ball.glb", ["--fov", "180"], "field of view must be from 1 to 120 degrees, got 180"),
        ("ball.glb", ["--fps", "0"], "0.1 to 50 frames a second, got 0"),
        ("ball.glb", ["--background", "reddish"], "must be a colour such as white"),
        ("ball.glb", ["--background", "none"], "cannot be transparent"),
        ("ball.glb", ["--out", "turn.avi"], "turn.avi must end in .mp4, .gif, .png, or have no ending"),
        ("ball.glb", ["--frams", "3"], "did you mean --frames?"),
    ],
    ids=str,
)
def test_bad_input_is_one_line_and_status_2_and_leaves_nothing(
    bad, meshes, monkeypatch, capsys, mesh, options, message
):
    monkeypatch.chdir(bad)
    before = sorted(bad.iterdir())
    source = meshes / mesh if mesh.startswith("ball") else bad / mesh
    assert draw(source, bad / "turn.gif", *options) == 2
    line = capsys.readouterr().err
    assert line.startswith("genstruct: error: ")
    assert line.count("\n") == 1
    assert message in line
    assert sorted(bad.iterdir()) == before


def test_ctrl_c_leaves_no_file(meshes, tmp_path):
    command = [sys.executable, "-m", "genstruct.cli.main", "views", str(meshes / "ball.glb"), "--frames", "100000"]
    process = subprocess.Popen(
        [*command, "--size", "16", "--out", str(tmp_path / "turn.mp4")], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        for _ in range(600):
            if list(tmp_path.iterdir()) or process.poll() is not None:
                break
            time.sleep(0.1)
        assert [path.name for path in tmp_path.iterdir() if not path.name.endswith("~")] == []
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, said) == (130, "genstruct: interrupted\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGINT, 130, "genstruct: interrupted\n"), (signal.SIGTERM, 143, "genstruct: terminated\n")],
)
@pytest.mark.parametrize("name", ["turn.mp4", "turn.gif", "turn.png", "turn"])
def test_a_signal_leaves_nothing_and_what_was_there(meshes, tmp_path, monkeypatch, capfd, name, number, status, said):
    before = signal.getsignal(signal.SIGTERM)

    @contextmanager
    def told(_):
        yield lambda done, total: done == 2 and os.kill(os.getpid(), number)

    def files():
        return {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    assert draw(meshes / "ball.glb", tmp_path / name) == 0
    there = files()
    monkeypatch.setattr("genstruct.cli.views.progress_bar", told)
    assert draw(meshes / "ball.glb", tmp_path / name, "--overwrite") == status
    assert files() == there
    assert draw(meshes / "ball.glb", tmp_path / "new" / name) == status
    assert list((tmp_path / "new").rglob("*")) == []
    assert capfd.readouterr().err == 2 * said  # and nothing from an encoder that lost its place
    assert signal.getsignal(signal.SIGTERM) is before


def test_help_imports_nothing_heavy():
    script = """
import json, sys
from genstruct.cli.main import main
status = main(["views", "--help"])
print(json.dumps([status, sorted({"torch", "numpy", "PIL", "trimesh", "numba", "rich"} & set(sys.modules))]))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []], done.stderr


def test_the_tool_of_the_checkout_only_calls_the_command():
    text = (ROOT / "tools" / "render_views.py").read_text()
    assert len(text.splitlines()) < 12
    assert 'main(["views", *sys.argv[1:]])' in text
