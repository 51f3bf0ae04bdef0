"""Where silhouette edges pass between two neighbouring pixel centres.

A crossing is a row of `where`: (kind, inner pixel, outer pixel, first, second), pixels as row * width + column.
Kinds: 0 = an edge (vertices first, second) crosses a row of pixel centres, 1 = a column, 2 = the planes of two
triangles (first at the inner, second at the outer pixel) meet in between.
"""

import numpy as np

from genstruct.render.backends.numba_kernels.compile import ceil, helper, kernel, unsigned
from genstruct.render.backends.numba_kernels.triangle import (
    corners,
    drawn_orientation,
    nearness,
    nearness_at,
    nearness_of,
)

# The same as of the reference backend; here again, as compiled kernels are remembered as long as this file stays.
BEHIND = 0.2  # the inner pixel may lie this share of the edge's nearness behind it: surfaces seen at a slant
TOUCHING = 1e-2  # the outer pixel may be this much before it: surfaces that meet at the edge


@kernel
def find(
    v, faces, edges, start, face, forward, component, parts, index, inverse_depth, cull, near, orthographic,
    where, count, first, last,
):  # fmt: skip
    """Fill `where` [B, capacity, 5] and `count` [B] of the images `first` to `last`.

    `count` may exceed the capacity: then crossings were lost and the caller must come back with more room.
    """
    height, width = index.shape[1:]
    slot_edge = np.full((4, height * width), -1, np.int32)  # kind * 2 + direction, by first pixel of the pair
    slot_share = np.empty((4, height * width), v.dtype)
    slot_near = np.empty((4, height * width), v.dtype)
    slot_farthest = np.full((4, height * width), -1, v.dtype)  # share of edges that do not count in these lines
    turns = np.empty(faces.shape[1], np.int8)
    for image in range(first, last):
        # Views are made once: each costs as much as a few pixels.
        table, place, found = min(image, len(edges) - 1), v[image], where[image]
        triangles, ends, begins = faces[min(image, len(faces) - 1)], edges[table], start[table]
        halves, ways = face[table], forward[table]
        seen, depth = index[image].reshape(-1), inverse_depth[image].reshape(-1)
        for number in range(len(triangles)):
            a, b, c = corners(triangles, number)
            turn = drawn_orientation(place, a, b, c, cull, near)
            turns[number] = 1 if turn > 0 else (-1 if turn < 0 else 0)
        for number in range(len(ends)):
            edge = unsigned(number)
            begin, end = begins[edge], begins[edge + unsigned(1)]
            if inside_surface(halves, ways, turns, begin, end):  # nearly all edges
                continue
            side = silhouette_side(halves, ways, turns, begin, end)
            if side == 0:
                continue
            a, b = unsigned(ends[edge, 0]), unsigned(ends[edge, 1])
            for across in range(2):
                walk(
                    place, triangles, a, b, number, side, across == 1, height, width, seen, depth, orthographic,
                    slot_edge, slot_share, slot_near, slot_farthest,
                )  # fmt: skip
        settled = collect(ends, height, width, slot_edge, slot_near, found)
        count[image] = leave_out(found, settled, width, slot_edge, slot_share, slot_farthest)
        if parts:
            count[image] = meet(
                place, triangles, component[min(image, len(component) - 1)], index[image], orthographic, slot_edge,
                found, count[image],
            )  # fmt: skip
        slot_edge[:] = -1
        slot_farthest[:] = -1


@helper
def inside_surface(face, forward, turns, begin, end):
    """Whether just two triangles meet at the edge, one on each side: a quick answer before `silhouette_side`."""
    if end - begin != 2:
        return False
    one, other = unsigned(begin), unsigned(begin + 1)
    return (forward[one] != forward[other]) & (turns[unsigned(face[one])] == turns[unsigned(face[other])])


