"""What is drawn is as long, as high and as wide as its values."""

import itertools
import sys

import numpy as np
import pytest
from PIL import Image

from genstruct.errors import MissingDependency, OutputError
from genstruct.export.chart import BarChart, CurvePoint, LineChart, ShareChart, check_charts, draw_charts, write_charts

BARS = BarChart("speed", ["a", "b"], {"one": [10.0, 5.0], "other": [2.5, 0.0]})
SHARES = ShareChart("time", ["a", "b"], {"data": [0.02, 1.0], "rest": [1.98, 1.0], "none": [0.0, 0.0]})
POINTS = [CurvePoint(0, 0.0, 0.0, 0.0), CurvePoint(50_000, 0.5, 0.25, 0.75), CurvePoint(100_000, 1.0, 1.0, 1.0)]
LINES = LineChart("IoU", {"one": POINTS}, "images", {50_000: "half"})


def words(axes):
    return {text.get_text().strip() for text in axes.texts}


def test_bars_are_as_long_as_their_values_and_lie_apart_from_the_first_group_downwards():
    (axes,) = draw_charts(BARS).axes
    assert [bar.get_width() for bar in axes.patches] == [10.0, 5.0, 2.5, 0.0]
    assert words(axes) == {"10.0", "5.0", "2.5", "0.0"}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    edges = sorted((bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches)
    assert all(low[1] < high[0] for low, high in itertools.pairwise(edges))
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_shares_fill_the_whole_bar_in_proportion():
    (axes,) = draw_charts(SHARES).axes
    drawn = np.array([(bar.get_x(), bar.get_width()) for bar in axes.patches]).reshape(3, 2, 2)
    np.testing.assert_allclose(drawn[:, 0], [(0, 0.01), (0.01, 0.99), (1, 0)], atol=1e-12)
    np.testing.assert_allclose(drawn[:, 1], [(0, 0.5), (0.5, 0.5), (1, 0)], atol=1e-12)
    assert words(axes) == {"", "99%", "50%"}  # one part in a hundred has no room for its number


def test_lines_go_through_their_values_and_whiskers_over_their_ranges():
    (axes,) = draw_charts(LINES).axes
    line, _, (whiskers,) = axes.containers[0]
    np.testing.assert_array_equal(line.get_xydata(), [(0, 0), (50_000, 0.5), (100_000, 1)])
    np.testing.assert_array_equal(whiskers.get_segments()[1], [(50_000, 0.25), (50_000, 0.75)])
    assert words(axes) == {"half"}


def test_a_chart_without_any_value_is_still_a_picture(tmp_path):
    empty = BarChart("nothing", ["a"], {"one": [0.0]}), ShareChart("nothing", ["a"], {"one": [0.0]})
    write_charts(tmp_path / "empty.png", *empty, LineChart("nothing", {"one": []}, "images"))
    assert (tmp_path / "empty.png").stat().st_size > 1000


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")])
def test_the_ending_chooses_the_format_and_nothing_else_is_left(tmp_path, name, start):
    write_charts(tmp_path / "deep" / name, BARS, SHARES, LINES)
    assert (tmp_path / "deep" / name).read_bytes().startswith(start)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == [name]


def test_charts_lie_below_each_other_and_show_the_colors_of_their_series(tmp_path):
    write_charts(tmp_path / "a.png", BARS, LINES)
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    assert pixels.shape == (round(100 * (BARS.height + LINES.height)), 900, 3)
    blue = (pixels == (0, 0x72, 0xB2)).all(-1).any(1)
    assert blue[: round(100 * BARS.height)].any()
    assert blue[round(100 * BARS.height) :].any()


def test_without_matplotlib_one_line_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for draw in (check_charts, lambda: write_charts(tmp_path / "a.png", BARS)):
        with pytest.raises(MissingDependency, match=r"pip install 'genstruct\[charts\]'"):
            draw()


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="cannot be written"):
        write_charts(tmp_path / "file" / "a.png", BARS)
