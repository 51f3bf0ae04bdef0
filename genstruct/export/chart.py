"""Small charts as pictures, drawn with Pillow, so that no plotting package is needed: grouped bars, bars of shares."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from genstruct.export.images import INK, PAPER

Chart = UInt8[np.ndarray, "height width 3"]
# Distinguishable in grey and for the usual kinds of colour blindness (after Okabe & Ito 2008).
COLOURS = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0))
WIDTH, BAR, GAP, LEFT, RIGHT = 900, 24, 8, 150, 110
SOFT = (92, 102, 112)


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
        for colour, values in zip(COLOURS, series.values(), strict=False):
            end = LEFT + round((WIDTH - LEFT - RIGHT) * values[number] / longest)
            draw.rectangle((LEFT, y, max(end, LEFT + 1), y + BAR - 1), colour)
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
        for colour, values in zip(COLOURS, parts.values(), strict=False):
            share = values[number] / whole
            end = x + (WIDTH - LEFT - RIGHT) * share
            draw.rectangle((round(x), y, max(round(x), round(end) - 1), y + BAR - 1), colour)
            if share > 0.06:  # narrower parts have no room for a number
                draw.text(((x + end) / 2, y + BAR / 2), f"{share:.0%}", PAPER, _font(14), anchor="mm")
            x = end
    return np.asarray(picture)


def _canvas(title: str, height: int, names: Sequence[str]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """White paper with a title and a legend."""
    picture = Image.new("RGB", (WIDTH, height), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((GAP, 18), title, INK, _font(18), anchor="lm")
    x = float(GAP)
    for colour, name in zip(COLOURS, names, strict=False):
        draw.rectangle((x, 40, x + 13, 53), colour)
        draw.text((x + 19, 47), name, SOFT, _font(14), anchor="lm")
        x += 19 + _font(14).getlength(name) + 3 * GAP
    return picture, draw


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
