"""Silhouettes: exact areas, gradients that agree with finely sampled pictures, and the awkward cases."""

import math

import jaxtyping
import pytest
import torch
from gradients import assert_agree, assert_exact, checkable, values_and_gradients
from scenes import BACKENDS, ball, join, random, rectangle, soup, views

from genstruct.errors import ShapeError
from genstruct.geometry.mesh import Mesh
from genstruct.render.antialias import antialias_silhouettes
from genstruct.render.project import project
from genstruct.render.rasterize import rasterize
from genstruct.render.render import render
from genstruct.render.topology import topology

each_backend = pytest.mark.parametrize("backend", BACKENDS)


def coverage(v, faces, size, backend="torch", colors=None, **settings):
    """The antialiased mask, or colours by part: `colors` has a value for each triangle."""
    fragments = rasterize(v, faces, size, backend=backend, **settings)
    image = fragments.mask.to(v.dtype)
    if colors is not None:
        image = torch.where(fragments.mask, colors[fragments.index.long()][:, None], 0.0).to(v.dtype)
    return antialias_silhouettes(image, v, faces, topology(faces), fragments, backend)


# Areas


@each_backend
@pytest.mark.parametrize(
    "edges", [(2.0, 3.0, 7.0, 8.0), (2.3, 3.4, 7.2, 8.9), (2.5, 3.5, 7.5, 8.5), (1.7, 2.6, 3.1, 9.2)]
)
def test_sides_cover_their_share_of_pixels(backend, edges):
    left, top, right, bottom = edges
    covered = coverage(*rectangle(*edges), (12, 10), backend)[0, 0]
    row, column = covered[6], covered[:, math.floor((left + right) / 2)]
    assert row.sum().item() == pytest.approx(right - left, abs=1e-5)
    assert column.sum().item() == pytest.approx(bottom - top, abs=1e-5)


@each_backend
def test_sides_that_run_between_pixels_have_their_slope(backend):
    v, faces = rectangle(2.0, 3.0, 7.0, 8.0, dtype=torch.float64)  # exactly amid pixel centres: no pixel is cut
    (p,) = checkable(v)
    (gradient,) = torch.autograd.grad(coverage(p, faces, (12, 10), backend).sum(), p)
    assert gradient[0, v[0, :, 0] == 7, 0].sum().item() == pytest.approx(5)
    assert gradient[0, v[0, :, 0] == 2, 0].sum().item() == pytest.approx(-5)
    assert gradient[0, v[0, :, 1] == 8, 1].sum().item() == pytest.approx(5)


@each_backend
@pytest.mark.parametrize("width", [0.1, 0.4, 0.6, 0.9])
def test_a_bar_thinner_than_a_pixel_has_its_width_and_slope_where_a_center_sees_it(backend, width):
    v, faces = rectangle(3.47 - 0.4 * width, 0, 3.47 + 0.6 * width, 12)  # both sides cut pixel 3
    (p,) = checkable(v)
    picture = coverage(p, faces, (12, 10), backend)
    assert picture.min() >= 0 and picture.max() <= 1
    assert picture[0, 0, 6].sum().item() == pytest.approx(width, abs=1e-5)
    (gradient,) = torch.autograd.grad(picture[0, 0, 6].sum(), p)
    right = v[0, :, 0] > 3.47
    assert gradient[0, right, 0].sum().item() == pytest.approx(1, abs=1e-5)
    assert gradient[0, ~right, 0].sum().item() == pytest.approx(-1, abs=1e-5)


@each_backend
def test_a_bar_that_no_center_sees_needs_more_samples(backend):
    v, faces = rectangle(3.55, 0, 3.95, 12)
    assert (coverage(v, faces, (12, 10), backend) == 0).all()
    (p,) = checkable(v)
    fine = coverage(p * torch.tensor([4.0, 4.0, 1.0]), faces, (48, 40), backend)
    row = torch.nn.functional.avg_pool2d(fine, 4)[0, 0, 6].sum()
    (gradient,) = torch.autograd.grad(row, p)
    assert row.item() == pytest.approx(0.4, abs=1e-5)
    assert gradient[0, v[0, :, 0] > 3.7, 0].sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("angle", [0.0, 0.3, 0.8, 1.2])
