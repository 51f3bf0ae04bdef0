"""Edge functions of one triangle on the screen (Pineda 1988), shared by all kernels.

The edge function of a -> b at p is the cross product of b - a and p - a. It is computed with the ends in a fixed order,
so that two triangles get exactly opposite values at a shared edge: every pixel centre on it belongs to one of them.
"""

import numpy as np

from genstruct.render.backends.numba_kernels.compile import helper, unsigned

TINY, ZERO, ONE = np.float32(1.1754944e-38), np.float32(0), np.float32(1)  # TINY: the smallest normal number


@helper
def corners(triangles, face):
    """The three vertices of a triangle."""
    face = unsigned(face)
    return unsigned(triangles[face, 0]), unsigned(triangles[face, 1]), unsigned(triangles[face, 2])


@helper
def orientation(v, a, b, c):
    """Twice the area on the screen; negative for a triangle seen from the front (rows grow downwards)."""
    return (v[b, 0] - v[a, 0]) * (v[c, 1] - v[a, 1]) - (v[b, 1] - v[a, 1]) * (v[c, 0] - v[a, 0])


@helper
def edge_functions(v, a, b, c, x, y):
    """The edge functions opposite to each corner. Not in the fixed order, which costs a branch: for what is continuous
    across edges, as values and depths are, rounding does not matter."""
    ax, ay, bx, by, cx, cy = v[a, 0] - x, v[a, 1] - y, v[b, 0] - x, v[b, 1] - y, v[c, 0] - x, v[c, 1] - y
    return bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx


@helper
def inward_edge(ax, ay, bx, by, sign):
    """The edge function of a -> b times `sign` as (x, y, dx, dy, least): dx * (py - y) - dy * (px - x).

    With the sign of the triangle's orientation it is positive inside. Points where it is 0 belong to one side of an
    edge: a point is inside if all three are above their `least`, which is 0 or just below. Numbers instead of an array:
    a choice between two numbers needs no branch.
    """
    swap = (ax > bx) | ((ax == bx) & (ay > by))
    least = -TINY if (sign > 0) != swap else ZERO
    return bx if swap else ax, by if swap else ay, sign * (bx - ax), sign * (by - ay), least


@helper
def drawn_orientation(v, a, b, c, cull, near):
    """Orientation of a triangle if it is drawn; 0 if it has no area, is culled, or is too near."""
    turn = orientation(v, a, b, c)
    visible = (min(v[a, 2], v[b, 2], v[c, 2]) > near) & (abs(turn) < np.inf)  # false for NaN
    return turn if visible & ((turn < 0) | (not cull)) else v.dtype.type(0)


@helper
def nearness(v, a, orthographic):
    """A function of depth that is linear on the screen and grows towards the camera."""
    return -v[a, 2] if orthographic else v.dtype.type(1) / v[a, 2]


@helper
def nearness_of(inverse_depth, orthographic):
    """The same of a pixel."""
    return -ONE / inverse_depth if orthographic else inverse_depth


@helper
def nearness_at(v, a, b, c, x, y, orthographic):
    """Nearness of the triangle's plane at a point."""
    e0, e1, e2 = edge_functions(v, a, b, c, x, y)
    n0, n1, n2 = nearness(v, a, orthographic), nearness(v, b, orthographic), nearness(v, c, orthographic)
    return (e0 * n0 + e1 * n1 + e2 * n2) / (e0 + e1 + e2)


LOWEST = 0.1  # pixels: gradients of values inside lower triangles are damped, see the torch twin


@helper
def damping(v, a, b, c):
    """Factor for gradients of values inside a triangle: its height on the screen over `LOWEST`, at most 1."""
    one, lowest = v.dtype.type(1), v.dtype.type(LOWEST)
    ux, uy, wx, wy = v[b, 0] - v[a, 0], v[b, 1] - v[a, 1], v[c, 0] - v[a, 0], v[c, 1] - v[a, 1]
    sx, sy = wx - ux, wy - uy
    longest = max(ux * ux + uy * uy, max(wx * wx + wy * wy, sx * sx + sy * sy)) * lowest * lowest
    area = ux * wy - uy * wx
    return one if area * area >= longest else abs(area) / np.sqrt(longest)


@helper
def push_edge_functions(gradient, v, a, b, c, x, y, q0, q1, q2):
    """Add the derivative of sum(q_i e_i), of `edge_functions`, to the gradient of the three corners."""
    ax, ay, bx, by, cx, cy = v[a, 0] - x, v[a, 1] - y, v[b, 0] - x, v[b, 1] - y, v[c, 0] - x, v[c, 1] - y
    gradient[a, 0] += q2 * by - q1 * cy
    gradient[a, 1] += q1 * cx - q2 * bx
    gradient[b, 0] += q0 * cy - q2 * ay
    gradient[b, 1] += q2 * ax - q0 * cx
    gradient[c, 0] += q1 * ay - q0 * by
    gradient[c, 1] += q0 * bx - q1 * ax


@helper
def push_nearness_at(gradient, v, a, b, c, x, y, orthographic, pull):
    """Add `pull` times the derivative of `nearness_at` to the gradient of the three corners."""
    e0, e1, e2 = edge_functions(v, a, b, c, x, y)
    n0, n1, n2 = nearness(v, a, orthographic), nearness(v, b, orthographic), nearness(v, c, orthographic)
    scale = pull / (e0 + e1 + e2)
    mean = (e0 * n0 + e1 * n1 + e2 * n2) / (e0 + e1 + e2)
    push_edge_functions(gradient, v, a, b, c, x, y, scale * (n0 - mean), scale * (n1 - mean), scale * (n2 - mean))
    for corner, share, near in ((a, e0, n0), (b, e1, n1), (c, e2, n2)):
        gradient[corner, 2] -= scale * share if orthographic else scale * share * near * near