@helper
def silhouette_side(face, forward, turns, begin, end):
    """The side of the edge (+1 or -1, as the edge function of low -> high corner) on which all its drawn triangles
    lie; 0 if it has none or they lie on both sides."""
    total, drawn = 0, 0
    for number in range(begin, end):  # sums instead of branches
        half = unsigned(number)
        turn = turns[unsigned(face[half])]
        total += turn if forward[half] else -turn
        drawn += abs(turn)
    if abs(total) != drawn:
        return 0
    return 1 if total > 0 else (-1 if total < 0 else 0)


@helper
def walk(
    v, triangles, a, b, edge, side, across_lines, height, width, seen, depth, orthographic,
    slot_edge, slot_share, slot_near, slot_farthest,
):  # fmt: skip
    """Visit the rows of pixel centres that the edge crosses (columns if it is rather flat), where it counts; or the
    lines across those, where it only hides edges."""
    real = v.dtype.type
    half = real(0.5)
    dx, dy = v[b, 0] - v[a, 0], v[b, 1] - v[a, 1]
    steep = (abs(dy) >= abs(dx)) != across_lines
    along, across = (1, 0) if steep else (0, 1)
    lines, others = (height, width) if steep else (width, height)
    low, high = min(v[a, along], v[b, along]) - half, max(v[a, along], v[b, along]) - half
    if high <= 0 or low > lines - 1:
        return
    begin, end = ceil(max(low, real(0))), ceil(min(high, real(lines)))
    if begin >= end:
        return
    inner_first = (side > 0) == (dy > 0) if steep else (side > 0) == (dx < 0)
    n_a, n_b = nearness(v, a, orthographic), nearness(v, b, orthographic)
    slope = (v[b, across] - v[a, across]) / (v[b, along] - v[a, along])
    for line in range(begin, end):
        way = real(line) + half - v[a, along]
        position = v[a, across] + way * slope - half
        if not (position >= 0 and position < others - 1):  # the pair must lie in the image
            continue
        lower = int(position)
        step = position - real(lower)
        edge_near = n_a + way / (v[b, along] - v[a, along]) * (n_b - n_a)
        pixel = unsigned(line * width + lower if steep else lower * width + line)
        stride = unsigned(1 if steep else width)
        inner, outer = (pixel, pixel + stride) if inner_first else (pixel + stride, pixel)
        if not inner_matches(seen, depth, inner, edge_near, orthographic):
            continue
        x, y = (position + half, real(line) + half) if steep else (real(line) + half, position + half)
        if not outer_behind(v, triangles, seen, depth, outer, edge_near, x, y, orthographic):
            continue
        share = step if inner_first else real(1) - step
        slot = unsigned((0 if steep else 2) + (0 if inner_first else 1))
        if across_lines:
            slot_farthest[slot, pixel] = max(slot_farthest[slot, pixel], share)
        elif slot_edge[slot, pixel] < 0 or share > slot_share[slot, pixel]:
            slot_edge[slot, pixel], slot_share[slot, pixel], slot_near[slot, pixel] = edge, share, edge_near


@helper
def inner_matches(seen, depth, pixel, edge_near, orthographic):
    """Whether the inner pixel shows the edge's surface, or one before it, rather than something far behind."""
    if seen[pixel] < 0:
        return False
    return nearness_of(depth[pixel], orthographic) >= edge_near - depth.dtype.type(BEHIND) * abs(edge_near)


@helper
def outer_behind(v, triangles, seen, depth, pixel, edge_near, x, y, orthographic):
    """Whether what the outer pixel shows is behind the edge: there, or where its plane reaches the edge."""
    if seen[pixel] < 0:
        return True
    limit = edge_near + v.dtype.type(TOUCHING) * abs(edge_near)
    if nearness_of(depth[pixel], orthographic) <= limit:
        return True
    a, b, c = corners(triangles, seen[pixel])
    return nearness_at(v, a, b, c, x, y, orthographic) <= limit


