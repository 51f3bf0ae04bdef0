"""Regions whose borders follow the picture: total variation weighted by contrast, minimised by a primal-dual method."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

# Half of the eight neighbours (the other half are the same pairs seen from the other end), as (rows, columns).
NEIGHBORS = ((0, 1), (1, 0), (1, 1), (1, -1))
# Share of the smoothing that remains across the strongest edge, so that single pixels of noise cannot stand alone.
FLOOR = 0.0


def contrast_weights(
    colors: Float[Tensor, "batch channel height width"], strength: float
) -> Float[Tensor, "4 batch pixel"]:
    """Cost of a border between each pixel and four of its neighbours, small where the colours differ.

    `strength * exp(-d^2 / (2 mean d^2)) / distance`, the contrast term of Boykov & Jolly (2001) and Rother et al.
    (2004), with a floor. Entry `[k, b, p]` belongs to pixel p (row-major) and its neighbour `NEIGHBORS[k]`; pairs that
    would leave the picture cost nothing.
    """
    batch, _, height, width = colors.shape
    squares = colors.new_zeros(len(NEIGHBORS), batch, height, width)
    inside = torch.zeros_like(squares)
    for number, offset in enumerate(NEIGHBORS):
        here, there = _ends(height, width, *offset)
        squares[number][here] = (colors[(..., *here[1:])] - colors[(..., *there[1:])]).square().sum(1)
        inside[number][here] = 1
    mean = squares.sum((0, 2, 3)) / inside.sum((0, 2, 3)).clamp(min=1)
    falloff = torch.exp(-squares / (2 * mean[:, None, None] + 1e-6))
    length = colors.new_tensor([math.hypot(*offset) for offset in NEIGHBORS])[:, None, None, None]
    return (strength * inside * ((1 - FLOOR) * falloff + FLOOR) / length).flatten(2)


def smooth_regions(
    evidence: Float[Tensor, "batch pixel"],
    weights: Float[Tensor, "4 batch pixel"],
    width: int,
    start: Float[Tensor, "batch pixel"],
    iterations: int,
    softness: float,
) -> Float[Tensor, "batch pixel"]:
    """Soft regions x in [0, 1] that follow the evidence with short borders along contrast.

    Minimises `sum -evidence x + softness (x - 1/2)^2 + sum weights |x_p - x_q|`: the convex relaxation of a binary
    graph cut (Chan, Esedoglu & Nikolova 2006), kept soft by the quadratic term. Solved by Chambolle & Pock's (2011)
    primal-dual method with the diagonal steps of Pock & Chambolle (2011), in place and over whole rows.

    Args:
        evidence: Log-odds of the object, nats.
        weights: Of `contrast_weights`.
        width: Of the picture, pixels; pixels are row-major.
        start: First x.
        iterations: A border travels about a pixel in each.
        softness: Log-odds below this leave a pixel between 0 and 1.
    """
    pixels = evidence.shape[1]
    offsets = [rows * width + columns for rows, columns in NEIGHBORS]
    step, shrink = _steps(weights, offsets, softness)
    constant = (evidence + softness) * step
    flow, lowest, half = torch.zeros_like(weights), -weights, weights / 2
    x, ahead, net, change = start, start.clone(), torch.empty_like(start), torch.empty_like(start)
    for _ in range(iterations):
        net.zero_()
        for number, offset in enumerate(offsets):
            reach = pixels - offset
            if reach <= 0:  # a picture one pixel high has no neighbours below
                continue
            along = flow[number, :, :reach]
            difference = torch.sub(ahead[:, offset:], ahead[:, :reach], out=change[:, :reach])
            along.addcmul_(half[number, :, :reach], difference)
            torch.clamp(along, lowest[number, :, :reach], weights[number, :, :reach], out=along)
            net[:, offset:] += along
            net[:, :reach] -= along
        moved = torch.addcmul(constant, x, shrink).addcmul_(step, net, value=-1).clamp_(0, 1)
        torch.sub(moved, x, out=ahead).add_(moved)
        x = moved
    return x


def _steps(
    weights: Float[Tensor, "4 batch pixel"], offsets: list[int], softness: float
) -> tuple[Float[Tensor, "batch pixel"], Float[Tensor, "batch pixel"]]:
    """Primal step of each pixel, 1 over the sum of its weights, and the pull of the quadratic term."""
    total = torch.full_like(weights[0], 1e-3)
    for weight, offset in zip(weights, offsets, strict=True):
        total += weight
        total[:, offset:] += weight[:, : max(weight.shape[1] - offset, 0)]  # one pixel high: nothing below
    shrink = total / (total + 2 * softness)
    return shrink / total, shrink


def _ends(height: int, width: int, rows: int, columns: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Index of the pixels that have a neighbour at this offset, and index of those neighbours."""
    left, right = slice(max(-columns, 0), width - max(columns, 0)), slice(max(columns, 0), width + min(columns, 0))
    return (slice(None), slice(0, height - rows), left), (slice(None), slice(rows, height), right)
