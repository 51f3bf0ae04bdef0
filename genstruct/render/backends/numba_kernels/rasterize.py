"""Visibility: a z-buffer."""

import math

from genstruct.render.backends.numba_kernels.compile import ceil, helper, kernel, unsigned
from genstruct.render.backends.numba_kernels.triangle import corners, drawn_orientation, inward_edge

WIDE = 64  # columns from which it pays to find where a row begins and ends
FAR = 1e5  # pixels; beyond, rounding may be as large as a pixel


@kernel
def fill(v, faces, cull, near, orthographic, index, inverse_depth, first, last, top, bottom):
    """Draw all triangles into the rows `top` to `bottom` of the images `first` to `last` (ends excluded)."""
    for image in range(first, last):
        # Views are made once: each costs as much as a few pixels.
        place, triangles, seen, depth = v[image], faces[min(image, len(faces) - 1)], index[image], inverse_depth[image]
        seen[top:bottom] = -1
        depth[top:bottom] = 0
        for face in range(len(triangles)):
            a, b, c = corners(triangles, face)
            draw(place, a, b, c, face, cull, near, orthographic, seen, depth, top, bottom)


@helper
def draw(v, a, b, c, face, cull, near, orthographic, index, inverse_depth, top, bottom):
    """Draw one triangle: keep it where its centre-sampled depth is the nearest so far."""
    real = v.dtype.type
    half, one = real(0.5), real(1)
    turn = drawn_orientation(v, a, b, c, cull, near)
    ax, ay, bx, by, cx, cy = v[a, 0], v[a, 1], v[b, 0], v[b, 1], v[c, 0], v[c, 1]
    low_x, high_x = max(min(ax, bx, cx) - half, real(0)), min(max(ax, bx, cx) - half, real(index.shape[1] - 1))
    low_y, high_y = max(min(ay, by, cy) - half, real(top)), min(max(ay, by, cy) - half, real(bottom - 1))
    if (turn == 0) | (low_x > high_x) | (low_y > high_y):
        return
    left, right, upper, lower = ceil(low_x), int(high_x) + 1, ceil(low_y), int(high_y) + 1
    if left >= right or upper >= lower:
        return
    sign = one if turn > 0 else -one
    x0, y0, dx0, dy0, least0 = inward_edge(bx, by, cx, cy, sign)
    x1, y1, dx1, dy1, least1 = inward_edge(cx, cy, ax, ay, sign)
    x2, y2, dx2, dy2, least2 = inward_edge(ax, ay, bx, by, sign)
    n0, n1, n2 = v[a, 2], v[b, 2], v[c, 2]
    if not orthographic:
        n0, n1, n2 = one / n0, one / n1, one / n2
    for row in range(upper, lower):
        y = real(row) + half
        r0, r1, r2 = dx0 * (y - y0), dx1 * (y - y1), dx2 * (y - y2)
        begin, end = left, right
        if right - left > WIDE:
            begin, end = narrow(begin, end, x0, dy0, r0, real)
            begin, end = narrow(begin, end, x1, dy1, r1, real)
            begin, end = narrow(begin, end, x2, dy2, r2, real)
        for column in range(begin, end):
            x = real(column) + half
            e0, e1, e2 = r0 - dy0 * (x - x0), r1 - dy1 * (x - x1), r2 - dy2 * (x - x2)
            if not ((e0 > least0) & (e1 > least1) & (e2 > least2)):  # without branches in between
                continue
            total = e0 + e1 + e2
            mean = e0 * n0 + e1 * n1 + e2 * n2
            near_here = total / mean if orthographic else mean / total
            pixel = unsigned(row), unsigned(column)
            if near_here > inverse_depth[pixel]:  # of equals the first stays; false for 0 / 0
                inverse_depth[pixel] = near_here
                index[pixel] = face


@helper
def narrow(begin, end, x, dy, r, real):
    """The columns where the edge function r - dy * (column + 1/2 - x) can be at least 0, and one more on each side."""
    if dy == 0 or abs(x) > FAR:
        return begin, end
    root = x + r / dy - real(0.5)
    if not abs(root) < FAR:
        return begin, end
    if dy > 0:
        return begin, min(end, math.floor(root) + 2)
    return max(begin, math.ceil(root) - 1), end
