"""Values of vertices over pixels, perspective-correct, and their gradients.

With edge functions e_i and weights w_i = 1 / z_i (1 for parallel rays), value = sum(e_i w_i value_i) / sum(e_i w_i).
"""

from genstruct.render.backends.numba_kernels.compile import helper, kernel, unsigned
from genstruct.render.backends.numba_kernels.triangle import corners, damping, edge_functions, push_edge_functions


@helper
def weigh(v, a, b, c, x, y, orthographic):
    """Edge functions and weights of the three corners at a point, and the sum of their products."""
    one = v.dtype.type(1)
    e0, e1, e2 = edge_functions(v, a, b, c, x, y)
    if orthographic:
        return e0, e1, e2, one, one, one, e0 + e1 + e2
    w0, w1, w2 = one / v[a, 2], one / v[b, 2], one / v[c, 2]
    return e0, e1, e2, w0, w1, w2, e0 * w0 + e1 * w1 + e2 * w2


@kernel
def interpolate(v, attributes, faces, attribute_faces, index, width, orthographic, out, first, last):
    """Fill `out` [B, C, H * W] of the images `first` to `last`; `index` is [B, H * W]."""
    real = v.dtype.type
    one, half = real(1), real(0.5)
    for image in range(first, last):
        triangles, pairs = faces[min(image, len(faces) - 1)], attribute_faces[min(image, len(attribute_faces) - 1)]
        values, place, seen, filled = attributes[min(image, len(attributes) - 1)], v[image], index[image], out[image]
        row, column = 0, -1
        for number in range(len(seen)):
            column += 1
            if column == width:  # a division for each pixel would be as slow as all the rest
                row, column = row + 1, 0
            pixel, face = unsigned(number), seen[number]
            if face < 0:
                for channel in range(len(filled)):
                    filled[channel, pixel] = 0
                continue
            a, b, c = corners(triangles, face)
            i, j, k = corners(pairs, face)
            x, y = real(column) + half, real(row) + half
            e0, e1, e2, w0, w1, w2, total = weigh(place, a, b, c, x, y, orthographic)
            scale = one / total
            b0, b1, b2 = e0 * w0 * scale, e1 * w1 * scale, e2 * w2 * scale
            for channel in range(len(filled)):
                filled[channel, pixel] = b0 * values[i, channel] + b1 * values[j, channel] + b2 * values[k, channel]


@kernel
def pull_back(
    v, attributes, faces, attribute_faces, index, width, orthographic,
    gradient, to_v, to_attributes, wants, first, last,
):  # fmt: skip
    """Add gradients to `to_v` [B, V, 3] and `to_attributes` [B, A, C], both zero at first.

    Args:
        wants: Whether gradients are wanted of (positions, attributes).
    """
    real = v.dtype.type
    one, half = real(1), real(0.5)
    for image in range(first, last):
        triangles, pairs = faces[min(image, len(faces) - 1)], attribute_faces[min(image, len(attribute_faces) - 1)]
        values, place, seen, given = (
            attributes[min(image, len(attributes) - 1)],
            v[image],
            index[image],
            gradient[image],
        )
        row, column = 0, -1
        for number in range(len(seen)):
            column += 1
            if column == width:
                row, column = row + 1, 0
            pixel, face = unsigned(number), seen[number]
            if face < 0:
                continue
            a, b, c = corners(triangles, face)
            i, j, k = corners(pairs, face)
            x, y = real(column) + half, real(row) + half
            e0, e1, e2, w0, w1, w2, total = weigh(place, a, b, c, x, y, orthographic)
            scale = one / total
            b0, b1, b2 = e0 * w0 * scale, e1 * w1 * scale, e2 * w2 * scale
            s0, s1, s2 = real(0), real(0), real(0)
            for channel in range(len(given)):
                g = given[channel, pixel]
                s0 += g * values[i, channel]
                s1 += g * values[j, channel]
                s2 += g * values[k, channel]
                if wants[1]:
                    to_attributes[image, i, channel] += g * b0
                    to_attributes[image, j, channel] += g * b1
                    to_attributes[image, k, channel] += g * b2
            if wants[0]:
                mean = b0 * s0 + b1 * s1 + b2 * s2
                scale *= damping(place, a, b, c)
                p0, p1, p2 = (s0 - mean) * scale, (s1 - mean) * scale, (s2 - mean) * scale
                push_corners(to_v[image], place, a, b, c, x, y, e0, e1, e2, w0, w1, w2, p0, p1, p2, orthographic)


@helper
def push_corners(to_v, v, a, b, c, x, y, e0, e1, e2, w0, w1, w2, p0, p1, p2, orthographic):
    """Add the gradient of sum(p_i e_i w_i) to the three corners."""
    push_edge_functions(to_v, v, a, b, c, x, y, p0 * w0, p1 * w1, p2 * w2)
    if not orthographic:  # d(1 / z) = -w^2 dz
        to_v[a, 2] -= p0 * e0 * w0 * w0
        to_v[b, 2] -= p1 * e1 * w1 * w1
        to_v[c, 2] -= p2 * e2 * w2 * w2
