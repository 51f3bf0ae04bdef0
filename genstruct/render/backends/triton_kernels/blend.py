"""What crossings do to a picture, and gradients; `numba_kernels/blend.py` tells what is computed.

Every pixel belongs to four pairs and gathers from them, so that pictures and their gradients are repeatable. Only
gradients of vertices are sums in any order.
"""

import triton.language as tl

from genstruct.render.backends.triton_kernels.launch import kernel
from genstruct.render.backends.triton_kernels.silhouettes import edge_at, gaps
from genstruct.render.backends.triton_kernels.triangle import divide, push_nearness_at


@kernel
def share_of(codes, overhangs, pair, live):
    """|w| of pairs, and whether their second pixel is the one that changes."""
    code = tl.load(codes + pair, live, -1)
    w = tl.load(overhangs + pair, live & (code != -1), 0.0)
    backward = (code >= 0) & ((code & 1) == 1)
    return tl.abs(w), (w > 0) != backward


@kernel
def shares_around(codes, overhangs, pixel, width, height, live):
    """Shares of the pairs with the left, right, upper and lower neighbour, and whether the neighbour changes."""
    row, column, pixels = pixel // width, pixel % width, height * width
    w0, second0 = share_of(codes, overhangs, pixel - 1, live & (column > 0))
    w1, second1 = share_of(codes, overhangs, pixel, live & (column < width - 1))
    w2, second2 = share_of(codes, overhangs, pixels + pixel - width, live & (row > 0))
    w3, second3 = share_of(codes, overhangs, pixels + pixel, live & (row < height - 1))
    return w0, second0 == 0, w1, second1, w2, second2 == 0, w3, second3


@kernel
def blend(
    picture, codes, overhangs, load, out, channels, width, height, LANES: tl.constexpr
):  # fmt: skip
    """Fill `out` [B, C, H * W] and `load` [B, H * W], the sum of the shares that change each pixel."""
    image, pixels = tl.program_id(1).to(tl.int64), height * width
    pixel = tl.program_id(0) * LANES + tl.arange(0, LANES)
    live = pixel < pixels
    w0, gives0, w1, gives1, w2, gives2, w3, gives3 = shares_around(
        codes + image * 2 * pixels, overhangs + image * 2 * pixels, pixel, width, height, live
    )
    w0, w1 = tl.where(gives0, 0.0, w0), tl.where(gives1, 0.0, w1)
    w2, w3 = tl.where(gives2, 0.0, w2), tl.where(gives3, 0.0, w3)
    total = w0 + w1 + w2 + w3
    tl.store(load + image * pixels + pixel, total, live)
    scale = tl.maximum(total, 1.0)
    w0, w1, w2, w3 = divide(w0, scale), divide(w1, scale), divide(w2, scale), divide(w3, scale)
    channel = 0
    while channel < channels:
        plane = picture + (image * channels + channel) * pixels + pixel
        here = tl.load(plane, live, 0.0)
        change = w0 * (tl.load(plane - 1, live & (w0 > 0), 0.0) - here)
        change += w1 * (tl.load(plane + 1, live & (w1 > 0), 0.0) - here)
        change += w2 * (tl.load(plane - width, live & (w2 > 0), 0.0) - here)
        change += w3 * (tl.load(plane + width, live & (w3 > 0), 0.0) - here)
        tl.store(out + (image * channels + channel) * pixels + pixel, here + change, live)
        channel += 1


@kernel
def received(gradient, load, w, gives, live):
    """What a neighbour's gradient sends back: the pointers are at the neighbour."""
    live = live & gives & (w > 0)
    scale = tl.maximum(tl.load(load, live, 1.0), 1.0)
    return divide(w, scale) * tl.load(gradient, live, 0.0)


@kernel
def pull_picture(
    codes, overhangs, load, gradient, to_picture, channels, width, height, LANES: tl.constexpr
):  # fmt: skip
    """Fill `to_picture` [B, C, H * W]."""
    image, pixels = tl.program_id(1).to(tl.int64), height * width
    pixel = tl.program_id(0) * LANES + tl.arange(0, LANES)
    live = pixel < pixels
    w0, gives0, w1, gives1, w2, gives2, w3, gives3 = shares_around(
        codes + image * 2 * pixels, overhangs + image * 2 * pixels, pixel, width, height, live
    )
    load = load + image * pixels + pixel
    total = tl.load(load, live, 0.0)
    kept = 1 - divide(total, tl.maximum(total, 1.0))
    channel = 0
    while channel < channels:
        given = gradient + (image * channels + channel) * pixels + pixel
        result = kept * tl.load(given, live, 0.0)
        result += received(given - 1, load - 1, w0, gives0, live)
        result += received(given + 1, load + 1, w1, gives1, live)
        result += received(given - width, load - width, w2, gives2, live)
        result += received(given + width, load + width, w3, gives3, live)
        tl.store(to_picture + (image * channels + channel) * pixels + pixel, result, live)
        channel += 1


