"""Drawing of charts by matplotlib: as SVG inside a page, and as PNG and SVG files."""

from __future__ import annotations

import io
import math
import textwrap
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import require
from archsieve.report.labels import Box, places
from archsieve.report.page_svg import as_part_of_a_page, group_of_tips
from archsieve.report.plot import COLOURS, Bars, Chart, Funnel, Histogram, Line, Points, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from archsieve.report.plot import Axis, Mark

WIDTH = 430.0
"""Width of a chart in units of an SVG, which are CSS pixels and points of its text: half a page, or a whole phone."""
DPI = 200
LEGEND_ROW = 17.0
_LONGEST_NAME = 48
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it is found, read aloud, and takes the page's font
    "font.size": 12,
    "axes.linewidth": 0.8,
    "axes.edgecolor": COLOURS["grey"][0],
    "axes.labelcolor": COLOURS["ink"][0],
    "text.color": COLOURS["ink"][0],
    "xtick.color": COLOURS["grey"][0],
    "ytick.color": COLOURS["grey"][0],
    "xtick.labelcolor": COLOURS["ink"][0],
    "ytick.labelcolor": COLOURS["ink"][0],
    "grid.color": COLOURS["line"][0],
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def svg(chart: Chart) -> str:
    """Return the chart as an SVG element in the page's colours, with a tooltip for each point.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    text = io.StringIO()
    _write(chart, text, "svg", facecolor="none")
    tips = {group_of_tips(i): mark.tips for i, mark in enumerate(chart.marks) if isinstance(mark, Points) and mark.tips}
    return as_part_of_a_page(text.getvalue(), chart.name, f"{chart.title}. {chart.caption}", tips)


def save(chart: Chart, folder: Path) -> list[Path]:
    """Write the titled chart as PNG and SVG files named after it, and return the paths.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    paths = [folder / f"{chart.name}.{kind}" for kind in ("png", "svg")]
    for path in paths:
        _write(chart, path, path.suffix[1:], title=chart.title, facecolor=COLOURS["paper"][0])
    return paths


def _write(chart: Chart, target: Any, kind: str, *, facecolor: str, title: str = "") -> None:
    require("matplotlib", "report")
    import matplotlib as mpl

    style: Any = {**_STYLE, "svg.hashsalt": chart.name}  # the same chart gives the same names inside
    with mpl.rc_context(style):
        metadata = {"Date": None} if kind == "svg" else {}
        figure_of(chart, title).savefig(target, format=kind, dpi=DPI, facecolor=facecolor, metadata=metadata)


