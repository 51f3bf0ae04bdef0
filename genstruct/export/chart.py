"""Small charts by matplotlib (the extra `charts`): bars, bars of shares, lines. No shared state, no screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from genstruct.errors import MissingDependency
from genstruct.files import whole_file

if TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

# Distinguishable in grey and for the usual kinds of colour blindness (after Okabe & Ito 2008).
COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
SOFT, RULE = "#5c6670", "#dee2e6"
WIDTH, BAR, PLOT, HEAD = 9.0, 0.26, 4.4, 0.9
"""Inches, of 100 pixels: of a chart, of the height of a bar, of a plot of lines, of title and legend."""
NARROW = 0.06
"""Shares below it have no room for a number."""


class CurvePoint(NamedTuple):
    """A value at a place of the horizontal axis, with the range of the values that it is the mean of."""

    x: int | float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class BarChart:
    """Horizontal bars from zero: a group of bars for each entry of `groups`, a colour for each of `series`.

    Args:
        title: With the unit.
        groups: Captions at the left.
        series: Values by name, one for each group.
        form: How values are written beside their bars.
    """

    title: str
    groups: Sequence[str]
    series: Mapping[str, Sequence[float]]
    form: str = "{:.1f}"

    @property
    def height(self) -> float:
        return HEAD + len(self.groups) * (len(self.series) + 0.6) * BAR

    def draw(self, axes: "matplotlib.axes.Axes") -> None:
        thick = 1 / (len(self.series) + 0.6)
        for number, (name, values) in enumerate(self.series.items()):
            places = [group + (number - (len(self.series) - 1) / 2) * thick for group in range(len(self.groups))]
            bars = axes.barh(places, values, 0.9 * thick, label=name, color=_color(number))
            axes.bar_label(bars, [self.form.format(value) for value in values], padding=4)
        longest = max((value for values in self.series.values() for value in values), default=0) or 1
        _finish_rows(axes, self.groups, 1.12 * longest)  # room for the number of the longest bar


@dataclass(frozen=True)
class ShareChart:
    """One bar a row, divided into parts that add up to the whole.

    Args:
        title: What the whole is.
        rows: Captions at the left.
        parts: Values by name, one for each row; each row is scaled to its sum.
    """

    title: str
    rows: Sequence[str]
    parts: Mapping[str, Sequence[float]]

    @property
    def height(self) -> float:
        return HEAD + 1.6 * len(self.rows) * BAR

    def draw(self, axes: "matplotlib.axes.Axes") -> None:
        wholes = [sum(values) or 1 for values in zip(*self.parts.values(), strict=True)]
        starts = [0.0] * len(self.rows)
        for number, (name, values) in enumerate(self.parts.items()):
            shares = [value / whole for value, whole in zip(values, wholes, strict=True)]
            bars = axes.barh(range(len(self.rows)), shares, 0.62, starts, label=name, color=_color(number))
            written = [f"{share:.0%}" if share > NARROW else "" for share in shares]
            axes.bar_label(bars, written, label_type="center", color="white")
            starts = [start + share for start, share in zip(starts, shares, strict=True)]
        _finish_rows(axes, self.rows, 1.0)


@dataclass(frozen=True)
class LineChart:
    """Lines through points of a share in [0, 1], with a whisker for the range of each point.

    Args:
        title: What the values are.
        series: Points by name, in order; not negative in x.
        x_label: What the horizontal axis counts.
        marks: Places of the horizontal axis that have a name: a rule, its name upright at the bottom.
    """

    title: str
    series: Mapping[str, Sequence[CurvePoint]]
    x_label: str
    marks: Mapping[int | float, str] = field(default_factory=dict)
    height: float = HEAD + PLOT

    def draw(self, axes: "matplotlib.axes.Axes") -> None:
        for x, name in self.marks.items():
            axes.axvline(x, color=RULE, zorder=0)
            axes.text(x, 0.01, f"{name} ", color=SOFT, rotation=90, ha="right", va="bottom", size=9)
        for number, (name, points) in enumerate(self.series.items()):
            ranges = [[p.value - p.low for p in points], [p.high - p.value for p in points]]
            axes.errorbar(
                [p.x for p in points],
                [p.value for p in points],
                ranges if points else None,
                label=name,
                color=_color(number),
                marker="o",
                linewidth=2.5,
                elinewidth=1,
                capsize=4,
            )
        axes.set(xlabel=self.x_label, ylim=(0, 1), yticks=[tenth / 10 for tenth in range(11)])
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.grid(axis="y", color=RULE)


Chart = BarChart | ShareChart | LineChart


def draw_charts(*charts: Chart) -> "matplotlib.figure.Figure":
    """A figure with `charts` below each other.

    Raises:
        MissingDependency: No matplotlib; the message tells how to get it.
    """
    check_charts()
    from matplotlib.figure import Figure

    heights = [chart.height for chart in charts]
    figure = Figure(figsize=(WIDTH, sum(heights)), dpi=100, layout="constrained")
    rows = figure.subplots(len(charts), squeeze=False, gridspec_kw={"height_ratios": heights})
    for axes, chart in zip(rows[:, 0], charts, strict=True):
        chart.draw(axes)
        axes.set_title(chart.title, loc="left", pad=26)
        axes.spines[["top", "right"]].set_visible(False)
        handles, names = axes.get_legend_handles_labels()
        if names:
            axes.legend(
                handles, names, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(names), frameon=False, borderpad=0.2
            )
    return figure


def write_charts(path: Path, *charts: Chart) -> None:
    """Write `draw_charts` as .png, .svg or .pdf, by the ending of `path`, whole or not at all.

    Raises:
        MissingDependency: No matplotlib.
        OutputError: The place cannot be written.
    """
    figure = draw_charts(*charts)
    with whole_file(path) as partial:
        figure.savefig(partial, format=path.suffix[1:].lower())


def check_charts() -> None:
    """Whether charts can be drawn: long measurements ask before they begin.

    Raises:
        MissingDependency: No matplotlib.
    """
    if find_spec("matplotlib") is None:
        raise MissingDependency("charts need matplotlib: pip install 'genstruct[charts]'")


def _color(number: int) -> str:
    return COLORS[number % len(COLORS)]


def _finish_rows(axes: "matplotlib.axes.Axes", captions: Sequence[str], furthest: float) -> None:
    """The first row on top, captions at the left, no numbers below: they are written at the bars."""
    axes.set_yticks(range(len(captions)), captions)
    axes.set_ylim(len(captions) - 0.5, -0.5)
    axes.set_xlim(0, furthest)
    axes.tick_params(left=False, bottom=False, labelbottom=False)
    axes.spines["bottom"].set_visible(False)
