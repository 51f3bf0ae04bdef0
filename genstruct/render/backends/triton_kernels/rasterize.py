"""Visibility: a z-buffer of atomic minima, one lane for each triangle; large triangles go by tiles of the image."""

import triton.language as tl

from genstruct.render.backends.triton_kernels.best import look_up, record
from genstruct.render.backends.triton_kernels.launch import kernel
from genstruct.render.backends.triton_kernels.triangle import (
    corners_of,
    divide,
    drawn_orientation,
    inward_edge,
    vertex,
)


@kernel
def set_up(v, faces, face, width, height, live, CULL: tl.constexpr, NEAR: tl.constexpr, PARALLEL: tl.constexpr):
    """Three edges (x, y, dx, dy, closed), what depth is mixed from, and the box (left, upper, columns, rows)."""
    a, b, c = corners_of(faces, face, live)
    ax, ay, az = vertex(v, a, live)
    bx, by, bz = vertex(v, b, live)
    cx, cy, cz = vertex(v, c, live)
    turn = drawn_orientation(ax, ay, az, bx, by, bz, cx, cy, cz, CULL, NEAR)
    one = az * 0 + 1
    sign = tl.where(turn > 0, one, -one)
    x0, y0, dx0, dy0, closed0 = inward_edge(bx, by, cx, cy, sign)
    x1, y1, dx1, dy1, closed1 = inward_edge(cx, cy, ax, ay, sign)
    x2, y2, dx2, dy2, closed2 = inward_edge(ax, ay, bx, by, sign)
    left = tl.minimum(tl.maximum(tl.minimum(tl.minimum(ax, bx), cx) - 0.5, 0.0), width * one)
    right = tl.maximum(tl.minimum(tl.maximum(tl.maximum(ax, bx), cx) - 0.5, width * one - 1), -1.0)
    upper = tl.minimum(tl.maximum(tl.minimum(tl.minimum(ay, by), cy) - 0.5, 0.0), height * one)
    lower = tl.maximum(tl.minimum(tl.maximum(tl.maximum(ay, by), cy) - 0.5, height * one - 1), -1.0)
    drawn = live & (turn != 0)
    first, top = tl.ceil(left).to(tl.int32), tl.ceil(upper).to(tl.int32)
    columns = tl.where(drawn, tl.maximum(tl.floor(right).to(tl.int32) + 1 - first, 0), 0)
    rows = tl.where(drawn, tl.maximum(tl.floor(lower).to(tl.int32) + 1 - top, 0), 0)
    n0, n1, n2 = az, bz, cz
    if not PARALLEL:
        n0, n1, n2 = divide(one, az), divide(one, bz), divide(one, cz)
    return (
        x0, y0, dx0, dy0, closed0, x1, y1, dx1, dy1, closed1, x2, y2, dx2, dy2, closed2, n0, n1, n2,
        first, top, columns, rows,
    )  # fmt: skip


@kernel
def hit(
    row, column, x0, y0, dx0, dy0, closed0, x1, y1, dx1, dy1, closed1, x2, y2, dx2, dy2, closed2, n0, n1, n2,
    PARALLEL: tl.constexpr,
):  # fmt: skip
    """Whether triangles cover pixel centres, and their inverse depth there."""
    x, y = column.to(n0.dtype) + 0.5, row.to(n0.dtype) + 0.5
    e0 = dx0 * (y - y0) - dy0 * (x - x0)
    e1 = dx1 * (y - y1) - dy1 * (x - x1)
    e2 = dx2 * (y - y2) - dy2 * (x - x2)
    inside = ((e0 > 0) | ((e0 == 0) & closed0)) & ((e1 > 0) | ((e1 == 0) & closed1))
    inside = inside & ((e2 > 0) | ((e2 == 0) & closed2))
    total, mean = e0 + e1 + e2, e0 * n0 + e1 * n1 + e2 * n2
    here = divide(total, mean) if PARALLEL else divide(mean, total)
    return inside & (here > 0), here


