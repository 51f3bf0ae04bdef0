"""What crossings do to a picture: the pixel that is partly on the other side takes over part of its neighbour.

An edge at the share t of the way from the inner to the outer pixel centre covers w = t - 1/2 of the outer pixel if
w > 0, and otherwise leaves -w of the inner pixel to the outer side. Where the shares of one pixel sum to more than 1
(corners, thin parts) they are scaled to 1, so that every result is a mean of pixels.

When t moves, what enters a pixel is the colour at the edge, not that of a pixel centre up to a pixel away. The gradient
of t therefore takes both colours where the edge is, continued in a straight line: a step that the picture itself
leaves out, so that it stays a mean.
"""

from genstruct.render.backends.numba_kernels.compile import helper, kernel
from genstruct.render.backends.numba_kernels.silhouettes import gaps
from genstruct.render.backends.numba_kernels.triangle import push_nearness_at


@helper
def place(pixel, width, real):
    """Centre of a pixel."""
    return real(pixel % width) + real(0.5), real(pixel // width) + real(0.5)


@helper
def direction(crossing, width):
    """Step from the inner to the outer pixel: (right, down)."""
    step = crossing[2] - crossing[1]
    sideways = crossing[0] == 0 or (crossing[0] == 2 and width > 1 and step == 1)
    sign = 1 if step > 0 else -1
    return (sign, 0) if sideways else (0, sign)


@helper
def overhang(v, triangles, crossing, width, orthographic):
    """w = t - 1/2 of a crossing."""
    real = v.dtype.type
    x, y = place(crossing[1], width, real)
    right, down = direction(crossing, width)
    a, b = crossing[3], crossing[4]
    if crossing[0] == 2:
        here, there = gaps(v, triangles, a, b, x, y, right, down, orthographic)
        return here / (here + there) - real(0.5)
    along, across = (1, 0) if crossing[0] == 0 else (0, 1)
    line, inner = (y, x) if crossing[0] == 0 else (x, y)
    slope = (v[b, across] - v[a, across]) / (v[b, along] - v[a, along])
    return (v[a, across] + (line - v[a, along]) * slope - inner) * real(right + down) - real(0.5)


@helper
def push_overhang(to_v, v, triangles, crossing, width, orthographic, pull):
    """Add `pull` times the derivative of `overhang` to the gradient of the vertices."""
    real = v.dtype.type
    x, y = place(crossing[1], width, real)
    right, down = direction(crossing, width)
    a, b = crossing[3], crossing[4]
    if crossing[0] == 2:
        here, there = gaps(v, triangles, a, b, x, y, right, down, orthographic)
        to_here = pull * there / ((here + there) * (here + there))
        to_there = -pull * here / ((here + there) * (here + there))
        x2, y2 = x + real(right), y + real(down)
        for face, sign in ((a, real(1)), (b, real(-1))):
            i, j, k = triangles[face]
            push_nearness_at(to_v, v, i, j, k, x, y, orthographic, sign * to_here)
            push_nearness_at(to_v, v, i, j, k, x2, y2, orthographic, -sign * to_there)
        return
    along, across = (1, 0) if crossing[0] == 0 else (0, 1)
    line = y if crossing[0] == 0 else x
    length = v[b, along] - v[a, along]
    slope, second = (v[b, across] - v[a, across]) / length, (line - v[a, along]) / length
    pull = pull * real(right + down)
    to_v[a, across] += pull * (real(1) - second)
    to_v[b, across] += pull * second
    to_v[a, along] -= pull * (real(1) - second) * slope
    to_v[b, along] -= pull * second * slope


@kernel
def blend(v, faces, where, count, picture, width, orthographic, load, out, first, last):
    """Change `out`, a copy of `picture` [B, C, H * W]; `load` [B, H * W], zero at first, gets the sum of shares."""
    for image in range(first, last):
        triangles = faces[min(image, len(faces) - 1)]
        before, after = picture[image], out[image]
        for number in range(count[image]):
            crossing = where[image, number]
            w = overhang(v[image], triangles, crossing, width, orthographic)
            load[image, crossing[2] if w > 0 else crossing[1]] += abs(w)
        for number in range(count[image]):
            crossing = where[image, number]
            w = overhang(v[image], triangles, crossing, width, orthographic)
            target, other = (crossing[2], crossing[1]) if w > 0 else (crossing[1], crossing[2])
            share = abs(w) / max(load[image, target], v.dtype.type(1))
            for channel in range(len(before)):
                after[channel, target] += share * (before[channel, other] - before[channel, target])


@helper
def beyond(index, component, pixel, step, sideways, width):
    """The next pixel in the direction of `step` if it shows the same part (or background) as `pixel`, else -1."""
    found = pixel + step
    if found < 0 or found >= len(index) or (sideways and found // width != pixel // width):
        return -1
    here, there = index[pixel], index[found]
    if here < 0 or there < 0:
        return found if here < 0 and there < 0 else -1
    return found if component[here] == component[there] else -1


@helper
def change(values, inner, outer, deeper, farther, share, half):
    """How values change across the edge: both sides are continued to it in a straight line from their two nearest
    pixels, by no more than half of the difference between those at the edge."""
    step, bend = values[inner] - values[outer], values[inner] - values[inner]
    if deeper >= 0:
        bend += share * (values[inner] - values[deeper])
    if farther >= 0:
        bend -= (half + half - share) * (values[outer] - values[farther])
    bound = half * abs(step)
    return step + min(max(bend, -bound), bound)


@kernel
def pull_back(
    v, faces, component, where, count, index, picture, width, orthographic,
    load, out, gradient, to_v, to_picture, wants_v, first, last,
):  # fmt: skip
    """Add gradients to `to_v` [B, V, 3], zero at first, and to `to_picture`, a copy of `gradient` [B, C, H * W]."""
    one, half = v.dtype.type(1), v.dtype.type(0.5)
    for image in range(first, last):
        triangles, before, seen = faces[min(image, len(faces) - 1)], picture[image], index[image].reshape(-1)
        parts = component[min(image, len(component) - 1)]
        for number in range(count[image]):
            crossing = where[image, number]
            inner, outer = crossing[1], crossing[2]
            w = overhang(v[image], triangles, crossing, width, orthographic)
            sign = one if w > 0 else -one
            target, other = (outer, inner) if w > 0 else (inner, outer)
            full, scale = load[image, target] > 1, max(load[image, target], one)
            sideways = direction(crossing, width)[0] != 0
            deeper = beyond(seen, parts, inner, inner - outer, sideways, width)
            farther = beyond(seen, parts, outer, outer - inner, sideways, width)
            pull = v.dtype.type(0)
            for channel in range(len(before)):
                values, g = before[channel], gradient[image, channel, target] / scale
                to_picture[image, channel, other] += abs(w) * g
                to_picture[image, channel, target] -= abs(w) * g
                pull += g * change(values, inner, outer, deeper, farther, w + half, half)
                if full:
                    pull -= sign * g * (out[image, channel, target] - values[target])
            if wants_v:
                push_overhang(to_v[image], v[image], triangles, crossing, width, orthographic, pull)
