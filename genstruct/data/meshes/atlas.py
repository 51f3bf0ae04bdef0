"""One texture out of many: pictures, colours of materials, faces and vertices side by side in an atlas (numpy)."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

Pixels = UInt8[np.ndarray, "_ _ 3"]
Corners = Float[np.ndarray, "_ 3 2"]
"""Texture coordinates of every corner of every triangle, u right, v down."""

MARGIN = 1  # pixels of repeated border around pictures, for the bilinear lookup
MOST_REPEATS = 8  # of a picture across one triangle; beyond, its mean colour does as well
SLACK = 1e-3  # uv this far outside [0, 1] are rounding, not repetition


@dataclass(frozen=True)
class Chart:
    """A picture and the triangles that wear it.

    Args:
        pixels: sRGB.
        uv: In [0, 1] of the picture.
        faces: Numbers of the triangles, in the order of `uv`.
        resizable: A picture may shrink; cells of colours may not.
    """

    pixels: Pixels
    uv: Corners
    faces: Int[np.ndarray, " _"]
    resizable: bool = True


def picture_charts(pixels: Pixels, uv: Corners, faces: Int[np.ndarray, " _"], largest: int) -> list[Chart]:
    """Charts of triangles under a picture that repeats beyond [0, 1] in both directions.

    Triangles are moved to the first repeat. For those that reach over several, the picture is laid out several times
    beside itself, within `largest` x `largest` pixels. Those over more than `MOST_REPEATS`, or with coordinates that
    are no numbers, get its mean colour.
    """
    with np.errstate(invalid="ignore"):
        uv = uv - np.floor(uv.min(1, keepdims=True) + SLACK)
        reach = np.where(np.isfinite(uv), uv, np.inf).max((1, 2))
    inside, lost = reach <= 1 + SLACK, reach > MOST_REPEATS + SLACK
    charts = []
    if inside.any():
        charts.append(Chart(pixels, uv[inside].clip(0, 1), faces[inside]))
    if (over := ~inside & ~lost).any():
        charts.append(_repeated(Chart(pixels, uv[over].clip(0), faces[over]), largest))
    if lost.any():
        mean = pixels.reshape(-1, 3).mean(0).round().astype(np.uint8)
        charts.append(color_chart(np.broadcast_to(mean, (int(lost.sum()), 3, 3)), faces[lost]))
    return charts


def _repeated(chart: Chart, largest: int) -> Chart:
    """The picture beside itself as often as its uv say, shrunk first where that would be too many pixels."""
    height, width = chart.pixels.shape[:2]
    across, down = (max(math.ceil(float(most) - SLACK), 1) for most in chart.uv.max((0, 1)))
    small = _resized(chart, min(largest / math.sqrt(height * width * across * down), 1.0))
    return Chart(np.tile(small.pixels, (down, across, 1)), (chart.uv / (across, down)).clip(0, 1), chart.faces)


def color_chart(colors: UInt8[np.ndarray, "faces 3 3"], faces: Int[np.ndarray, " faces"]) -> Chart:
    """A chart of triangles with a colour at each corner, [face, corner, channel]: cells of 2 x 2 pixels.

    Corners lie on pixel centres, so that the bilinear lookup interpolates linearly across the triangle; triangles with
    the same colours share a cell.
    """
    kinds, cell = _distinct(colors.reshape(-1, 9))
    side = max(math.ceil(math.sqrt(len(kinds))), 1)
    first, second, third = kinds.reshape(-1, 3, 3).astype(np.int16).transpose(1, 0, 2)
    fourth = (second + third - first).clip(0, 255)  # makes the four bilinear weights a plane through the three
    blocks = np.zeros((side * side, 2, 2, 3), np.uint8)
    blocks[: len(kinds)] = np.stack([first, second, third, fourth], 1).reshape(-1, 2, 2, 3)
    pixels = blocks.reshape(side, side, 2, 2, 3).transpose(0, 2, 1, 3, 4).reshape(2 * side, 2 * side, 3)
    corner = np.array([[0.5, 0.5], [1.5, 0.5], [0.5, 1.5]])
    place = np.stack([cell.reshape(-1) % side, cell.reshape(-1) // side], -1) * 2
    return Chart(pixels, (place[:, None] + corner) / (2 * side), faces, resizable=False)


def _distinct(rows: UInt8[np.ndarray, "rows 9"]) -> tuple[UInt8[np.ndarray, "kinds 9"], Int[np.ndarray, " rows"]]:
    """Distinct rows in their order, and which of them every row is; as `np.unique` has them, many times faster."""
    front = np.ascontiguousarray(rows[:, :8]).view(">u8")[:, 0].astype(np.uint64)
    order = np.lexsort((rows[:, 8], front))
    new = np.ones(len(rows), bool)
    new[1:] = (np.diff(front[order]) != 0) | (np.diff(rows[order, 8]) != 0)
    number = np.empty(len(rows), np.int64)
    number[order] = np.cumsum(new) - 1
    return rows[order[new]], number


def bake(charts: list[Chart], faces: int, largest: int) -> tuple[Pixels, Corners]:
    """One texture and the coordinates of all triangles in it.

    Args:
        charts: Each triangle in one of them.
        faces: Number of triangles.
        largest: Pictures shrink until they take no more than `largest`^2 pixels together.
    """
    charts = _shrunk(charts, largest)
    uv = np.zeros((faces, 3, 2))
    if len(charts) == 1:
        uv[charts[0].faces] = charts[0].uv
        return charts[0].pixels, uv
    sizes = [(chart.pixels.shape[0] + 2 * MARGIN, chart.pixels.shape[1] + 2 * MARGIN) for chart in charts]
    offsets, (height, width) = _shelves(sizes)
    texture = np.zeros((height, width, 3), np.uint8)
    for chart, (top, left), (rows, columns) in zip(charts, offsets, sizes, strict=True):
        texture[top : top + rows, left : left + columns] = np.pad(
            chart.pixels, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge"
        )
        size = np.array([chart.pixels.shape[1], chart.pixels.shape[0]])
        uv[chart.faces] = (chart.uv * size + [left + MARGIN, top + MARGIN]) / [width, height]
    return texture, uv


def _shrunk(charts: list[Chart], largest: int) -> list[Chart]:
    """Pictures made smaller by one factor, if together they are too many pixels."""
    total = sum(chart.pixels.shape[0] * chart.pixels.shape[1] for chart in charts if chart.resizable)
    factor = min(largest / math.sqrt(max(total, 1)), 1.0)
    return [_resized(chart, factor) if chart.resizable else chart for chart in charts]


def _resized(chart: Chart, factor: float) -> Chart:
    if factor == 1:
        return chart
    size = [max(round(n * factor), 1) for n in (chart.pixels.shape[1], chart.pixels.shape[0])]
    pixels = np.array(Image.fromarray(chart.pixels).resize((size[0], size[1]), Image.Resampling.BOX))
    return Chart(pixels, chart.uv, chart.faces)


def _shelves(sizes: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Upper left corners (row, column) of rectangles in rows of falling height, and the (height, width) of all."""
    area = sum(height * width for height, width in sizes)
    width = max(max(width for _, width in sizes), math.ceil(math.sqrt(area) * 1.05))
    offsets, top, left, shelf = [(0, 0)] * len(sizes), 0, 0, 0
    for number in sorted(range(len(sizes)), key=lambda n: sizes[n], reverse=True):
        if left + sizes[number][1] > width:
            top, left, shelf = top + shelf, 0, 0
        offsets[number] = (top, left)
        left, shelf = left + sizes[number][1], max(shelf, sizes[number][0])
    return offsets, (top + shelf, width)
