"""The CUDA backend: kernels in Triton's interpreter on a few pixels, compiled for a GPU, and on one if it is here."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from gradients import assert_agree, values_and_gradients
from scenes import ball, random, soup, views

from genstruct.errors import ConfigError, MissingDependency
from genstruct.geometry.mesh import Mesh
from genstruct.render.backends import choose
from genstruct.render.project import project
from genstruct.render.rasterize import rasterize
from genstruct.render.render import Look, render
from genstruct.render.shading import DirectionalLight

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def run(what, **environment):
    script = Path(__file__).with_name("triton_script.py")
    places = os.pathsep.join(filter(None, [str(script.parents[1]), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), what],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": places, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@needs_triton
def test_interpreted_kernels_agree_with_the_reference():
    run("interpret", TRITON_INTERPRET="1")


@needs_triton
@pytest.mark.slow
def test_kernels_compile_for_a_gpu_without_fused_products(tmp_path):
    run("compile", TRITON_CACHE_DIR=str(tmp_path), TRITON_INTERPRET="0")


def test_other_devices_are_refused_in_words(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ConfigError, match="triton works on CUDA devices, the tensors are on cpu"):
        rasterize(*soup(2), (4, 4), backend="triton")


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("genstruct.render.backends.triton")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(MissingDependency, match="backend triton needs triton: pip install triton"):
        choose("auto", torch.device("cuda"))


def test_deterministic_algorithms_are_those_of_torch(monkeypatch):
    monkeypatch.setattr("genstruct.render.backends.are_deterministic_algorithms_enabled", lambda: True)
    assert choose("auto", torch.device("cuda")).__name__.endswith(".torch")


@needs_cuda
@pytest.mark.parametrize("orthographic", [False, True])
def test_on_cuda_visibility_is_that_of_the_reference(orthographic):
    vertices, faces = ball(3)
    v, triangles = soup(200, (64, 60), batch=4)
    sphere = project(vertices, views(4, (64, 60), orthographic=orthographic))
    for points, lists in ((v, triangles), (sphere, faces)):
        points, lists = points.cuda(), lists.cuda()
        found = [rasterize(points, lists, (64, 60), orthographic=orthographic, backend=b) for b in ("triton", "torch")]
        assert torch.equal(found[0].index, found[1].index)
        assert torch.equal(found[0].inverse_depth, found[1].inverse_depth)


@needs_cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_on_cuda_pictures_and_gradients_are_those_of_the_reference(dtype):
    vertices, faces = ball(3, dtype=dtype)
    uv = vertices[0, :, :2] * 0.4 + 0.5
    inputs = vertices.cuda(), random(4, 3, 16, 16, dtype=dtype).cuda()
    camera = views(4, (64, 64), dtype=dtype).to("cuda")
    light = DirectionalLight(*torch.tensor([[[0.3] * 3], [[0.6] * 3], [[1.0, 2.0, 3.0]]], dtype=dtype).cuda())

    def by(backend):
        def pictures(points, texture):
            mesh = Mesh(points, faces.cuda(), uv.cuda(), None, texture)
            picture = render(mesh, camera, (64, 64), look=Look(light=light), backend=backend)
            return picture.color, picture.alpha

        return pictures

    tolerance = {"rtol": 1e-3, "share": 1e-3} if dtype == torch.float32 else {}
    assert_agree(*(values_and_gradients(by(backend), *inputs) for backend in ("triton", "torch")), **tolerance)
