import numpy as np

from genstruct.export.chart import COLORS, PLOT, CurvePoint, bar_chart, line_chart, share_chart


def pixels(chart, color):
    """Pixels of a series: its legend square of 14 x 14, and its bars of 24 rows (numbers inside bars cover a few)."""
    return int((chart == np.array(COLORS[color])).all(-1).sum()) - 14 * 14


def test_bars_are_as_long_as_their_values():
    chart = bar_chart("speed", ["a", "b"], {"one": [10.0, 5.0], "other": [2.5, 0.0]})
    whole = pixels(chart, 0) / 15  # 15 units of value
    assert abs(pixels(chart, 1) / 2.5 / whole - 1) < 0.03  # a value of zero shows as a line of two pixels


def test_shares_fill_the_whole_bar_in_proportion():
    chart = share_chart("time", ["a"], {"data": [0.02], "rest": [1.98], "none": [0.0]})
    assert abs(pixels(chart, 0) / pixels(chart, 1) - 0.01) < 0.01
    assert pixels(chart, 2) <= 24


def test_a_chart_without_any_value_is_still_a_picture():
    assert bar_chart("nothing", ["a"], {"one": [0.0]}).shape[2] == 3
    assert share_chart("nothing", ["a"], {"one": [0.0]}).dtype == np.uint8
    assert line_chart("nothing", {"one": []}, "images").dtype == np.uint8


def test_lines_go_through_their_values_and_whiskers_over_their_ranges():
    points = [CurvePoint(0, 0.0, 0.0, 0.0), CurvePoint(50_000, 0.5, 0.25, 0.75), CurvePoint(100_000, 1.0, 1.0, 1.0)]
    chart = line_chart("IoU", {"one": points}, "images", {50_000: "half"})
    left, top, right, bottom = PLOT
    drawn = (chart[top - 4 : bottom + 5] == np.array(COLORS[0])).all(-1)
    rows, columns = np.nonzero(drawn)
    assert (columns.min(), columns.max()) == (left - 4, right + 4)  # points are discs of radius 4
    for share in (0.25, 0.4, 0.75):  # the diagonal
        column = rows[columns == round(left + share * (right - left))]
        assert abs(column.mean() - 4 - (1 - share) * (bottom - top)) < 2
    whisker = rows[columns == (left + right) // 2] - 4
    assert abs(whisker.min() / (bottom - top) - 0.25) < 0.01
    assert abs(whisker.max() / (bottom - top) - 0.75) < 0.01
