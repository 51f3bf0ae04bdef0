"""Bilinear lookup and its gradients; a lane for each pixel. Texel centres lie at half texels."""

import triton.language as tl

from genstruct.render.backends.triton_kernels.launch import kernel


@kernel
def neighbors(coordinate, size, REPEAT: tl.constexpr):
    """The two texels around a coordinate, the share of the second, and how fast that share grows with the coordinate.

    Beyond the border texel centres the border repeats, or the picture does. A NaN reads the border.
    """
    zero = coordinate * 0
    zero = tl.where(zero == 0, zero, 0.0)
    if REPEAT:  # the remainder, so that far repeats keep their digits
        coordinate = coordinate - tl.floor(coordinate)
        coordinate = tl.where(coordinate >= 0, coordinate, 0.0)  # of a NaN or infinity
    position = coordinate * (zero + size) - 0.5
    if REPEAT:
        low = tl.floor(position)
        first = low.to(tl.int32) % size
        first = tl.where(first < 0, first + size, first)
        return first, (first + 1) % size, position - low, zero + size
    else:
        inside = (position > 0) & (position < zero + (size - 1))
        beyond = position >= zero + (size - 1)
        low = tl.where(inside, tl.floor(position), 0.0)
        first = tl.where(beyond, size - 1, low.to(tl.int32))
        second = tl.where(inside, first + 1, first)
        return first, second, tl.where(inside, position - low, 0.0), tl.where(inside, zero + size, 0.0)


@kernel
def sample(
    texture, uv, index, out, texture_stride, channels, height, width, pixels,
    REPEAT: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Fill `out` [B, C, H * W]; 0 where nothing is hit. `uv` is [B, 2, H * W]."""
    image = tl.program_id(1).to(tl.int64)
    pixel = tl.program_id(0) * LANES + tl.arange(0, LANES)
    live = pixel < pixels
    seen = tl.load(index + image * pixels + pixel, live, -1) >= 0
    left, right, across, _ = neighbors(tl.load(uv + image * 2 * pixels + pixel, seen, 0.0), width, REPEAT)
    above, below, down, _ = neighbors(tl.load(uv + (image * 2 + 1) * pixels + pixel, seen, 0.0), height, REPEAT)
    channel = 0
    while channel < channels:
        plane = texture + image * texture_stride + channel * height * width
        top = (1 - across) * tl.load(plane + above * width + left, seen, 0.0)
        top += across * tl.load(plane + above * width + right, seen, 0.0)
        bottom = (1 - across) * tl.load(plane + below * width + left, seen, 0.0)
        bottom += across * tl.load(plane + below * width + right, seen, 0.0)
        mixed = tl.where(seen, (1 - down) * top + down * bottom, 0.0)
        tl.store(out + (image * channels + channel) * pixels + pixel, mixed, live)
        channel += 1


@kernel
def pull_back(
    texture, uv, index, gradient, to_texture, to_uv, texture_stride, channels, height, width, pixels,
    WANTS_TEXTURE: tl.constexpr, WANTS_UV: tl.constexpr, REPEAT: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    """Add gradients to `to_texture` (shaped as `texture`) and set those of `to_uv` [B, 2, H * W]; zero at first."""
    image = tl.program_id(1).to(tl.int64)
    pixel = tl.program_id(0) * LANES + tl.arange(0, LANES)
    seen = tl.load(index + image * pixels + pixel, pixel < pixels, -1) >= 0
    left, right, across, rate_x = neighbors(tl.load(uv + image * 2 * pixels + pixel, seen, 0.0), width, REPEAT)
    above, below, down, rate_y = neighbors(
        tl.load(uv + (image * 2 + 1) * pixels + pixel, seen, 0.0), height, REPEAT
    )  # fmt: skip
    along_x, along_y = across * 0, across * 0
    channel = 0
    while channel < channels:
        g = tl.load(gradient + (image * channels + channel) * pixels + pixel, seen, 0.0)
        start = image * texture_stride + channel * height * width
        if WANTS_TEXTURE:
            plane = to_texture + start
            tl.atomic_add(plane + above * width + left, g * (1 - across) * (1 - down), seen, sem="relaxed")
            tl.atomic_add(plane + above * width + right, g * across * (1 - down), seen, sem="relaxed")
            tl.atomic_add(plane + below * width + left, g * (1 - across) * down, seen, sem="relaxed")
            tl.atomic_add(plane + below * width + right, g * across * down, seen, sem="relaxed")
        if WANTS_UV:
            upper_left = tl.load(texture + start + above * width + left, seen, 0.0)
            upper_right = tl.load(texture + start + above * width + right, seen, 0.0)
            lower_left = tl.load(texture + start + below * width + left, seen, 0.0)
            lower_right = tl.load(texture + start + below * width + right, seen, 0.0)
            along_x += g * ((1 - down) * (upper_right - upper_left) + down * (lower_right - lower_left))
            along_y += g * ((1 - across) * (lower_left - upper_left) + across * (lower_right - upper_right))
        channel += 1
    if WANTS_UV:
        tl.store(to_uv + image * 2 * pixels + pixel, along_x * rate_x, seen)
        tl.store(to_uv + (image * 2 + 1) * pixels + pixel, along_y * rate_y, seen)
