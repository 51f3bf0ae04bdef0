"""Small charts as pictures, drawn with Pillow, so that no plotting package is needed: bars, bars of shares, lines."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from genstruct.export.images import INK, PAPER

Chart = UInt8[np.ndarray, "height width 3"]
# Distinguishable in grey and for the usual kinds of colour blindness (after Okabe & Ito 2008).
COLORS = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0))
WIDTH, BAR, GAP, LEFT, RIGHT = 900, 24, 8, 150, 110
SOFT, RULE = (92, 102, 112), (222, 226, 230)
PLOT = (60, 84, 880, 470)
"""Where lines are drawn: left, top, right and bottom, pixels."""
LEGEND_SQUARE = 13


class CurvePoint(NamedTuple):
    """A value at a place of the horizontal axis, with the range of the values that it is the mean of."""

    x: int | float
    value: float
    low: float
    high: float


def bar_chart(title: str, groups: Sequence[str], series: Mapping[str, Sequence[float]], form: str = "{:.1f}") -> Chart:
    """Horizontal bars from zero: a group of bars for each entry of `groups`, a colour for each of `series`.

    Args:
        title: With the unit.
        groups: Captions at the left.
        series: Values by name, one for each group.
        form: How values are written beside their bars.
    """
    height = 70 + len(groups) * (len(series) * (BAR + 2) + 2 * GAP)
    picture, draw = _canvas(title, height, list(series))
    longest = max((value for values in series.values() for value in values), default=0) or 1
    y = 70
    for number, group in enumerate(groups):
        middle = y + len(series) * (BAR + 2) / 2
        draw.text((LEFT - GAP, middle), group, INK, _font(15), anchor="rm")
        for color, values in zip(COLORS, series.values(), strict=False):
            end = LEFT + round((WIDTH - LEFT - RIGHT) * values[number] / longest)
            draw.rectangle((LEFT, y, max(end, LEFT + 1), y + BAR - 1), color)
            draw.text((end + GAP, y + BAR / 2), form.format(values[number]), INK, _font(14), anchor="lm")
            y += BAR + 2
        y += 2 * GAP
    return np.asarray(picture)


def share_chart(title: str, rows: Sequence[str], parts: Mapping[str, Sequence[float]]) -> Chart:
    """One bar a row, divided into parts that add up to the whole.

    Args:
        title: What the whole is.
        rows: Captions at the left.
        parts: Values by name, one for each row; each row is scaled to its sum.
    """
    picture, draw = _canvas(title, 70 + len(rows) * (BAR + 2 * GAP), list(parts))
    for number, row in enumerate(rows):
        y, x = 70 + number * (BAR + 2 * GAP), float(LEFT)
        draw.text((LEFT - GAP, y + BAR / 2), row, INK, _font(15), anchor="rm")
        whole = sum(values[number] for values in parts.values()) or 1
        for color, values in zip(COLORS, parts.values(), strict=False):
            share = values[number] / whole
            end = x + (WIDTH - LEFT - RIGHT) * share
            draw.rectangle((round(x), y, max(round(x), round(end) - 1), y + BAR - 1), color)
            if share > 0.06:  # narrower parts have no room for a number
                draw.text(((x + end) / 2, y + BAR / 2), f"{share:.0%}", PAPER, _font(14), anchor="mm")
            x = end
    return np.asarray(picture)


def line_chart(
    title: str, series: Mapping[str, Sequence[CurvePoint]], x_label: str, marks: Mapping[int | float, str] | None = None
) -> Chart:
    """Lines through points of a share in [0, 1], with a whisker for the range of each point.

    Args:
        title: What the values are.
        series: Points by name, in order; not negative in x.
        x_label: What the horizontal axis counts.
        marks: Places of the horizontal axis that have a name: a rule, its name upright at the bottom.
    """
    picture, draw = _canvas(title, PLOT[3] + 60, list(series))
    furthest = float(max((point.x for points in series.values() for point in points), default=0)) or 1.0
    _grid(draw, furthest, x_label)
    for x, name in (marks or {}).items():
        place = _place(x / furthest, 0.0)
        draw.line((place, _place(x / furthest, 1.0)), RULE)
        _upright(picture, name, place)
    for color, points in zip(COLORS, series.values(), strict=False):
        places = [_place(point.x / furthest, point.value) for point in points]
        draw.line(places, color, 3, joint="curve")
        for (x, y), point in zip(places, points, strict=True):
            ends = [_place(point.x / furthest, value)[1] for value in (point.low, point.high)]
            draw.line((x, ends[0], x, ends[1]), color, 1)
            for end in ends if point.high > point.low else ():
                draw.line((x - 7, end, x + 7, end), color, 1)
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), color)
    return np.asarray(picture)


def _place(x: float, y: int | float) -> tuple[float, float]:
    """Pixels of a point in units of the plot's sides."""
    left, top, right, bottom = PLOT
    return left + x * (right - left), bottom - y * (bottom - top)


def _grid(draw: ImageDraw.ImageDraw, furthest: float, x_label: str) -> None:
    """Rules at tenths and round numbers, with their numbers."""
    for tenth in range(11):
        left, y = _place(0.0, tenth / 10)
        draw.line((left, y, PLOT[2], y), RULE if tenth else SOFT)
        draw.text((left - GAP, y), f"{tenth / 10:.1f}", SOFT, _font(13), anchor="rm")
    step = _round_step(furthest)
    for number in range(int(furthest / step) + 1):
        x, bottom = _place(number * step / furthest, 0.0)
        draw.line((x, bottom, x, bottom + 5), SOFT)
        draw.text((x, bottom + 8), f"{number * step:,.0f}", SOFT, _font(13), anchor="ma")
    draw.text(((PLOT[0] + PLOT[2]) / 2, PLOT[3] + 44), x_label, SOFT, _font(14), anchor="mm")


def _round_step(furthest: float) -> float:
    """1, 2 or 5 times a power of ten, such that four to nine steps are as long as the axis."""
    power = 10.0 ** math.floor(math.log10(furthest / 4))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= furthest / 4)


def _upright(picture: Image.Image, text: str, place: tuple[float, float]) -> None:
    """Text that reads upwards, at the left of a place."""
    font = _font(13)
    label = Image.new("RGB", (math.ceil(font.getlength(text)), 16), PAPER)
    ImageDraw.Draw(label).text((0, 8), text, SOFT, font, anchor="lm")
    turned = label.rotate(90, expand=True)
    picture.paste(turned, (round(place[0]) - turned.width - 2, round(place[1]) - turned.height - 4))


def _canvas(title: str, height: int, names: Sequence[str]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """White paper with a title and a legend."""
    picture = Image.new("RGB", (WIDTH, height), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((GAP, 18), title, INK, _font(18), anchor="lm")
    x = float(GAP)
    for color, name in zip(COLORS, names, strict=False):
        draw.rectangle((x, 40, x + LEGEND_SQUARE, 40 + LEGEND_SQUARE), color)
        draw.text((x + 19, 47), name, SOFT, _font(14), anchor="lm")
        x += 19 + _font(14).getlength(name) + 3 * GAP
    return picture, draw


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
