"""Edge functions of triangles on the screen (Pineda 1988): the twin of `numba_kernels/triangle.py`, a lane each.

The arithmetic and its order are the same, so that visibility is equal bit by bit. `v` points at vertices (x, y, depth)
of one image. Idle lanes read 1 everywhere.
"""

import triton.language as tl

from genstruct.render.backends.triton_kernels.launch import kernel


@kernel
def divide(a, b):
    """a / b, rounded to the nearest: the plain sign is less exact in float32."""
    if a.dtype == tl.float32:
        return tl.div_rn(a, b)
    else:
        return a / b


@kernel
def corners_of(faces, face, live):
    """Rows of the three corners; row 0 for idle lanes."""
    at = faces + face.to(tl.int64) * 3
    return tl.load(at, live, 0), tl.load(at + 1, live, 0), tl.load(at + 2, live, 0)


@kernel
def vertex(v, row, live):
    """x, y and depth."""
    at = v + row * 3
    return tl.load(at, live, 1.0), tl.load(at + 1, live, 1.0), tl.load(at + 2, live, 1.0)


@kernel
def drawn_orientation(ax, ay, az, bx, by, bz, cx, cy, cz, CULL: tl.constexpr, NEAR: tl.constexpr):
    """Twice the area on the screen of triangles that are drawn, negative seen from the front; 0 of all others."""
    turn = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    visible = (az > NEAR) & (bz > NEAR) & (cz > NEAR) & (tl.abs(turn) < float("inf"))
    if CULL:
        visible = visible & (turn < 0)
    return tl.where(visible, turn, 0.0)


@kernel
def inward_edge(ax, ay, bx, by, sign):
    """The edge function times `sign` as (x, y, dx, dy, closed), with the ends in a fixed order: exactly opposite values
    for two triangles at a shared edge."""
    forward = (ax < bx) | ((ax == bx) & (ay <= by))
    side = tl.where(forward, sign, -sign)
    x, y = tl.where(forward, ax, bx), tl.where(forward, ay, by)
    dx = side * (tl.where(forward, bx, ax) - x)
    dy = side * (tl.where(forward, by, ay) - y)
    return x, y, dx, dy, side > 0


@kernel
def edge_functions(ax, ay, bx, by, cx, cy, x, y):
    """Edge functions opposite to each corner, not in the fixed order: for what is continuous across edges."""
    px, py, qx, qy, rx, ry = ax - x, ay - y, bx - x, by - y, cx - x, cy - y
    return qx * ry - qy * rx, rx * py - ry * px, px * qy - py * qx


@kernel
def nearness(z, PARALLEL: tl.constexpr):
    """A function of depth that is linear on the screen and grows towards the camera."""
    if PARALLEL:
        return -z
    else:
        return divide(z * 0 + 1, z)


@kernel
def nearness_at(v, faces, face, x, y, live, PARALLEL: tl.constexpr):
    """Nearness of the plane of a triangle at a point."""
    a, b, c = corners_of(faces, face, live)
    ax, ay, az = vertex(v, a, live)
    bx, by, bz = vertex(v, b, live)
    cx, cy, cz = vertex(v, c, live)
    e0, e1, e2 = edge_functions(ax, ay, bx, by, cx, cy, x, y)
    mean = e0 * nearness(az, PARALLEL) + e1 * nearness(bz, PARALLEL) + e2 * nearness(cz, PARALLEL)
    return divide(mean, e0 + e1 + e2)


@kernel
def push_corner(to_v, row, x, y, z, live):
    """Add to the gradient of a vertex."""
    at = to_v + row * 3
    tl.atomic_add(at, x, live, sem="relaxed")
    tl.atomic_add(at + 1, y, live, sem="relaxed")
    tl.atomic_add(at + 2, z, live, sem="relaxed")


@kernel
def push_edge_functions(to_v, a, b, c, ax, ay, bx, by, cx, cy, x, y, q0, q1, q2, z0, z1, z2, live):
    """Add the derivative of sum(q_i e_i), of `edge_functions`, and z_i for the depths, to the three corners."""
    px, py, qx, qy, rx, ry = ax - x, ay - y, bx - x, by - y, cx - x, cy - y
    push_corner(to_v, a, q2 * qy - q1 * ry, q1 * rx - q2 * qx, z0, live)
    push_corner(to_v, b, q0 * ry - q2 * py, q2 * px - q0 * rx, z1, live)
    push_corner(to_v, c, q1 * py - q0 * qy, q0 * qx - q1 * px, z2, live)


@kernel
def push_nearness_at(to_v, v, faces, face, x, y, pull, live, PARALLEL: tl.constexpr):
    """Add `pull` times the derivative of `nearness_at` to the gradient of the three corners."""
    a, b, c = corners_of(faces, face, live)
    ax, ay, az = vertex(v, a, live)
    bx, by, bz = vertex(v, b, live)
    cx, cy, cz = vertex(v, c, live)
    e0, e1, e2 = edge_functions(ax, ay, bx, by, cx, cy, x, y)
    n0, n1, n2 = nearness(az, PARALLEL), nearness(bz, PARALLEL), nearness(cz, PARALLEL)
    scale = divide(pull, e0 + e1 + e2)
    mean = divide(e0 * n0 + e1 * n1 + e2 * n2, e0 + e1 + e2)
    z0, z1, z2 = -scale * e0, -scale * e1, -scale * e2
    if not PARALLEL:  # d(1 / z) = -1 / z^2 dz
        z0, z1, z2 = z0 * n0 * n0, z1 * n1 * n1, z2 * n2 * n2
    push_edge_functions(
        to_v, a, b, c, ax, ay, bx, by, cx, cy, x, y, scale * (n0 - mean), scale * (n1 - mean), scale * (n2 - mean),
        z0, z1, z2, live,
    )  # fmt: skip


LOWEST = tl.constexpr(0.1)  # pixels: gradients of values inside lower triangles are damped, see the torch twin


@kernel
def damping(ax, ay, bx, by, cx, cy):
    """Factor for gradients of values inside triangles: their height on the screen over `LOWEST`, at most 1."""
    ux, uy, wx, wy = bx - ax, by - ay, cx - ax, cy - ay
    sx, sy = wx - ux, wy - uy
    longest = tl.maximum(ux * ux + uy * uy, tl.maximum(wx * wx + wy * wy, sx * sx + sy * sy)) * LOWEST * LOWEST
    area = ux * wy - uy * wx
    low = area * area < longest
    return tl.where(low, divide(tl.abs(area), tl.sqrt(tl.where(low, longest, 1.0))), 1.0)
