"""Polygons as triangles: the area of the polygon, all its corners, and its way of turning; whatever its shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genstruct.geometry.polygons import triangulate

SHAPES = {
    "L": ([(2, 0), (2, 1), (1, 1), (1, 2), (0, 2), (0, 0)], 3),
    "U": ([(0, 0), (3, 0), (3, 3), (2, 3), (2, 1), (1, 1), (1, 3), (0, 3)], 7),
    "arrow": ([(0, 0), (2, 2), (0, 4), (1, 2)], 2),
    "corners on straight edges": ([(0, 0), (1, 0), (2, 0), (2, 2), (1, 2), (0, 2), (0, 1)], 4),
    "double corners": ([(0, 0), (2, 0), (2, 0), (2, 2), (0, 2), (0, 2)], 4),
    "frame, joined by a double edge": (
        [(0, 0), (4, 0), (4, 4), (0, 4), (0, 0), (1, 1), (1, 3), (3, 3), (3, 1), (1, 1)],
        12,
    ),
    "H": ([(0, 0), (1, 0), (1, 1), (2, 1), (2, 0), (3, 0), (3, 3), (2, 3), (2, 2), (1, 2), (1, 3), (0, 3)], 7),
    "comb": ([(0, 0), *((8 - i, 3 if i % 2 else 1) for i in range(9))], None),
    "spiral": (
        [(0, 0), (5, 0), (5, 5), (1, 5), (1, 2), (3, 2), (3, 3), (2, 3), (2, 4), (4, 4), (4, 1), (0, 1)],
        None,
    ),
}


def shoelace(flat):
    following = np.roll(flat, -1, 0)
    return (flat[:, 0] * following[:, 1] - flat[:, 1] * following[:, 0]).sum() / 2


def signed_areas(points, triangles, normal):
    first, second, third = (points[triangles[:, corner]] for corner in range(3))
    return np.cross(second - first, third - first) @ normal / 2


def turn(seed):
    axes, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return axes * np.sign(np.linalg.det(axes))


def check(flat, area, seed):
    flat, axes = np.array(flat, float), turn(seed)
    points = np.pad(flat, ((0, 0), (0, 1))) @ axes + 10
    triangles, of = triangulate(points, np.array([len(flat)]))
    areas = signed_areas(points, triangles, np.array([0, 0, 1.0]) @ axes)
    assert len(triangles) == len(flat) - 2 and not of.any()
    assert areas.sum() == pytest.approx(area) and np.abs(areas).sum() == pytest.approx(abs(area))
    assert set(triangles.ravel().tolist()) == set(range(len(flat)))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("backward", [False, True])
def test_a_polygon_is_covered_once_whatever_its_first_corner_and_plane(name, backward):
    corners, area = SHAPES[name]
    area = shoelace(np.array(corners, float)) if area is None else area
    for first in range(len(corners)):
        turned = corners[first:] + corners[:first]
        check(turned[::-1] if backward else turned, -area if backward else area, first)


@given(st.lists(st.floats(0.05, 1), min_size=4, max_size=24), st.integers(0, 1000))
@settings(max_examples=60)
def test_a_star_of_any_reach_is_covered_once(reach, seed):
    angles = np.arange(len(reach)) * 2 * np.pi / len(reach)
    flat = np.array(reach)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    check(flat, shoelace(flat), seed)


def test_polygons_of_all_sizes_keep_their_order_and_those_without_triangles_have_none():
    shapes = [SHAPES[name][0] for name in ("L", "arrow", "U")]
    counts = np.array([2, 6, 0, 4, 1, 8])
    flat = np.array([(0, 0), (1, 1), *shapes[0], *shapes[1], (9, 9), *shapes[2]], float)
    triangles, of = triangulate(np.pad(flat, ((0, 0), (0, 1))), counts)
    assert of.tolist() == [1] * 4 + [3] * 2 + [5] * 6
    first = np.cumsum(counts) - counts
    assert (triangles >= first[of, None]).all() and (triangles < (first + counts)[of, None]).all()


def test_a_comb_of_a_thousand_teeth_and_a_polygon_without_an_area_end():
    teeth = 1000
    across = np.arange(teeth)
    upper = np.stack([across, np.where(across % 2, 3, 0.5)], 1)[::-1]
    lower = np.stack([across, np.where(across % 2, 2.5, 0)], 1)
    check(np.concatenate([lower, upper]), shoelace(np.concatenate([lower, upper])), 0)
    triangles, _ = triangulate(np.zeros((7, 3)), np.array([7]))
    assert triangles.shape == (5, 3)
    crossed = np.array([[0, 0, 0], [2, 2, 0], [2, 0, 0], [0, 2, 0], [1, 5, 0.0], [-3, 1, 0]])
    assert triangulate(crossed, np.array([6]))[0].shape == (4, 3)
