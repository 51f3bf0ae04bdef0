"""Bilinear lookup and its gradients. Texel centres lie at half texels; (0, 0) is the first's outer corner."""

import math

import numpy as np

from genstruct.render.backends.numba_kernels.compile import helper, kernel, unsigned


@helper
def neighbors(coordinate, size, repeat, real):
    """The two texels around a coordinate, the share of the second, and how fast that share grows with the coordinate.

    Beyond the border texel centres the border repeats, or the picture does.
    """
    if repeat:  # the remainder, so that far repeats keep their digits
        coordinate -= np.floor(coordinate)
        coordinate = coordinate if coordinate >= 0 else real(0)  # of a NaN or infinity
    position = coordinate * real(size) - real(0.5)
    if repeat:
        low = math.floor(position)
        return unsigned(low % size), unsigned((low + 1) % size), position - real(low), real(size)
    if not position > 0:  # so that a NaN reads the border and nothing else
        return unsigned(0), unsigned(0), real(0), real(0)
    if position >= real(size - 1):
        return unsigned(size - 1), unsigned(size - 1), real(0), real(0)
    low = int(position)
    return unsigned(low), unsigned(low + 1), position - real(low), real(size)


@kernel
def sample(texture, uv, index, repeat, out, first, last):
    """Fill `out` [B, C, H * W] of the images `first` to `last`; 0 where nothing is hit. `uv` is [B, 2, H * W]."""
    real = out.dtype.type
    one = real(1)
    height, width = texture.shape[2:]
    for image in range(first, last):
        picture, seen, filled = texture[min(image, len(texture) - 1)], index[image], out[image]
        u, v = uv[image, 0], uv[image, 1]
        for number in range(len(seen)):
            pixel = unsigned(number)
            if seen[pixel] < 0:
                for channel in range(len(filled)):
                    filled[channel, pixel] = 0
                continue
            left, right, across, _ = neighbors(u[pixel], width, repeat, real)
            above, below, down, _ = neighbors(v[pixel], height, repeat, real)
            for channel in range(len(filled)):
                plane = picture[channel]
                top = (one - across) * plane[above, left] + across * plane[above, right]
                bottom = (one - across) * plane[below, left] + across * plane[below, right]
                filled[channel, pixel] = (one - down) * top + down * bottom


@kernel
def pull_back(texture, uv, index, repeat, gradient, to_texture, to_uv, wants, first, last):
    """Add gradients to `to_texture` [B, C, h, w] and set those of `to_uv` [B, 2, H * W]; both zero at first.

    Args:
        wants: Whether gradients are wanted of (texture, uv).
    """
    real = gradient.dtype.type
    one = real(1)
    height, width = texture.shape[2:]
    for image in range(first, last):
        picture, seen, given = texture[min(image, len(texture) - 1)], index[image], gradient[image]
        u, v = uv[image, 0], uv[image, 1]
        for number in range(len(seen)):
            pixel = unsigned(number)
            if seen[pixel] < 0:
                continue
            left, right, across, rate_x = neighbors(u[pixel], width, repeat, real)
            above, below, down, rate_y = neighbors(v[pixel], height, repeat, real)
            along_x, along_y = real(0), real(0)
            for channel in range(len(given)):
                g = given[channel, pixel]
                if wants[0]:
                    plane = to_texture[image, channel]
                    plane[above, left] += g * (one - across) * (one - down)
                    plane[above, right] += g * across * (one - down)
                    plane[below, left] += g * (one - across) * down
                    plane[below, right] += g * across * down
                if wants[1]:
                    plane = picture[channel]
                    top = plane[above, right] - plane[above, left]
                    bottom = plane[below, right] - plane[below, left]
                    along_x += g * ((one - down) * top + down * bottom)
                    left_side = plane[below, left] - plane[above, left]
                    right_side = plane[below, right] - plane[above, right]
                    along_y += g * ((one - across) * left_side + across * right_side)
            if wants[1]:
                to_uv[image, 0, pixel] = along_x * rate_x
                to_uv[image, 1, pixel] = along_y * rate_y