def test_the_area_of_a_turned_square_and_its_slope_are_right(angle):
    def area(side):
        turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]).double()
        corners = torch.tensor([[-1, -1], [-1, 1], [1, 1], [1, -1]]).double() * side / 2
        flat = corners @ turn.T + torch.tensor([16.3, 15.6])
        v = torch.cat([flat, torch.ones(4, 1)], 1)[None]
        return coverage(v, torch.tensor([[0, 1, 2], [0, 2, 3]]), (32, 32)).sum()

    side = torch.tensor(17.0, dtype=torch.float64, requires_grad=True)
    found = area(side)
    (slope,) = torch.autograd.grad(found, side)
    assert found.item() == pytest.approx(17.0**2, rel=0.01)
    assert slope.item() == pytest.approx(2 * 17.0, rel=0.04)  # a corner takes up to a pixel of 17


@pytest.mark.parametrize("size", [32, 128])
def test_the_area_of_a_sphere_grows_as_that_of_a_disc(size):
    vertices, faces = ball(3, radius=1.0)
    scale = torch.tensor(0.8, requires_grad=True)
    camera = views(3, (size, size))
    found = render(Mesh(vertices * scale, faces), camera, (size, size), normals=False).alpha.sum() / 3
    (slope,) = torch.autograd.grad(found, scale)
    focal, distance = camera.intrinsics[0, 0, 0].item(), 3.0
    # A sphere of radius r at distance d is seen as a disc of radius f r / sqrt(d^2 - r^2).
    assert found.item() == pytest.approx(math.pi * focal**2 * 0.64 / (distance**2 - 0.64), rel=0.01)
    exact = 2 * math.pi * focal**2 * 0.8 * distance**2 / (distance**2 - 0.64) ** 2
    assert slope.item() == pytest.approx(exact, rel=0.01)


# Which edges count


@each_backend
def test_an_edge_behind_another_surface_changes_nothing(backend):
    hidden, cover = rectangle(3.3, 3.3, 7.7, 7.7, depth=3.0), rectangle(0, 0, 12, 12, depth=2.0)
    v, faces = join(hidden, cover)
    assert (coverage(v, faces, (12, 12), backend, torch.tensor([0.5, 0.5, 1.0, 1.0])) == 1).all()


@each_backend
def test_the_rim_of_a_part_before_another_blends_the_two(backend):
    front, behind = rectangle(0, 0, 5.8, 12, depth=2.0), rectangle(0, 0, 12, 12, depth=3.0)
    v, faces = join(front, behind)
    picture = coverage(v, faces, (12, 12), backend, torch.tensor([1.0, 1.0, 0.5, 0.5]))
    torch.testing.assert_close(picture[0, 0, 6, 4:7], torch.tensor([1.0, 0.5 + 0.5 * 0.8, 0.5]))


@each_backend
@pytest.mark.parametrize("flip", [False, True])
def test_edges_inside_a_flat_sheet_are_no_silhouettes_whatever_their_winding(backend, flip):
    v, faces = rectangle(0, 0, 12, 12)
    if flip:
        faces = torch.stack([faces[0], faces[1].flip(0)])
    fragments = rasterize(v, faces, (12, 12), backend=backend)
    sharp = torch.tensor([1.0, 0.0])[fragments.index.long()][:, None]
    assert torch.equal(antialias_silhouettes(sharp, v, faces, topology(faces), fragments, backend), sharp)


@each_backend
def test_an_edge_of_three_sheets_is_a_silhouette_if_all_lie_on_one_side(backend):
    # Three sheets share the edge x = 6.7; seen from here all of them lie to its left.
    v, faces = join(*[rectangle(0, 0, 6.7, 12, depth=2.0)] * 3)
    shared = faces.clone()
    for n in (1, 2):  # the right corners of all sheets are those of the first
        shared[faces == 4 * n + 2] = 2
        shared[faces == 4 * n + 3] = 3
    assert coverage(v, shared, (12, 12), backend)[0, 0, 6].sum().item() == pytest.approx(6.7, abs=1e-5)
    other, more = join((v, shared), rectangle(6.7, 0, 12, 12, depth=2.0))
    more[more == 12], more[more == 13] = 3, 2  # a fourth sheet on the other side: no silhouette
    sharp = rasterize(other, more, (12, 12), backend=backend).mask.float()
    assert torch.equal(coverage(other, more, (12, 12), backend), sharp)


@each_backend
def test_sheets_that_meet_count_their_border_once(backend):
    left, right = rectangle(0, 0, 5.8, 12), rectangle(5.8, 0, 12, 12)  # the same edge, with vertices of its own
    v, faces = join(left, right)
    picture = coverage(v, faces, (12, 12), backend, torch.tensor([1.0, 1.0, 0.5, 0.5]))
    torch.testing.assert_close(picture[0, 0, 6, 4:7], torch.tensor([1.0, 0.5 + 0.5 * 0.8, 0.5]))


