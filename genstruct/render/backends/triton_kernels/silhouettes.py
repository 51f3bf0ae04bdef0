"""Where silhouette edges pass between two neighbouring pixel centres: the twin of `numba_kernels/silhouettes.py`.

First every silhouette edge enters what it crosses, the outermost edge wins (`mark`); then each pair of neighbours
settles for one crossing or none (`settle`), and leaves it out if it is hidden (`leave_out`). A pair is kind * H * W +
its first pixel, with kind 0 beside each other and kind 1 below each other. Its code is edge * 2 + (1 if the inner pixel
is the second), -2 where the planes of two triangles meet, -1 for nothing.
"""

import triton.language as tl

from genstruct.render.backends.triton_kernels.best import look_up, record
from genstruct.render.backends.triton_kernels.launch import kernel
from genstruct.render.backends.triton_kernels.triangle import (
    corners_of,
    divide,
    drawn_orientation,
    nearness,
    nearness_at,
    vertex,
)


@kernel
def side_of(v, faces, halves, forward, begin, end, live, CULL: tl.constexpr, NEAR: tl.constexpr):
    """The side of edges on which all their drawn triangles lie (+1 or -1); 0 for none or both."""
    most = tl.max(tl.where(live, end - begin, 0), 0)
    lowest, highest = (begin * 0).to(tl.int32), (begin * 0).to(tl.int32)
    step = 0
    while step < most:
        there = live & (begin + step < end)
        a, b, c = corners_of(faces, tl.load(halves + begin + step, there, 0), there)
        ax, ay, az = vertex(v, a, there)
        bx, by, bz = vertex(v, b, there)
        cx, cy, cz = vertex(v, c, there)
        turn = drawn_orientation(ax, ay, az, bx, by, bz, cx, cy, cz, CULL, NEAR)
        sign = tl.where(turn > 0, 1, tl.where(turn < 0, -1, 0))
        sign = tl.where(tl.load(forward + begin + step, there, 0) != 0, sign, -sign)
        lowest = tl.minimum(lowest, tl.where(there, sign, 0))
        highest = tl.maximum(highest, tl.where(there, sign, 0))
        step += 1
    return lowest + highest


@kernel
def pixel_nearness(inverse_depth, pixel, live, PARALLEL: tl.constexpr):
    """Nearness of what pixels show."""
    here = tl.load(inverse_depth + pixel, live, 1.0)
    if PARALLEL:
        return divide(here * 0 - 1, here)
    else:
        return here


@kernel
def may_blend(
    v, faces, index, inverse_depth, inner, outer, edge_near, x, y, live,
    BEHIND: tl.constexpr, TOUCHING: tl.constexpr, PARALLEL: tl.constexpr,
):  # fmt: skip
    """Whether the inner pixel shows the edge's surface or a nearer one, and the outer pixel something behind it."""
    live = live & (tl.load(index + inner, live, -1) >= 0)
    live = live & (pixel_nearness(inverse_depth, inner, live, PARALLEL) >= edge_near - BEHIND * tl.abs(edge_near))
    limit = edge_near + TOUCHING * tl.abs(edge_near)
    face = tl.load(index + outer, live, -1)
    shown = live & (face >= 0)
    behind = pixel_nearness(inverse_depth, outer, shown, PARALLEL) <= limit
    plane = nearness_at(v, faces, face, x, y, shown, PARALLEL) <= limit
    return live & ((face < 0) | behind | plane)


