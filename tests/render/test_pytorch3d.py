"""Visibility beside pytorch3d's, where it is installed."""

import sys

import pytest
import torch
from scenes import ball, join, random, rectangle, soup, views

from genstruct.errors import MissingDependency
from genstruct.geometry.surfaces import octahedral_sphere, sheet
from genstruct.render.project import project
from genstruct.render.rasterize import rasterize


def test_an_absent_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch3d.renderer.mesh.rasterize_meshes", None)
    monkeypatch.setitem(sys.modules, "pytorch3d", None)
    v, faces = rectangle(1, 1, 3, 3)
    with pytest.raises(MissingDependency, match="pip install easypytorch3d"):
        rasterize(v, faces, (4, 4), backend="pytorch3d")


def bumpy(surface):
    """Vertices off their places, so that parts hide others."""
    vertices = surface.vertices + 0.15 * (random(1, surface.vertices.shape[1], 3, seed=2) - 0.5)
    return vertices * 0.8, surface.faces


MESHES = {
    "sphere": lambda: ball(3),
    "grid": lambda: bumpy(sheet(20, 20)),
    "generated": lambda: bumpy(octahedral_sphere(16)),
}


@pytest.mark.parametrize("orthographic", [False, True])
@pytest.mark.parametrize("cull", ["none", "back"])
@pytest.mark.parametrize("name", MESHES)
def test_index_and_depth_are_equal(name, cull, orthographic):
    pytest.importorskip("pytorch3d", reason="the peer is an extra")
    vertices, faces = MESHES[name]()
    size = (40, 56)  # not square
    v = project(vertices, views(3, size, orthographic=orthographic))
    ours = rasterize(v, faces, size, cull, orthographic=orthographic)
    theirs = rasterize(v, faces, size, cull, orthographic=orthographic, backend="pytorch3d")
    same = ours.index == theirs.index
    assert ours.mask.float().mean() > 0.1
    assert same.float().mean() >= 0.9999
    torch.testing.assert_close(ours.inverse_depth[same], theirs.inverse_depth[same], rtol=1e-3, atol=1e-4)


def test_what_is_drawn_follows_our_rules():
    pytest.importorskip("pytorch3d", reason="the peer is an extra")
    v, faces = join(rectangle(0, 0, 4, 4, depth=-1.0), rectangle(0, 0, 4, 4, depth=5e-4), rectangle(0.8, 1.1, 3.3, 3.4))
    found = rasterize(v, faces, (4, 4), backend="pytorch3d")
    assert found.mask.sum() == 4 and (found.index[found.index >= 0] >= 4).all()
    assert not rasterize(v[:, :8], faces[:4], (4, 4), backend="pytorch3d").mask.any()


def test_each_item_may_have_faces_of_its_own():
    pytest.importorskip("pytorch3d", reason="the peer is an extra")
    v, faces = soup(batch=2)
    lists = torch.stack([faces, faces.flip(0)])
    ours, theirs = (rasterize(v, lists, (24, 20), backend=backend) for backend in ("torch", "pytorch3d"))
    assert (ours.index == theirs.index).float().mean() >= 0.99  # of 960 pixels
