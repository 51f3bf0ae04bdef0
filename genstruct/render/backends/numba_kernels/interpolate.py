"""Values of vertices over pixels, perspective-correct, and their gradients.

With edge functions e_i and weights w_i = 1 / z_i (1 for parallel rays), value = sum(e_i w_i value_i) / sum(e_i w_i).
"""

from genstruct.render.backends.numba_kernels.compile import helper, kernel
from genstruct.render.backends.numba_kernels.triangle import edge_function, push_edge_function


@helper
def weigh(v, a, b, c, x, y, orthographic):
    """Edge functions and weights of the three corners at a point, and the sum of their products."""
    one = v.dtype.type(1)
    e0, e1, e2 = edge_function(v, b, c, x, y), edge_function(v, c, a, x, y), edge_function(v, a, b, x, y)
    if orthographic:
        return e0, e1, e2, one, one, one, e0 + e1 + e2
    w0, w1, w2 = one / v[a, 2], one / v[b, 2], one / v[c, 2]
    return e0, e1, e2, w0, w1, w2, e0 * w0 + e1 * w1 + e2 * w2


@kernel
def interpolate(v, attributes, faces, attribute_faces, index, orthographic, out, first, last):
    """Fill `out` [B, C, H, W] of the images `first` to `last`."""
    one, half = v.dtype.type(1), v.dtype.type(0.5)
    for image in range(first, last):
        triangles, corners = faces[min(image, len(faces) - 1)], attribute_faces[min(image, len(attribute_faces) - 1)]
        values = attributes[min(image, len(attributes) - 1)]
        for row in range(index.shape[1]):
            for column in range(index.shape[2]):
                face = index[image, row, column]
                if face < 0:
                    for channel in range(out.shape[1]):
                        out[image, channel, row, column] = 0
                    continue
                a, b, c = triangles[face]
                i, j, k = corners[face]
                x, y = v.dtype.type(column) + half, v.dtype.type(row) + half
                e0, e1, e2, w0, w1, w2, total = weigh(v[image], a, b, c, x, y, orthographic)
                scale = one / total
                b0, b1, b2 = e0 * w0 * scale, e1 * w1 * scale, e2 * w2 * scale
                for channel in range(out.shape[1]):
                    out[image, channel, row, column] = (
                        b0 * values[i, channel] + b1 * values[j, channel] + b2 * values[k, channel]
                    )


@kernel
def pull_back(
    v, attributes, faces, attribute_faces, index, orthographic, gradient, to_v, to_attributes, wants, first, last
):
    """Add gradients to `to_v` [B, V, 3] and `to_attributes` [B, A, C], both zero at first.

    Args:
        wants: Whether gradients are wanted of (positions, attributes).
    """
    one, half = v.dtype.type(1), v.dtype.type(0.5)
    for image in range(first, last):
        triangles, corners = faces[min(image, len(faces) - 1)], attribute_faces[min(image, len(attribute_faces) - 1)]
        values = attributes[min(image, len(attributes) - 1)]
        for row in range(index.shape[1]):
            for column in range(index.shape[2]):
                face = index[image, row, column]
                if face < 0:
                    continue
                a, b, c = triangles[face]
                i, j, k = corners[face]
                x, y = v.dtype.type(column) + half, v.dtype.type(row) + half
                e0, e1, e2, w0, w1, w2, total = weigh(v[image], a, b, c, x, y, orthographic)
                scale = one / total
                b0, b1, b2 = e0 * w0 * scale, e1 * w1 * scale, e2 * w2 * scale
                s0, s1, s2 = v.dtype.type(0), v.dtype.type(0), v.dtype.type(0)
                for channel in range(gradient.shape[1]):
                    g = gradient[image, channel, row, column]
                    s0 += g * values[i, channel]
                    s1 += g * values[j, channel]
                    s2 += g * values[k, channel]
                    if wants[1]:
                        to_attributes[image, i, channel] += g * b0
                        to_attributes[image, j, channel] += g * b1
                        to_attributes[image, k, channel] += g * b2
                if wants[0]:
                    mean = b0 * s0 + b1 * s1 + b2 * s2
                    p0, p1, p2 = (s0 - mean) * scale, (s1 - mean) * scale, (s2 - mean) * scale
                    push_corners(to_v[image], v[image], a, b, c, x, y, e0, e1, e2, w0, w1, w2, p0, p1, p2, orthographic)


@helper
def push_corners(to_v, v, a, b, c, x, y, e0, e1, e2, w0, w1, w2, p0, p1, p2, orthographic):
    """Add the gradient of sum(p_i e_i w_i) to the three corners."""
    push_edge_function(to_v, v, b, c, x, y, p0 * w0)
    push_edge_function(to_v, v, c, a, x, y, p1 * w1)
    push_edge_function(to_v, v, a, b, x, y, p2 * w2)
    if not orthographic:  # d(1 / z) = -w^2 dz
        to_v[a, 2] -= p0 * e0 * w0 * w0
        to_v[b, 2] -= p1 * e1 * w1 * w1
        to_v[c, 2] -= p2 * e2 * w2 * w2