@kernel
def draw(
    v, faces, keys, numbers, large, large_count, vertices, triangles, face_stride, width, height,
    CULL: tl.constexpr, NEAR: tl.constexpr, PARALLEL: tl.constexpr, PASS: tl.constexpr, LARGE: tl.constexpr,
    LANES: tl.constexpr,
):  # fmt: skip
    """A lane visits all pixels of its triangle's box. Triangles with more than LARGE are listed for later."""
    image = tl.program_id(1).to(tl.int64)
    face = tl.program_id(0) * LANES + tl.arange(0, LANES)
    live = face < triangles
    (
        x0, y0, dx0, dy0, closed0, x1, y1, dx1, dy1, closed1, x2, y2, dx2, dy2, closed2, n0, n1, n2,
        left, upper, columns, rows,
    ) = set_up(
        v + image * vertices * 3, faces + image * face_stride, face, width, height, live, CULL, NEAR, PARALLEL
    )  # fmt: skip
    visits = columns * rows
    big = visits > LARGE
    if PASS < 2:  # the second pass of float64 finds the list made
        place = tl.atomic_add(large_count + face * 0, 1, big, sem="relaxed")
        tl.store(large + place, image * triangles + face, big)
    visits = tl.where(big, 0, visits)
    wide = tl.maximum(columns, 1)
    most = tl.max(visits, 0)
    step = 0
    while step < most:
        row, column = upper + step // wide, left + step % wide
        inside, here = hit(
            row, column, x0, y0, dx0, dy0, closed0, x1, y1, dx1, dy1, closed1, x2, y2, dx2, dy2, closed2, n0, n1, n2,
            PARALLEL,
        )  # fmt: skip
        pixel = (image * height + row) * width + column
        record(keys, numbers, pixel, here, face, inside & (visits > step), PASS)
        step += 1


@kernel
def draw_large(
    v, faces, keys, numbers, large, large_count, vertices, triangles, face_stride, width, height,
    CULL: tl.constexpr, NEAR: tl.constexpr, PARALLEL: tl.constexpr, PASS: tl.constexpr, SIDE: tl.constexpr,
):  # fmt: skip
    """A program takes every so many-th pair of a listed triangle and a tile of SIDE x SIDE pixels, a lane each."""
    lane = tl.arange(0, SIDE * SIDE)
    live = lane >= 0
    across = tl.cdiv(width, SIDE)
    tiles = across * tl.cdiv(height, SIDE)
    todo = tl.load(large_count).to(tl.int64) * tiles
    item = tl.program_id(0).to(tl.int64)
    while item < todo:
        entry = tl.load(large + item // tiles + lane * 0)  # the same for all lanes
        image, face = entry // triangles, entry % triangles
        tile = item % tiles
        row, column = (tile // across) * SIDE + lane // SIDE, (tile % across) * SIDE + lane % SIDE
        (
            x0, y0, dx0, dy0, closed0, x1, y1, dx1, dy1, closed1, x2, y2, dx2, dy2, closed2, n0, n1, n2,
            left, upper, columns, rows,
        ) = set_up(
            v + image * vertices * 3, faces + image * face_stride, face, width, height, live, CULL, NEAR, PARALLEL
        )  # fmt: skip
        boxed = (row >= upper) & (row < upper + rows) & (column >= left) & (column < left + columns)
        inside, here = hit(
            row, column, x0, y0, dx0, dy0, closed0, x1, y1, dx1, dy1, closed1, x2, y2, dx2, dy2, closed2, n0, n1, n2,
            PARALLEL,
        )  # fmt: skip
        record(keys, numbers, (image * height + row) * width + column, here, face, inside & boxed, PASS)
        item += tl.num_programs(0)


@kernel
def unpack(keys, numbers, index, inverse_depth, pixels, PASS: tl.constexpr, LANES: tl.constexpr):
    """The nearest triangle and its inverse depth; -1 and 0 where nothing is hit."""
    pixel = tl.program_id(0).to(tl.int64) * LANES + tl.arange(0, LANES)
    live = pixel < pixels
    value, number, _ = look_up(keys, numbers, pixel, live, PASS)
    tl.store(index + pixel, number, live)
    tl.store(inverse_depth + pixel, value, live)