def figure_of(chart: Chart, title: str = "") -> Any:
    """Return the chart as a matplotlib figure."""
    from matplotlib.figure import Figure

    names = [name for mark in chart.marks for name in _names(mark)]
    columns = 1 if any(len(name) > 22 for name in names) else 3 if all(len(name) < 14 for name in names) else 2
    rows = -(-len(names) // columns) if len(names) > 1 else 0
    height = chart.height + LEGEND_ROW * rows
    figure = Figure(figsize=(WIDTH / 72, height / 72), layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor("none")
    for number, mark in enumerate(chart.marks):
        _draw(mark, axes, number)
    if any(isinstance(mark, Funnel) for mark in chart.marks):
        axes.set_axis_off()
    else:
        _set_axis(axes, axes.xaxis, chart.x)
        _set_axis(axes, axes.yaxis, chart.y)
    if rows:
        figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=11.5, handlelength=2.4)
    if title:
        figure.suptitle("\n".join(textwrap.wrap(plain(title), 56)), fontsize=13)
    points = [mark for mark in chart.marks if isinstance(mark, Points)]
    if any(mark.labels for mark in points):
        _label_points(figure, axes, points)
    return figure


def _label_points(figure: Any, axes: Any, marks: Sequence[Points]) -> None:
    """Write point labels where they cover no label or point, with a line to distant ones."""
    figure.draw_without_rendering()  # now it is known where everything is
    unit = figure.dpi / 72
    markers, bars = [], []
    for mark in marks:
        spread = np.zeros(len(mark.x)) if mark.spread is None else mark.spread
        ends = (axes.transData.transform(np.column_stack([mark.x, mark.y + sign * spread])) for sign in (-1, 1))
        for (x, low), (_, high) in zip(*ends, strict=True):
            radius = mark.size * unit / 2
            if mark.marker and math.isfinite(x + low + high):
                middle = (low + high) / 2
                markers.append(Box(x - radius, middle - radius, x + radius, middle + radius))
                bars += [Box(x - unit, low, x + unit, high)] if high > low else []
    texts = [
        (axes.transData.transform((x, y)), axes.text(x, y, _in_lines(text), fontsize=10.5, in_layout=False))
        for mark in marks
        for x, y, text in zip(mark.x, mark.y, mark.labels, strict=False)
        if math.isfinite(x + y)
    ]
    anchors = [(float(x), float(y)) for (x, y), _ in texts]
    extents = [text.get_window_extent() for _, text in texts]
    bounds = Box(*axes.get_window_extent().extents)
    found = places(anchors, [(extent.width, extent.height) for extent in extents], bounds, markers, bars)
    for anchor, (_, text), place in zip(anchors, texts, found, strict=True):
        left, bottom, right, top = place.box
        text.set(ha="center", va="center", position=axes.transData.inverted().transform(place.box.middle))
        if place.is_far:
            end = (min(max(anchor[0], left), right), min(max(anchor[1], bottom), top))
            ends = axes.transData.inverted().transform([anchor, end])
            axes.plot(*ends.T, color=COLOURS["grey"][0], linewidth=0.7, zorder=2, scalex=False, scaley=False)


def _names(mark: Mark) -> list[str]:
    """Return the legend entries of a mark."""
    if isinstance(mark, Histogram):
        return [name for name, _, _ in mark.groups]
    return [mark.name] if isinstance(mark, Points | Line | Rule) and mark.name else []


def plain(text: str) -> str:
    """Return a label escaped so that matplotlib does not read it as a formula."""
    return text.replace("$", r"\$")


def short(text: str, longest: int = _LONGEST_NAME) -> str:
    """Return a text cut to fit a line of a chart.

    >>> short("a long label", 8)
    'a long …'
    """
    return plain(text if len(text) <= longest else f"{text[: longest - 1]}…")


def _in_lines(text: str) -> str:
    """Return a point's label broken into lines between words."""
    return "\n".join(textwrap.wrap(short(text, 72), 24, break_long_words=False, break_on_hyphens=False))


def _label(name: str) -> str:
    return short(name) if name else "_"  # matplotlib leaves names that begin so out of the legend


@singledispatch
def _draw(mark: Mark, axes: Any, number: int) -> None:
    raise NotImplementedError(type(mark))


@_draw.register
def _(mark: Points, axes: Any, number: int) -> None:
    colour = COLOURS[mark.colour][0]
    if mark.spread is not None:
        bars = {"fmt": "none", "ecolor": COLOURS["grey"][0], "elinewidth": 0.8, "capsize": 2}
        axes.errorbar(mark.x, mark.y, yerr=mark.spread, **bars)
    is_line = mark.marker in ("x", "_")
    edge = {"linewidth": 1.8} if is_line else {"linewidth": 0.5, "edgecolor": COLOURS["paper"][0]}
    at = mark.x, mark.y
    if mark.marker:
        look = {"s": mark.size**2, "c": colour, "marker": mark.marker, "label": _label(mark.name), "zorder": 3}
        axes.scatter(*at, **look, **edge).set_gid(group_of_tips(number))


@_draw.register
def _(mark: Line, axes: Any, number: int) -> None:
    colour = COLOURS[mark.colour][0]
    look = {"color": colour, "linestyle": mark.dash, "linewidth": mark.width, "label": _label(mark.name)}
    axes.plot(mark.x, mark.y, drawstyle="steps-post" if mark.is_stepped else "default", **look)
    if mark.band is not None:
        shade = {"color": colour, "alpha": 0.15, "linewidth": 0}
        axes.fill_between(mark.x, mark.y - mark.band, mark.y + mark.band, **shade)


@_draw.register
def _(mark: Rule, axes: Any, number: int) -> None:
    axes.axvline(mark.x, color=COLOURS[mark.colour][0], linestyle=mark.dash, linewidth=1.4, label=_label(mark.name))


@_draw.register
def _(mark: Histogram, axes: Any, number: int) -> None:
    names, colours, values = zip(*mark.groups, strict=True)
    look: dict[str, Any] = {"color": [COLOURS[c][0] for c in colours], "label": list(map(_label, names))}
    axes.hist(values, bins=mark.bins, stacked=True, **look)


@_draw.register
def _(mark: Bars, axes: Any, number: int) -> None:
    names = [short(name, 30) for name in mark.names]
    colours = [COLOURS[name][0] for name in mark.colours or ["blue"] * len(names)]
    bars = axes.barh(range(len(names)), mark.lengths, color=colours, height=0.62)
    axes.bar_label(bars, labels=list(map(plain, mark.labels)), padding=4, fontsize=11)
    axes.set_yticks(range(len(names)), labels=names)
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set_xlim(left=0, right=None if any(mark.lengths) else 1)
    axes.grid(visible=False, axis="y")


@_draw.register
def _(mark: Funnel, axes: Any, number: int) -> None:
    pale = COLOURS["pale"][0]
    for i, ((before, after), text) in enumerate(zip(mark.widths, mark.labels, strict=True)):
        axes.fill([-before, before, after, -after], [-i, -i, -i - 0.95, -i - 0.95], color=pale, linewidth=0)
        lines = "\n".join(short(line) for line in text.splitlines())
        axes.text(0, -i - 0.475, lines, ha="center", va="center", in_layout=False)
    axes.set_xlim(-1, 1)


def _set_axis(axes: Any, axis: Any, wanted: Axis) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    side = axis.axis_name
    if wanted.title:
        axis.set_label_text("\n".join(textwrap.wrap(plain(wanted.title), 44)))
    if wanted.scale == "log":
        getattr(axes, f"set_{side}scale")("log")
        low, high = sorted(axis.get_view_interval())
        subs = (1.0,) if high / max(low, 1e-300) > 30 else (1.0, 2.0, 5.0)
        axis.set_major_locator(LogLocator(subs=subs, numticks=7))
        axis.set_minor_formatter(NullFormatter())
    if wanted.notation == "share":
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    elif not wanted.places and (wanted.scale == "log" or max(map(abs, axis.get_view_interval())) >= 1e5):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    if wanted.places:
        axis.set_ticks(list(wanted.places), labels=[short(name, 30) for name in wanted.places.values()])
    if wanted.starts_at_zero:
        getattr(axes, f"set_{side}lim")(**{"left" if side == "x" else "bottom": 0.0})
    if wanted.is_reversed:
        axis.set_inverted(True)
