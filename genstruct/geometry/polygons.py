"""Polygons in space as triangles that cover what the polygon covers and no more (numpy)."""

import numpy as np
from jaxtyping import Bool, Float, Int

Points = Float[np.ndarray, "_ 3"]
Triangles = Int[np.ndarray, "_ 3"]

ROUNDING = 1e-9
"""Share of a polygon's area below which a triangle counts as a line."""
MOST_NUMBERS = 4_000_000
"""Rows times corners that are worked on at once."""


def triangulate(
    points: Points, counts: Int[np.ndarray, " polygons"]
) -> tuple[Triangles, Int[np.ndarray, " triangles"]]:
    """Triangles of polygons, hollow and bent ones too: n - 2 of n corners, turning the way the polygon turns.

    A polygon whose corners all see one of them is fanned from that corner; others lose one ear after the other
    (Meisters 1975) as seen along their mean normal. Every corner is used, also those on straight edges and double ones.

    Args:
        points: The corners of all polygons, one polygon after the other.
        counts: Corners of each; those with fewer than 3 have no triangles.

    Returns:
        Rows of `points`, and the polygon of each triangle; in the order of the polygons.
    """
    first = np.cumsum(counts) - counts
    triangles, polygons = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.int64)]
    for corners in np.unique(counts[counts >= 3]).tolist():
        alike = np.flatnonzero(counts == corners)
        step = max(MOST_NUMBERS // corners, 1)
        for some in (alike[start : start + step] for start in range(0, len(alike), step)):
            rows = first[some, None] + np.arange(corners)
            triangles.append((_alike(points[rows]) + first[some, None, None]).reshape(-1, 3))
            polygons.append(np.repeat(some, corners - 2))
    of = np.concatenate(polygons)
    order = np.argsort(of, kind="stable")
    return np.concatenate(triangles)[order], of[order]


def _alike(points: Float[np.ndarray, "polygons corners 3"]) -> Int[np.ndarray, "polygons triangles 3"]:
    """Triangles, as numbers of corners, of polygons with the same number of corners."""
    polygons, corners = points.shape[:2]
    found = np.broadcast_to(_fan(corners, 0), (polygons, corners - 2, 3))
    if corners == 3:
        return found
    flat, area = _flattened(points)
    left = np.flatnonzero(area > 0)  # a polygon without an area is drawn as it comes
    found = found.copy()
    for center in range(min(corners, 16)):
        triangles = _fan(corners, center)
        seen = _doubled_areas(flat[left][:, triangles]).min(1) >= -ROUNDING * area[left]
        found[left[seen]] = triangles
        left = left[~seen]
        if not len(left):
            return found
    found[left] = _ears(flat[left], area[left])
    return found


def _fan(corners: int, center: int) -> Triangles:
    around = np.arange(1, corners - 1)
    return np.stack([np.full_like(around, center), (center + around) % corners, (center + around + 1) % corners], 1)


def _flattened(
    points: Float[np.ndarray, "polygons corners 3"],
) -> tuple[Float[np.ndarray, "polygons corners 2"], Float[np.ndarray, " polygons"]]:
    """Polygons as seen against their mean normal (Newell's), turning left, about one unit wide; twice their areas."""
    local = points - points[:, :1]
    widest = np.abs(local).max((1, 2), keepdims=True)
    local = local / np.where(widest > 0, widest, 1)
    normal = np.cross(local, np.roll(local, -1, 1)).sum(1)
    area = np.linalg.norm(normal, axis=1)
    normal = np.where(area[:, None] > 1e-12, normal / np.maximum(area, 1e-300)[:, None], [0.0, 0, 1])
    helper = np.eye(3)[np.abs(normal).argmin(1)]
    right = np.cross(helper, normal)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    axes = np.stack([right, np.cross(normal, right)], 2)
    return local @ axes, np.where(area > 1e-12, area, 0)


def _doubled_areas(triangles: Float[np.ndarray, "... 3 2"]) -> Float[np.ndarray, "..."]:
    """Positive where a triangle turns left."""
    along, across = triangles[..., 1, :] - triangles[..., 0, :], triangles[..., 2, :] - triangles[..., 0, :]
    return along[..., 0] * across[..., 1] - along[..., 1] * across[..., 0]


def _ears(
    points: Float[np.ndarray, "polygons corners 2"], area: Float[np.ndarray, " polygons"]
) -> Int[np.ndarray, "polygons triangles 3"]:
    """Ears of all polygons, cut one at a time: each round looks at one corner of every polygon.

    Only the neighbours of an ear that was cut can become ears, so that n corners need some 3 n looks. A polygon that
    runs out of corners to look at has lost what stood before an ear, or has straight edges left (whose corners go now),
    or crosses itself (whatever comes goes; there is no right answer): `patience` counts these.
    """
    polygons, corners = points.shape[:2]
    every, ring = np.arange(polygons), np.arange(corners)
    following = np.tile((ring + 1) % corners, (polygons, 1))
    before = np.tile((ring - 1) % corners, (polygons, 1))
    alive, open_ = np.ones((polygons, corners), bool), np.ones((polygons, corners), bool)
    found = np.zeros((polygons, corners - 2, 3), np.int64)
    patience, done = np.zeros(polygons, np.int64), np.zeros(polygons, np.int64)
    while len(every):
        stuck = every[~open_[every].any(1)]
        open_[stuck], patience[stuck] = alive[stuck], patience[stuck] + 1
        here = open_[every].argmax(1)
        ears = np.stack([before[every, here], here, following[every, here]], 1)
        shapes = np.take_along_axis(points[every], ears[:, :, None], 1)
        size, rounding = _doubled_areas(shapes), ROUNDING * area[every]
        ear = (size > rounding) & ~_blocked(points[every], alive[every], shapes)
        ear |= ((patience[every] > 1) & (np.abs(size) <= rounding)) | (patience[every] > 2)
        open_[every, here] = False
        cut, of = ears[ear], every[ear]
        found[of, done[of]] = cut
        alive[of, cut[:, 1]] = False
        following[of, cut[:, 0]], before[of, cut[:, 2]] = cut[:, 2], cut[:, 0]
        open_[of, cut[:, 0]] = open_[of, cut[:, 2]] = True
        done[of] += 1
        every = every[done[every] < corners - 2]
    return found


def _blocked(
    points: Float[np.ndarray, "polygons corners 2"],
    alive: Bool[np.ndarray, "polygons corners"],
    ears: Float[np.ndarray, "polygons 3 2"],
) -> Bool[np.ndarray, " polygons"]:
    """Whether a corner lies in the ear or on its border, but for its own corners and others at their places."""
    inside = alive.copy()
    for corner in range(3):
        begin, end = ears[:, None, corner], ears[:, None, (corner + 1) % 3]
        along, away = end - begin, points - begin
        inside &= along[..., 0] * away[..., 1] - along[..., 1] * away[..., 0] >= -ROUNDING
        inside &= (away != 0).any(-1)
    return np.any(inside, 1)