@each_backend
def test_of_edges_between_the_same_pixels_the_outermost_counts(backend):
    v, faces = join(rectangle(0, 0, 5.6, 12, depth=2.0), rectangle(0, 0, 5.9, 12, depth=2.1))
    assert coverage(v, faces, (12, 12), backend)[0, 0, 6].sum().item() == pytest.approx(5.9, abs=1e-5)


def slanted(top, bottom, depth):
    """A sheet with a side from (top, 2) to (bottom, 22); the others lie outside of pictures or are level."""
    v = torch.tensor([[-1, 2, depth], [-1, 22, depth], [bottom, 22, depth], [top, 2, depth]])[None]
    return v, torch.tensor([[0, 1, 2], [0, 2, 3]])


@each_backend
@pytest.mark.parametrize("shift", [0.0, 0.37, 0.74])
@pytest.mark.parametrize("sides", [((4.0, 23.6), (4.5, 24.9)), ((4.2, 23.9), (4.5, 24.6)), ((5.0, 24.6), (4.3, 24.9))])
def test_an_outline_within_another_counts_neither_in_rows_nor_in_columns(backend, sides, shift):
    # One side is counted in rows, the other in columns; within a pixel of each other they are one outline of 20 rows.
    v, faces = join(slanted(*sides[0], 2.0), slanted(*sides[1], 2.1))
    (p,) = checkable(v + torch.tensor([shift, 0.0, 0.0]))
    area = coverage(p, faces, (24, 28), backend).sum()
    (gradient,) = torch.autograd.grad(area, p)
    right = v[0, :, 0] > 0
    assert gradient[0, right, 0].sum().item() == pytest.approx(20, abs=1.5)  # corners take a pixel
    outer = [max(top, other) for top, other in zip(*sides, strict=True)]
    if sides[1] == tuple(outer):
        assert gradient[0, :4][right[:4], 0].abs().sum().item() <= 1
        assert area.item() == pytest.approx(20 * (sum(outer) / 2 + shift), abs=3)


@each_backend
def test_parts_that_pass_through_each_other_blend_where_they_meet(backend):
    # Two upright sheets that cross along x = 6.8 (in parallel rays depth is linear).
    def sheet(near, far):
        x = torch.tensor([0.0, 0, 12, 12])
        v = torch.stack([x, torch.tensor([0.0, 12, 12, 0]), near + (far - near) * x / 12], -1)[None]
        return v, torch.tensor([[0, 1, 2], [0, 2, 3]])

    slope = 0.1
    v, faces = join(sheet(3 - 6.8 * slope, 3 + 5.2 * slope), sheet(3 + 6.8 * slope, 3 - 5.2 * slope))
    colors = torch.tensor([1.0, 1.0, 0.0, 0.0])
    picture = coverage(v, faces, (12, 12), backend, colors, orthographic=True)
    torch.testing.assert_close(picture[0, 0, 6].sum(), torch.tensor(6.8), atol=1e-4, rtol=0)
    (p,) = checkable(v)
    total = coverage(p, faces, (12, 12), backend, colors, orthographic=True)[0, 0, 6].sum()
    (gradient,) = torch.autograd.grad(total, p)
    # The first sheet nearer by dz moves the line by dz / (2 slope), here in each of its corners' shares.
    assert gradient[0, :4, 2].sum().item() == pytest.approx(-1 / (2 * slope), rel=1e-3)


@each_backend
def test_values_never_leave_the_range_of_the_picture(backend):
    for seed in range(3):  # thin, tangled triangles at few pixels
        v, faces = soup(40, (9, 9), seed=seed)
        picture = coverage(v, faces, (9, 9), backend, random(40, seed=seed))
        assert picture.min() >= 0 and picture.max() <= 1


@each_backend
def test_what_a_moving_edge_uncovers_has_the_color_at_the_edge(backend):
    v, faces = rectangle(2.3, 0, 7.3, 12)
    (p,) = checkable(v)
    fragments = rasterize(v, faces, (12, 12), backend=backend)
    ramp = 0.1 * (torch.arange(12) + 0.5).expand(1, 1, 12, 12) * fragments.mask
    row = antialias_silhouettes(ramp, p, faces, topology(faces), fragments, backend)[0, 0, 6].sum()
    (gradient,) = torch.autograd.grad(row, p)
    right = v[0, :, 0] > 5
    assert gradient[0, right, 0].sum().item() == pytest.approx(0.73, abs=1e-5)  # the ramp at x = 7.3, over black
    assert gradient[0, ~right, 0].sum().item() == pytest.approx(-0.23, abs=1e-5)


