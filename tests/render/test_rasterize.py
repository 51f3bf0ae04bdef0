"""Visibility: closed forms, exactness at shared edges, and all backends agree on every pixel."""

import re

import jaxtyping
import pytest
import torch
from scenes import BACKENDS, ball, join, random, rectangle, soup, views

from genstruct.errors import ConfigError, ShapeError
from genstruct.geometry import mesh
from genstruct.geometry.remember import remembered
from genstruct.render.project import project
from genstruct.render.rasterize import rasterize

each_backend = pytest.mark.parametrize("backend", BACKENDS)


@each_backend
def test_a_rectangle_covers_the_pixel_centers_inside_it(backend):
    v, faces = rectangle(1.4, 2.0, 5.6, 4.0)
    fragments = rasterize(v, faces, (6, 8), backend=backend)
    expected = torch.zeros(6, 8, dtype=torch.bool)
    expected[2:4, 1:6] = True  # centres 1.5 to 5.5 across, 2.5 and 3.5 down
    assert torch.equal(fragments.mask[0, 0], expected)
    assert fragments.depth[0, 0, 2, 1] == 2 and fragments.depth[0, 0, 0, 0] == torch.inf


@each_backend
def test_a_pixel_center_on_a_shared_edge_belongs_to_one_triangle(backend):
    # All vertices, and so most edges, on pixel centres: a fan of 8 triangles around (4.5, 4.5).
    ring = [[8, 4], [8, 8], [4, 8], [0, 8], [0, 4], [0, 0], [4, 0], [8, 0]]
    points = torch.tensor([[4, 4], *ring], dtype=torch.float32) + 0.5
    v = torch.cat([points, torch.ones(9, 1)], 1)[None]
    fan = torch.tensor([[0, 1 + n, 1 + (n + 1) % 8] for n in range(8)])
    alone = sum(rasterize(v, fan[n : n + 1], (9, 9), backend=backend).mask.int() for n in range(8))
    assert alone.max() == 1
    assert torch.equal(alone[0, 0, 1:8, 1:8], torch.ones(7, 7, dtype=torch.int32))


@each_backend
@pytest.mark.parametrize("flip", [False, True])
def test_the_nearer_triangle_wins_in_any_order(backend, flip):
    parts = [rectangle(0, 0, 4, 4, depth=3.0), rectangle(2, 0, 6, 4, depth=2.0)]
    v, faces = join(*(parts[::-1] if flip else parts))
    fragments = rasterize(v, faces, (4, 6), backend=backend)
    assert fragments.depth[0, 0, 1].tolist() == [3, 3, 2, 2, 2, 2]


@each_backend
def test_of_equally_near_triangles_the_first_wins(backend):
    v, faces = rectangle(0, 0, 3, 3)
    fragments = rasterize(v, torch.cat([faces, faces]), (3, 3), backend=backend)
    assert fragments.index.max() == 1


@each_backend
@pytest.mark.parametrize("orthographic", [False, True])
def test_depth_is_that_of_the_plane(backend, orthographic):
    v = torch.tensor([[[0, 0, 1.0], [0, 8, 1.0], [8, 0, 4.0]]], dtype=torch.float64)
    fragments = rasterize(v, torch.tensor([[0, 1, 2]]), (8, 8), orthographic=orthographic, backend=backend)
    x = torch.arange(8, dtype=torch.float64) + 0.5
    # Over the screen depth is linear for parallel rays, its inverse otherwise.
    expected = 1 + 3 * x / 8 if orthographic else 1 / (1 - 0.75 * x / 8)
    torch.testing.assert_close(fragments.depth[0, 0, 0, :7], expected[:7])


@each_backend
def test_culling_leaves_out_triangles_seen_from_behind(backend):
    v, faces = rectangle(0, 0, 4, 4)
    assert rasterize(v, faces, (4, 4), "back", backend=backend).mask.all()
    assert not rasterize(v, faces.flip(1), (4, 4), "back", backend=backend).mask.any()
    assert rasterize(v, faces.flip(1), (4, 4), backend=backend).mask.all()


@pytest.mark.parametrize("cull", ["none", "back"])
@pytest.mark.parametrize("orthographic", [False, True])
def test_backends_agree_on_every_pixel(cull, orthographic):
    scenes = [soup(seed=seed) for seed in range(2)]
    vertices, faces = ball(3)
    scenes.append((project(vertices, views(2, (24, 20), orthographic=orthographic)), faces))
    for v, faces in scenes:
        found = [rasterize(v, faces, (24, 20), cull, orthographic=orthographic, backend=name) for name in BACKENDS]
        assert torch.equal(found[0].index, found[1].index)
        assert torch.equal(found[0].inverse_depth, found[1].inverse_depth)