@kernel
def beyond(index, component, pixel, step, sideways, width, pixels, live):
    """The next pixel in the direction of `step`, and whether it exists and shows the same part (or background)."""
    found = pixel + step
    live = live & (found >= 0) & (found < pixels)
    live = live & ((sideways == 0) | (found // width == pixel // width))
    here, there = tl.load(index + pixel, live, -1), tl.load(index + found, live, -1)
    one = tl.load(component + here, live & (here >= 0), -1)
    two = tl.load(component + there, live & (there >= 0), -1)
    return found, live & (one == two)


@kernel
def pull_of(
    index, component, picture, out, gradient, load, inner, outer, w, sideways, channels, width, pixels, live,
    LANES: tl.constexpr,
):  # fmt: skip
    """The gradient of w, from all channels."""
    target = tl.where(w > 0, outer, inner)
    total = tl.load(load + target, live, 0.0)
    crowded, scale = total > 1, tl.maximum(total, 1.0)
    deeper, continues_in = beyond(index, component, inner, inner - outer, sideways, width, pixels, live)
    farther, continues_out = beyond(index, component, outer, outer - inner, sideways, width, pixels, live)
    pull = w * 0
    channel = 0
    while channel < channels:
        plane = picture + channel * pixels
        g = divide(tl.load(gradient + channel * pixels + target, live, 0.0), scale)
        in_here, out_here = tl.load(plane + inner, live, 0.0), tl.load(plane + outer, live, 0.0)
        step = in_here - out_here
        bend = tl.where(continues_in, (w + 0.5) * (in_here - tl.load(plane + deeper, continues_in, 0.0)), 0.0)
        bend -= tl.where(continues_out, (0.5 - w) * (out_here - tl.load(plane + farther, continues_out, 0.0)), 0.0)
        bound = 0.5 * tl.abs(step)
        pull += g * (step + tl.minimum(tl.maximum(bend, -bound), bound))
        before = tl.where(w > 0, out_here, in_here)
        moved = tl.load(out + channel * pixels + target, live, 0.0) - before
        pull -= tl.where(crowded, tl.where(w > 0, g * moved, -g * moved), 0.0)
        channel += 1
    return pull


@kernel
def pull_vertices(
    v, faces, edges, component, index, codes, overhangs, picture, out, gradient, load, to_v,
    vertices, face_stride, edge_stride, component_stride, channels, width, height,
    PARTS: tl.constexpr, PARALLEL: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Add gradients to `to_v` [B, V, 3], zero at first; a lane for each pair."""
    image, pixels = tl.program_id(1).to(tl.int64), height * width
    pair = tl.program_id(0) * LANES + tl.arange(0, LANES)
    live = pair < 2 * pixels
    code = tl.load(codes + image * 2 * pixels + pair, live, -1)
    live = live & (code != -1)
    w = tl.load(overhangs + image * 2 * pixels + pair, live, 0.0)
    sideways, pixel = pair < pixels, pair % pixels
    beside = pixel + tl.where(sideways, 1, width)
    backward = (code >= 0) & ((code & 1) == 1)
    inner, outer = tl.where(backward, beside, pixel), tl.where(backward, pixel, beside)
    index, component, flat = index + image * pixels, component + image * component_stride, image * channels * pixels
    pull = pull_of(
        index, component, picture + flat, out + flat, gradient + flat, load + image * pixels, inner, outer, w,
        sideways, channels, width, pixels, live, LANES,
    )  # fmt: skip
    v, faces, to_v = v + image * vertices * 3, faces + image * face_stride, to_v + image * vertices * 3
    x, y = (pixel % width).to(w.dtype) + 0.5, (pixel // width).to(w.dtype) + 0.5
    is_edge, ends = live & (code >= 0), edges + image * edge_stride
    edge = tl.where(is_edge, code // 2, 0)
    _, slope, second, _ = edge_at(v, ends, edge, tl.where(sideways, y, x), sideways, is_edge, PARALLEL)
    a, b = tl.load(ends + edge * 2, is_edge, 0), tl.load(ends + edge * 2 + 1, is_edge, 0)
    moved = tl.where(backward, -pull, pull)
    along, across = tl.where(sideways, 1, 0), tl.where(sideways, 0, 1)
    tl.atomic_add(to_v + a * 3 + across, moved * (1 - second), is_edge, sem="relaxed")
    tl.atomic_add(to_v + b * 3 + across, moved * second, is_edge, sem="relaxed")
    tl.atomic_add(to_v + a * 3 + along, -moved * (1 - second) * slope, is_edge, sem="relaxed")
    tl.atomic_add(to_v + b * 3 + along, -moved * second * slope, is_edge, sem="relaxed")
    if PARTS:
        met = live & (code == -2)
        first, other = tl.load(index + pixel, met, 0), tl.load(index + beside, met, 0)
        x2, y2 = x + tl.where(sideways, 1.0, 0.0), y + tl.where(sideways, 0.0, 1.0)
        here, there = gaps(v, faces, first, other, x, y, x2, y2, met, PARALLEL)
        square = tl.where(met, (here + there) * (here + there), 1.0)
        to_here, to_there = divide(pull * there, square), divide(-pull * here, square)
        push_nearness_at(to_v, v, faces, first, x, y, to_here, met, PARALLEL)
        push_nearness_at(to_v, v, faces, other, x, y, -to_here, met, PARALLEL)
        push_nearness_at(to_v, v, faces, first, x2, y2, -to_there, met, PARALLEL)
        push_nearness_at(to_v, v, faces, other, x2, y2, to_there, met, PARALLEL)
