"""What crossings do to a picture: the pixel that is partly on the other side takes over part of its neighbour.

An edge at the share t of the way from the inner to the outer pixel centre covers w = t - 1/2 of the outer pixel if
w > 0, and otherwise leaves -w of the inner pixel to the outer side. Where the shares of one pixel sum to more than 1
(corners, thin parts) they are scaled to 1, so that every result is a mean of pixels.
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


@kernel
def pull_back(
    v, faces, where, count, picture, width, orthographic, load, out, gradient, to_v, to_picture, wants_v, first, last
):
    """Add gradients to `to_v` [B, V, 3], zero at first, and to `to_picture`, a copy of `gradient` [B, C, H * W]."""
    one = v.dtype.type(1)
    for image in range(first, last):
        triangles, before = faces[min(image, len(faces) - 1)], picture[image]
        for number in range(count[image]):
            crossing = where[image, number]
            w = overhang(v[image], triangles, crossing, width, orthographic)
            target, other = (crossing[2], crossing[1]) if w > 0 else (crossing[1], crossing[2])
            full = load[image, target] > 1
            scale = max(load[image, target], one)
            pull = v.dtype.type(0)
            for channel in range(len(before)):
                g = gradient[image, channel, target]
                to_picture[image, channel, other] += abs(w) / scale * g
                to_picture[image, channel, target] -= abs(w) / scale * g
                pull += g * (before[channel, other] - before[channel, target]) / scale
                if full:
                    pull -= g * (out[image, channel, target] - before[channel, target]) / scale
            if wants_v:
                sign = one if w > 0 else -one
                push_overhang(to_v[image], v[image], triangles, crossing, width, orthographic, sign * pull)