@each_backend
def test_each_item_may_have_faces_of_its_own(backend):
    v, faces = soup(batch=3)
    lists = torch.stack([faces, faces.flip(0), faces.roll(1, 1)])
    together = rasterize(v, lists, (24, 20), backend=backend)
    for n in range(3):
        alone = rasterize(v[n : n + 1], lists[n], (24, 20), backend=backend)
        assert torch.equal(together.index[n], alone.index[0])


def test_the_range_of_faces_is_read_once(monkeypatch):
    v, faces = soup(batch=3)
    reads = []
    monkeypatch.setattr(mesh, "_corner_range", remembered(lambda tensor: reads.append(tensor.shape) or (0, 3)))
    for lists in (faces, faces.expand(3, -1, -1)):
        for _ in range(2):
            rasterize(v, lists, (4, 4))
    assert reads == [faces.shape, (3, *faces.shape)]


def test_results_do_not_depend_on_the_number_of_threads():
    v, faces = soup(batch=2)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):  # three threads split two images into bands of rows
            torch.set_num_threads(threads)
            found.append(rasterize(v, faces, (24, 20), backend="numba"))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0].index, found[1].index)
    assert torch.equal(found[0].inverse_depth, found[1].inverse_depth)


HIDDEN = {
    "behind": rectangle(0, 0, 4, 4, depth=-1.0),
    "at the camera": rectangle(0, 0, 4, 4, depth=0.0),
    "left": rectangle(-9, 0, -5, 4),
    "below": rectangle(0, 50, 4, 54),
    "far away": rectangle(1e30, 0, 3e38, 4),
    "no area": rectangle(0, 0, 0, 4),
    "no triangles": (torch.zeros(1, 0, 3), torch.zeros(0, 3, dtype=torch.long)),
}


@each_backend
@pytest.mark.parametrize("name", HIDDEN)
def test_what_cannot_be_seen_gives_an_empty_picture(backend, name):
    fragments = rasterize(*HIDDEN[name], (4, 4), backend=backend)
    assert (fragments.index == -1).all() and (fragments.inverse_depth == 0).all()
    assert (fragments.depth == torch.inf).all()


@each_backend
def test_a_triangle_that_reaches_behind_the_camera_is_left_out_and_others_stay(backend):
    v, faces = join(rectangle(0, 0, 4, 4, depth=1.0), rectangle(0, 0, 4, 4, depth=2.0))
    v[0, 0, 2] = -1  # a corner of both triangles of the first
    fragments = rasterize(v, faces, (4, 4), backend=backend)
    assert (fragments.depth == 2).all()


BAD = {
    "shape of v": (lambda v, f: (v[0], f, (4, 4)), ShapeError, r"v must be \[batch, vertices, 3\], got \[4, 3\]"),
    "dtype of v": (lambda v, f: (v.long(), f, (4, 4)), ShapeError, "floating point"),
    "NaN": (lambda v, f: (v * torch.nan, f, (4, 4)), ShapeError, r"v \[1, 4, 3\] must be finite"),
    "infinity": (lambda v, f: (v / 0, f, (4, 4)), ShapeError, "must be finite"),
    "faces beyond": (lambda v, f: (v, f + 1, (4, 4)), ShapeError, "0 to 3, got 1 to 4"),
    "negative faces": (lambda v, f: (v, f - 1, (4, 4)), ShapeError, "got -1 to 2"),
    "dtype of faces": (lambda v, f: (v, f.int(), (4, 4)), ShapeError, "int64"),
    "shape of faces": (lambda v, f: (v, f[:, :2], (4, 4)), ShapeError, r"faces"),
    "batch of faces": (lambda v, f: (v, f.expand(3, -1, -1), (4, 4)), ShapeError, "batch size 1"),
    "size": (lambda v, f: (v, f, (0, 4)), ShapeError, r"size must be \(height, width\)"),
    "near": (lambda v, f: (v, f, (4, 4), "none", -1.0), ConfigError, "near must be at least 0"),
    "cull": (lambda v, f: (v, f, (4, 4), "front"), ConfigError, "cull must be none or back"),
    "devices": (lambda v, f: (v, f.to("meta"), (4, 4)), ShapeError, "device"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_words(name, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # users run without the type checker of the tests
    make, error, words = BAD[name]
    with pytest.raises(error, match=words):
        rasterize(*make(*rectangle(0, 0, 4, 4)))


def test_index_equals_that_of_pytorch3d():
    pytest.importorskip("pytorch3d", reason="the peer is an extra")
    from peer import pytorch3d_index

    vertices, faces = ball(3)
    bumpy = vertices * (1 + 0.2 * random(1, vertices.shape[1], 1))
    camera = views(3, (64, 64))
    ours = rasterize(project(bumpy, camera), faces, (64, 64)).index
    theirs = pytorch3d_index(bumpy, faces, camera, (64, 64))
    assert (ours == theirs).float().mean() >= 0.9999


def test_messages_name_what_came():
    with pytest.raises(ShapeError) as caught:
        rasterize(*rectangle(0, 0, 4, 4), (4, -1))
    assert re.search(r"got \(4, -1\)", str(caught.value))