@kernel
def mark(
    v, faces, edges, start, halves, forward, index, inverse_depth, keys, numbers, farthest,
    vertices, face_stride, edge_stride, half_stride, table_stride, edge_count, width, height,
    BEHIND: tl.constexpr, TOUCHING: tl.constexpr, CULL: tl.constexpr, NEAR: tl.constexpr, PARALLEL: tl.constexpr,
    ACROSS: tl.constexpr, PASS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """A lane walks the rows of pixel centres that its silhouette edge crosses (columns if it is rather flat).

    If ACROSS it walks the lines across those, where edges do not count but hide others: `farthest` [B, 4, H * W], -1 at
    first, gets the bits of the largest share (they grow as it does).
    """
    image = tl.program_id(1).to(tl.int64)
    edge = tl.program_id(0) * LANES + tl.arange(0, LANES)
    live = edge < edge_count
    v, faces, pixels = v + image * vertices * 3, faces + image * face_stride, height * width
    begin = tl.load(start + image * table_stride + edge, live, 0)
    end = tl.load(start + image * table_stride + edge + 1, live, 0)
    halves, forward = halves + image * half_stride, forward + image * half_stride
    side = side_of(v, faces, halves, forward, begin, end, live, CULL, NEAR)
    live = live & (side != 0)
    ends = edges + image * edge_stride + edge * 2
    ax, ay, az = vertex(v, tl.load(ends, live, 0), live)
    bx, by, bz = vertex(v, tl.load(ends + 1, live, 0), live)
    steep = tl.abs(by - ay) >= tl.abs(bx - ax)
    if ACROSS:
        steep = steep == 0
    inner_first = tl.where(steep, (side > 0) == (by > ay), (side > 0) == (bx < ax))
    along_a, along_b, across_a = tl.where(steep, ay, ax), tl.where(steep, by, bx), tl.where(steep, ax, ay)
    length = along_b - along_a
    slope = divide(tl.where(steep, bx, by) - across_a, tl.where(length == 0, 1.0, length))
    lines, others = tl.where(steep, height, width), tl.where(steep, width, height)
    limit = lines.to(ax.dtype)
    first = tl.ceil(tl.minimum(tl.maximum(tl.minimum(along_a, along_b) - 0.5, 0.0), limit)).to(tl.int32)
    last = tl.ceil(tl.minimum(tl.maximum(tl.maximum(along_a, along_b) - 0.5, 0.0), limit)).to(tl.int32)
    near_a, near_b = nearness(az, PARALLEL), nearness(bz, PARALLEL)
    count = tl.where(live, last - first, 0)
    most = tl.max(count, 0)
    step = 0
    while step < most:
        line = first + step
        way = line.to(ax.dtype) + 0.5 - along_a
        position = across_a + way * slope - 0.5
        there = (count > step) & (position >= 0) & (position < (others - 1).to(ax.dtype))
        lower = tl.where(there, position, 0.0).to(tl.int32)
        share = position - lower.to(ax.dtype)
        edge_near = near_a + divide(way, tl.where(length == 0, 1.0, length)) * (near_b - near_a)
        pixel = tl.where(steep, line * width + lower, lower * width + line)
        beside = pixel + tl.where(steep, 1, width)
        center = line.to(ax.dtype) + 0.5
        x, y = tl.where(steep, position + 0.5, center), tl.where(steep, center, position + 0.5)
        inner, outer = tl.where(inner_first, pixel, beside), tl.where(inner_first, beside, pixel)
        there = may_blend(
            v, faces, index + image * pixels, inverse_depth + image * pixels, inner, outer, edge_near, x, y, there,
            BEHIND, TOUCHING, PARALLEL,
        )  # fmt: skip
        share = tl.abs(tl.where(inner_first, share, 1 - share))
        slot = tl.where(steep, 0, 2) + tl.where(inner_first, 0, 1)
        place = (image * 4 + slot) * pixels + pixel
        if ACROSS:
            tl.atomic_max(farthest + place, share.to(farthest.dtype.element_ty, bitcast=True), there, sem="relaxed")
        else:
            record(keys, numbers, place, share, edge, there, PASS)
        step += 1


@kernel
def edge_at(v, ends, edge, line, sideways, live, PARALLEL: tl.constexpr):
    """Where edges cross a line of pixel centres: across, the slope, the share of the second end, and nearness."""
    a, b = tl.load(ends + edge * 2, live, 0), tl.load(ends + edge * 2 + 1, live, 0)
    ax, ay, az = vertex(v, a, live)
    bx, by, bz = vertex(v, b, live)
    along_a, across_a = tl.where(sideways, ay, ax), tl.where(sideways, ax, ay)
    length = tl.where(sideways, by, bx) - along_a
    length = tl.where(live & (length != 0), length, 1.0)
    slope = divide(tl.where(sideways, bx, by) - across_a, length)
    second = divide(line - along_a, length)
    near_a, near_b = nearness(az, PARALLEL), nearness(bz, PARALLEL)
    return across_a + (line - along_a) * slope, slope, second, near_a + second * (near_b - near_a)


@kernel
def gaps(v, faces, first, second, x, y, x2, y2, live, PARALLEL: tl.constexpr):
    """How much nearer the first plane is at (x, y), and the second plane at (x2, y2)."""
    here = nearness_at(v, faces, first, x, y, live, PARALLEL) - nearness_at(v, faces, second, x, y, live, PARALLEL)
    there = nearness_at(v, faces, second, x2, y2, live, PARALLEL) - nearness_at(v, faces, first, x2, y2, live, PARALLEL)
    return here, there


@kernel
def settle(
    v, faces, edges, component, index, keys, numbers, codes, overhangs,
    vertices, face_stride, edge_stride, component_stride, width, height,
    PARTS: tl.constexpr, PARALLEL: tl.constexpr, PASS: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """The code of each pair [B, 2, H * W] and w = t - 1/2, with t the share of the way from inner to outer pixel."""
    image = tl.program_id(1).to(tl.int64)
    pixels = height * width
    pair = tl.program_id(0) * LANES + tl.arange(0, LANES)
    live = pair < 2 * pixels
    sideways, pixel = pair < pixels, pair % pixels
    row, column = pixel // width, pixel % width
    v, faces, ends = v + image * vertices * 3, faces + image * face_stride, edges + image * edge_stride
    slot = image * 4 * pixels + tl.where(sideways, 0, 2 * pixels) + pixel
    _, right, is_right = look_up(keys, numbers, slot, live, PASS)
    _, left, is_left = look_up(keys, numbers, slot + pixels, live, PASS)
    x, y = column.to(v.dtype.element_ty) + 0.5, row.to(v.dtype.element_ty) + 0.5
    line, start = tl.where(sideways, y, x), tl.where(sideways, x, y)
    place_right, _, _, near_right = edge_at(v, ends, right, line, sideways, is_right, PARALLEL)
    place_left, _, _, near_left = edge_at(v, ends, left, line, sideways, is_left, PARALLEL)
    is_right = is_right & ((near_right >= near_left) | (is_left == 0))
    is_left = is_left & (is_right == 0)
    code = tl.where(is_right, right * 2, tl.where(is_left, left * 2 + 1, -1))
    w = tl.where(is_right, place_right - start - 0.5, tl.where(is_left, 0.5 - place_left + start, 0.0))
    if PARTS:
        beside = pixel + tl.where(sideways, 1, width)
        inside = live & tl.where(sideways, column < width - 1, row < height - 1) & (code == -1)
        first = tl.load(index + image * pixels + pixel, inside, -1)
        second = tl.load(index + image * pixels + beside, inside, -1)
        both = inside & (first >= 0) & (second >= 0)
        one = tl.load(component + image * component_stride + first, both, 0)
        two = tl.load(component + image * component_stride + second, both, 0)
        both = both & (one != two)
        right_by, down_by = tl.where(sideways, 1.0, 0.0), tl.where(sideways, 0.0, 1.0)
        here, there = gaps(v, faces, first, second, x, y, x + right_by, y + down_by, both, PARALLEL)
        _, across = gaps(v, faces, first, second, x, y, x + down_by, y + right_by, both, PARALLEL)
        steeper, other = here + there, tl.abs(here + across)
        met = both & (here > 0) & (there > 0) & tl.where(sideways, steeper >= other, steeper > other)
        code = tl.where(met, -2, code)
        w = tl.where(met, divide(here, tl.where(met, here + there, 1.0)) - 0.5, w)
    at = image * 2 * pixels + pair
    tl.store(codes + at, code, live)
    tl.store(overhangs + at, w, live)


@kernel
def leave_out(
    keys, numbers, farthest, settled, codes, width, height, PASS: tl.constexpr, LANES: tl.constexpr
):  # fmt: skip
    """Copy codes, but for pairs where another outline lies farther out and is counted already, in lines across, at
    both pixels: nested parts and their joints would count twice."""
    image = tl.program_id(1).to(tl.int64)
    pixels = height * width
    pair = tl.program_id(0) * LANES + tl.arange(0, LANES)
    live = pair < 2 * pixels
    sideways, pixel = pair < pixels, pair % pixels
    settled, at = settled + image * 2 * pixels, image * 2 * pixels + pair
    code = tl.load(settled + pair, live, -1)
    edge = live & (code >= 0)
    backward = edge & ((code & 1) == 1)
    slot = image * 4 * pixels + tl.where(sideways, 0, 2 * pixels) + tl.where(backward, pixels, 0) + pixel
    share, _, _ = look_up(keys, numbers, slot, edge, PASS)
    bits = tl.load(farthest + slot, edge, -1)
    beside, step = pixel + tl.where(sideways, 1, width), tl.where(sideways, width, 1)
    inner, outer = tl.where(backward, beside, pixel), tl.where(backward, pixel, beside)
    across = settled + tl.where(sideways, pixels, 0)
    hidden = edge & (bits >= 0) & (bits.to(share.dtype, bitcast=True) > share)
    hidden = hidden & (runs(across, inner, 0, hidden) | runs(across, inner - step, 1, hidden & (inner >= step)))
    hidden = hidden & (runs(across, outer, 1, hidden) | runs(across, outer - step, 0, hidden & (outer >= step)))
    tl.store(codes + at, tl.where(hidden, -1, code), live)


@kernel
def runs(codes, pair, backward, live):
    """Whether pairs have an edge of this direction."""
    code = tl.load(codes + pair, live, -1)
    return (code >= 0) & ((code & 1) == backward)