@helper
def collect(edges, height, width, slot_edge, slot_near, where):
    """List the crossings. Of edges that look at each other across one pair of pixels the nearer one stays."""
    count = 0
    for kind in range(2):
        stride = 1 if kind == 0 else width
        for pixel in range(height * width):
            right, left = slot_edge[2 * kind, pixel], slot_edge[2 * kind + 1, pixel]
            if right < 0 and left < 0:
                continue
            if right >= 0 and left >= 0:
                if slot_near[2 * kind, pixel] >= slot_near[2 * kind + 1, pixel]:
                    left = -1
                else:
                    right = -1
                slot_edge[2 * kind, pixel], slot_edge[2 * kind + 1, pixel] = right, left
            inner, outer = (pixel, pixel + stride) if right >= 0 else (pixel + stride, pixel)
            edge = max(right, left)
            if count < len(where):
                where[count, 0], where[count, 1], where[count, 2] = kind, inner, outer
                where[count, 3], where[count, 4] = edges[edge, 0], edges[edge, 1]
            count += 1
    return count


@helper
def leave_out(where, count, width, slot_edge, slot_share, slot_farthest):
    """Leave out crossings if another outline lies farther out and is counted already, in lines across, at both pixels
    of the pair: nested parts and their joints would count twice."""
    if count > len(where):
        return count
    kept = 0
    for number in range(count):
        kind, inner, outer = where[number, 0], where[number, 1], where[number, 2]
        slot, pixel = 2 * kind + (0 if inner < outer else 1), min(inner, outer)
        across = 2 * (1 - kind)
        step = width if kind == 0 else 1
        if slot_farthest[slot, pixel] > slot_share[slot, pixel]:
            at_inner = slot_edge[across, inner] >= 0 or (inner >= step and slot_edge[across + 1, inner - step] >= 0)
            at_outer = slot_edge[across + 1, outer] >= 0 or (outer >= step and slot_edge[across, outer - step] >= 0)
            if at_inner and at_outer:
                continue
        for column in range(where.shape[1]):
            where[kept, column] = where[number, column]
        kept += 1
    return kept


@helper
def meet(v, triangles, component, index, orthographic, slot_edge, where, count):
    """List the pairs of pixels between which two parts pass through each other."""
    half = v.dtype.type(0.5)
    height, width = index.shape
    for kind in range(2):
        right, down = (1, 0) if kind == 0 else (0, 1)
        for row in range(height - down):
            for column in range(width - right):
                first, second = index[row, column], index[row + down, column + right]
                if first < 0 or second < 0 or component[first] == component[second]:
                    continue
                pixel = row * width + column
                if slot_edge[2 * kind, pixel] >= 0 or slot_edge[2 * kind + 1, pixel] >= 0:
                    continue
                x, y = v.dtype.type(column) + half, v.dtype.type(row) + half
                if not swap(v, triangles, first, second, x, y, right, down, orthographic):
                    continue
                if count < len(where):
                    where[count, 0], where[count, 1], where[count, 2] = 2, pixel, pixel + down * width + right
                    where[count, 3], where[count, 4] = first, second
                count += 1
    return count


@helper
def swap(v, triangles, first, second, x, y, right, down, orthographic):
    """Whether each of two planes is the nearer one at its own pixel, and this pair crosses their line more steeply than
    the pair across it would: every stretch of a line is counted in rows or in columns, as for edges."""
    here, there = gaps(v, triangles, first, second, x, y, right, down, orthographic)
    if not (here > 0 and there > 0):
        return False
    _, beside = gaps(v, triangles, first, second, x, y, down, right, orthographic)
    along, across = here + there, abs(here + beside)
    return along >= across if right > 0 else along > across


@helper
def gaps(v, triangles, first, second, x, y, right, down, orthographic):
    """How much nearer the first plane is at (x, y), and the second plane at the neighbour to the right or below."""
    a, b, c = corners(triangles, first)
    i, j, k = corners(triangles, second)
    x2, y2 = x + v.dtype.type(right), y + v.dtype.type(down)
    here = nearness_at(v, a, b, c, x, y, orthographic) - nearness_at(v, i, j, k, x, y, orthographic)
    there = nearness_at(v, i, j, k, x2, y2, orthographic) - nearness_at(v, a, b, c, x2, y2, orthographic)
    return here, there