# Exactness


def by(backend, faces, fragments):
    """A picture and vertices, blended by one backend."""
    return lambda image, v: antialias_silhouettes(image, v, faces, topology(faces), fragments, backend)


@pytest.mark.parametrize("orthographic", [False, True])
def test_gradients_of_the_reference_are_exact(orthographic):
    v, faces = soup(8, (7, 6), batch=1, dtype=torch.float64)
    fragments = rasterize(v, faces, (7, 6), orthographic=orthographic)
    # Each triangle in a colour of its own, where colours continued to an edge are the colours of the pixels.
    colors = random(1, 2, 8, dtype=torch.float64)[:, :, fragments.index[0].long()] * fragments.mask
    assert_exact(by("torch", faces, fragments), colors, v, step=1e-7, fast=True)


@pytest.mark.parametrize("cull", ["none", "back"])
@pytest.mark.parametrize("orthographic", [False, True])
def test_backends_agree_in_values_and_gradients(orthographic, cull):
    first = soup(size=(24, 20), dtype=torch.float64)
    vertices, round_faces = ball(3, dtype=torch.float64)
    camera = views(2, (24, 20), orthographic=orthographic, dtype=torch.float64)
    for v, faces in (first, (project(vertices, camera), round_faces)):
        fragments = rasterize(v, faces, (24, 20), cull, orthographic=orthographic)
        image = random(2, 3, 24, 20, dtype=torch.float64)
        results = [values_and_gradients(by(backend, faces, fragments), image, v) for backend in BACKENDS]
        assert not torch.equal(results[0][0], image)
        assert_agree(*results)


@each_backend
def test_each_item_may_have_faces_of_its_own(backend):
    v, faces = soup(batch=2)
    lists = torch.stack([faces, faces[torch.randperm(len(faces), generator=torch.Generator().manual_seed(0))]])
    together = coverage(v, lists, (24, 20), backend)
    for n in range(2):
        torch.testing.assert_close(together[n : n + 1], coverage(v[n : n + 1], lists[n], (24, 20), backend))


def test_more_crossings_than_expected_are_not_lost():
    # Squares of 1.2 pixels at every second pixel: nearly every pair of pixels has a crossing.
    places = [(x, y) for x in range(0, 20, 2) for y in range(0, 20, 2)]
    v, faces = join(*[rectangle(x + 0.4, y + 0.4, x + 1.6, y + 1.6) for x, y in places])
    ours, reference = (coverage(v, faces, (20, 20), backend) for backend in ("numba", "torch"))
    torch.testing.assert_close(ours, reference)


def test_results_are_repeated_bit_by_bit_whatever_the_threads():
    v, faces = soup()
    fragments, before, found = rasterize(v, faces, (24, 20)), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 2):
            torch.set_num_threads(threads)
            found.append(values_and_gradients(by("numba", faces, fragments), random(2, 3, 24, 20), v))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(first, second) for first, second in zip(found[0], other, strict=True))


def test_a_topology_of_other_faces_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    v, faces = rectangle(0, 0, 4, 4)
    fragments = rasterize(v, faces, (4, 4))
    with pytest.raises(ShapeError, match=r"topology is of faces \[1, 1, 3\], got faces \[2, 3\]"):
        antialias_silhouettes(torch.zeros(1, 3, 4, 4), v, faces, topology(faces[:1]), fragments)
    with pytest.raises(ShapeError, match=r"fragments are of 2 triangles, got faces \[1, 3\]"):
        antialias_silhouettes(torch.zeros(1, 3, 4, 4), v, faces[:1], topology(faces[:1]), fragments)


@each_backend
def test_pictures_without_channels_or_items_stay_empty(backend):
    v, faces = rectangle(0, 0, 4, 4)
    for batch, channels in ((0, 3), (1, 0)):
        fragments = rasterize(v[:batch], faces, (4, 4), backend=backend)
        image = torch.zeros(batch, channels, 4, 4)
        blended = antialias_silhouettes(image, v[:batch], faces, topology(faces), fragments, backend)
        assert blended.shape == image.shape
