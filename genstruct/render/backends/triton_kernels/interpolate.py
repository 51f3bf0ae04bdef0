"""Values of vertices over pixels, perspective-correct, and their gradients; a lane for each pixel.

With edge functions e_i and weights w_i = 1 / z_i (1 for parallel rays), value = sum(e_i w_i value_i) / sum(e_i w_i).
"""

import triton.language as tl

from genstruct.render.backends.triton_kernels.launch import kernel
from genstruct.render.backends.triton_kernels.triangle import (
    corners_of,
    damping,
    divide,
    edge_functions,
    push_edge_functions,
    vertex,
)


@kernel
def weigh(az, bz, cz, PARALLEL: tl.constexpr):
    """Weights of the corners."""
    one = az * 0 + 1
    if PARALLEL:
        return one, one, one
    else:
        return divide(one, az), divide(one, bz), divide(one, cz)


@kernel
def interpolate(
    v, attributes, faces, attribute_faces, index, out, vertices, attribute_stride, face_stride, corner_stride,
    channels, pixels, width, PARALLEL: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Fill `out` [B, C, H * W]; 0 where nothing is hit."""
    image = tl.program_id(1).to(tl.int64)
    pixel = tl.program_id(0) * LANES + tl.arange(0, LANES)
    live = pixel < pixels
    face = tl.load(index + image * pixels + pixel, live, -1)
    seen = face >= 0
    place = v + image * vertices * 3
    a, b, c = corners_of(faces + image * face_stride, face, seen)
    i, j, k = corners_of(attribute_faces + image * corner_stride, face, seen)
    ax, ay, az = vertex(place, a, seen)
    bx, by, bz = vertex(place, b, seen)
    cx, cy, cz = vertex(place, c, seen)
    x, y = (pixel % width).to(az.dtype) + 0.5, (pixel // width).to(az.dtype) + 0.5
    e0, e1, e2 = edge_functions(ax, ay, bx, by, cx, cy, x, y)
    w0, w1, w2 = weigh(az, bz, cz, PARALLEL)
    total = e0 * w0 + e1 * w1 + e2 * w2
    scale = divide(az * 0 + 1, tl.where(seen, total, 1.0))
    b0, b1, b2 = e0 * w0 * scale, e1 * w1 * scale, e2 * w2 * scale
    values = attributes + image * attribute_stride
    channel = 0
    while channel < channels:
        p = tl.load(values + i * channels + channel, seen, 0.0)
        q = tl.load(values + j * channels + channel, seen, 0.0)
        r = tl.load(values + k * channels + channel, seen, 0.0)
        mixed = tl.where(seen, b0 * p + b1 * q + b2 * r, 0.0)
        tl.store(out + (image * channels + channel) * pixels + pixel, mixed, live)
        channel += 1


@kernel
def pull_back(
    v, attributes, faces, attribute_faces, index, gradient, to_v, to_attributes, vertices, attribute_stride,
    face_stride, corner_stride, channels, pixels, width,
    WANTS_V: tl.constexpr, WANTS_ATTRIBUTES: tl.constexpr, PARALLEL: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Add gradients to `to_v` [B, V, 3] and `to_attributes` (shaped as `attributes`), both zero at first."""
    image = tl.program_id(1).to(tl.int64)
    pixel = tl.program_id(0) * LANES + tl.arange(0, LANES)
    face = tl.load(index + image * pixels + pixel, pixel < pixels, -1)
    seen = face >= 0
    place = v + image * vertices * 3
    a, b, c = corners_of(faces + image * face_stride, face, seen)
    i, j, k = corners_of(attribute_faces + image * corner_stride, face, seen)
    ax, ay, az = vertex(place, a, seen)
    bx, by, bz = vertex(place, b, seen)
    cx, cy, cz = vertex(place, c, seen)
    x, y = (pixel % width).to(az.dtype) + 0.5, (pixel // width).to(az.dtype) + 0.5
    e0, e1, e2 = edge_functions(ax, ay, bx, by, cx, cy, x, y)
    w0, w1, w2 = weigh(az, bz, cz, PARALLEL)
    total = e0 * w0 + e1 * w1 + e2 * w2
    scale = divide(az * 0 + 1, tl.where(seen, total, 1.0))
    b0, b1, b2 = e0 * w0 * scale, e1 * w1 * scale, e2 * w2 * scale
    values, to_values = attributes + image * attribute_stride, to_attributes + image * attribute_stride
    s0, s1, s2 = az * 0, az * 0, az * 0
    channel = 0
    while channel < channels:
        g = tl.load(gradient + (image * channels + channel) * pixels + pixel, seen, 0.0)
        s0 += g * tl.load(values + i * channels + channel, seen, 0.0)
        s1 += g * tl.load(values + j * channels + channel, seen, 0.0)
        s2 += g * tl.load(values + k * channels + channel, seen, 0.0)
        if WANTS_ATTRIBUTES:
            tl.atomic_add(to_values + i * channels + channel, g * b0, seen, sem="relaxed")
            tl.atomic_add(to_values + j * channels + channel, g * b1, seen, sem="relaxed")
            tl.atomic_add(to_values + k * channels + channel, g * b2, seen, sem="relaxed")
        channel += 1
    if WANTS_V:
        mean = b0 * s0 + b1 * s1 + b2 * s2
        scale = scale * damping(ax, ay, bx, by, cx, cy)
        p0, p1, p2 = (s0 - mean) * scale, (s1 - mean) * scale, (s2 - mean) * scale
        z0, z1, z2 = az * 0, az * 0, az * 0
        if not PARALLEL:  # d(1 / z) = -w^2 dz
            z0, z1, z2 = -p0 * e0 * w0 * w0, -p1 * e1 * w1 * w1, -p2 * e2 * w2 * w2
        push_edge_functions(
            to_v + image * vertices * 3, a, b, c, ax, ay, bx, by, cx, cy, x, y, p0 * w0, p1 * w1, p2 * w2,
            z0, z1, z2, seen,
        )  # fmt: skip
