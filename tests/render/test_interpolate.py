"""Interpolation: points land where they were seen, gradients are exact, backends agree."""

from dataclasses import replace

import jaxtyping
import pytest
import torch
from gradients import assert_agree, assert_exact, checkable, values_and_gradients
from scenes import BACKENDS, ball, random, rectangle, soup, views

from genstruct.errors import ShapeError
from genstruct.render.backends import triangle
from genstruct.render.interpolate import interpolate
from genstruct.render.project import project
from genstruct.render.rasterize import rasterize

SIZE = (12, 10)
each_backend = pytest.mark.parametrize("backend", BACKENDS)
both_kinds = pytest.mark.parametrize("orthographic", [False, True])


@each_backend
@both_kinds
def test_interpolated_positions_project_back_to_their_pixels(backend, orthographic):
    vertices, faces = ball(dtype=torch.float64)
    camera = views(2, SIZE, orthographic=orthographic, dtype=torch.float64)
    v = project(vertices, camera)
    fragments = rasterize(v, faces, SIZE, orthographic=orthographic, backend=backend)
    seen = interpolate(v, vertices, faces, fragments, backend=backend)
    back = project(seen.flatten(2).mT, camera).view(2, *SIZE, 3)
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) + 0.5 for side in SIZE), indexing="ij")
    expected = torch.stack([x.expand(2, -1, -1), y.expand(2, -1, -1), fragments.depth[:, 0]], -1)
    torch.testing.assert_close(back[fragments.mask[:, 0]], expected[fragments.mask[:, 0]])


@each_backend
def test_pixels_without_a_triangle_are_zero(backend):
    v, faces = rectangle(2, 2, 5, 5)
    fragments = rasterize(v, faces, SIZE, backend=backend)
    values = interpolate(v, torch.ones(1, 4, 2), faces, fragments, backend=backend)
    torch.testing.assert_close(values, fragments.mask.float().expand(-1, 2, -1, -1))


@each_backend
def test_corners_may_count_rows_of_their_own(backend):
    v, faces = soup(size=SIZE)
    fragments = rasterize(v, faces, SIZE, backend=backend)
    colors = random(1, len(faces), 3)
    flat = torch.arange(len(faces))[:, None].expand(-1, 3).contiguous()  # one row for all corners of a triangle
    values = interpolate(v, colors, faces, fragments, flat, backend)
    expected = colors[0, fragments.index.long()] * fragments.mask[:, 0, ..., None]
    torch.testing.assert_close(values, expected.permute(0, 3, 1, 2))


def by(backend, faces, fragments):
    """Attributes of vertices, interpolated by one backend."""
    return lambda v, attributes: interpolate(v, attributes, faces, fragments, backend=backend)


@both_kinds
@pytest.mark.parametrize("shared", [False, True])
def test_gradients_are_exact(orthographic, shared):
    v, faces = soup(12, (6, 5), dtype=torch.float64)
    high = triangle.damping(triangle.corners(v, faces[None]).flatten(0, 1)).view(2, -1) == 1
    faces = faces[high.all(0)]  # gradients of lower triangles are damped
    fragments = rasterize(v, faces, (6, 5), orthographic=orthographic)
    attributes = random(1 if shared else 2, v.shape[1], 2, dtype=torch.float64)
    assert_exact(by("torch", faces, fragments), v, attributes, fast=True)


@each_backend
@pytest.mark.parametrize("height", [0.002, 0.05, 0.2, 0.6])
def test_gradients_of_low_triangles_are_damped(backend, height):
    # Values rise from 0 to 1 over the height, so that they change by 1 / height while the triangle moves by a pixel.
    v = torch.tensor([[1.0, 3.5 - height / 2, 2], [9, 3.5 - height / 2, 2], [4.5, 3.5 + height / 2, 2]])[None]
    faces = torch.tensor([[0, 2, 1]])
    (p,) = checkable(v)
    fragments = rasterize(v, faces, SIZE, backend=backend)
    values = interpolate(p, torch.tensor([[[0.0], [0.0], [1.0]]]), faces, fragments, backend=backend)
    (gradient,) = torch.autograd.grad(values[0, 0, 3, 4], p)
    assert values[0, 0, 3, 4].item() == pytest.approx(0.5, abs=1e-3)
    assert gradient[0, :, 1].sum().item() == pytest.approx(-1 / max(height, 0.1), rel=1e-3)


@both_kinds
@pytest.mark.parametrize("shared", [False, True])
def test_backends_agree_in_values_and_gradients(orthographic, shared):
    v, faces = soup(size=SIZE, dtype=torch.float64)
    fragments = rasterize(v, faces, SIZE, orthographic=orthographic)
    inputs = v, random(1 if shared else 2, v.shape[1], 3, dtype=torch.float64)
    assert_agree(*(values_and_gradients(by(backend, faces, fragments), *inputs) for backend in BACKENDS))


@pytest.mark.parametrize("threads", [1, 2])
def test_gradients_are_repeated_bit_by_bit_whatever_the_threads(threads):
    v, faces = soup(size=SIZE)
    fragments, inputs = rasterize(v, faces, SIZE), (v, random(1, v.shape[1], 3))
    before, found = torch.get_num_threads(), []
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            found.append(values_and_gradients(by("numba", faces, fragments), *inputs))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(first, second) for first, second in zip(*found, strict=True))


def test_half_precision_is_widened_under_autocast():
    v, faces = rectangle(0, 0, 4, 4)
    fragments = rasterize(v, faces, (4, 4))
    with torch.autocast("cpu", torch.bfloat16):
        values = interpolate(v, torch.ones(1, 4, 1, dtype=torch.bfloat16), faces, fragments)
    assert values.dtype == torch.float32 and (values == 1).all()


BAD = {
    "rows": (lambda v, f, r: (v, torch.zeros(1, 3, 2), f, r), "0 to 2, got 0 to 3"),
    "batch": (lambda v, f, r: (v, torch.zeros(2, 4, 2), f, r), "1 or 1 items"),
    "types": (lambda v, f, r: (v, torch.zeros(1, 4, 2).double(), f, r), "one type"),
    "faces": (lambda v, f, r: (v, torch.zeros(1, 4, 2), f, r, f[:1]), "2 rows like faces"),
    "fragments": (lambda v, f, r: (v.expand(2, -1, -1), torch.zeros(1, 4, 2), f, r), "fragments are of 1 images"),
    "other faces": (lambda v, f, r: (v, torch.zeros(1, 4, 2), f[:1], r), r"of 2 triangles, got faces \[1, 3\]"),
    "unknown faces": (
        lambda v, f, r: (v, torch.zeros(1, 4, 2), f[:1], replace(r, triangles=None)),
        r"of 2 triangles, got faces \[1, 3\]",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_in_words(name, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    v, faces = rectangle(0, 0, 4, 4)
    make, words = BAD[name]
    with pytest.raises(ShapeError, match=words):
        interpolate(*make(v, faces, rasterize(v, faces, (4, 4))))
