"""Charts as data: marks, axes and colours. `archsieve.report.draw` draws them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

COLOURS: Mapping[str, tuple[str, str]] = {
    "ink": ("#1d2329", "#e4e9ee"),
    "grey": ("#555e67", "#9aa4ae"),
    "line": ("#d9dfe5", "#333b44"),
    "paper": ("#ffffff", "#14181d"),
    "faint": ("#f5f7f9", "#1d232a"),
    "pale": ("#cfe3f1", "#1f3f56"),
    "cut": ("#8f979f", "#79838d"),
    "blue": ("#0072b2", "#56b4e9"),
    "orange": ("#d55e00", "#e8711c"),
    "green": ("#009e73", "#12a47a"),
    "pink": ("#cc79a7", "#e9a8cf"),
    "plum": ("#5d1746", "#f6e6b4"),
    "violet": ("#3d2db3", "#8a78f0"),
}
"""Each colour of a page by name: on white paper, and in a dark browser.

Marks of one chart differ in colour also for the colour-blind: `tests/report/test_colours.py` simulates the three kinds.
"""
SERIES = ("blue", "pink", "plum", "violet")
"""Colours of curves that stand for stages. Parameters are orange, multiply-adds green, chance grey, in every chart."""
DASHES: tuple[Dash, ...] = ("solid", "dashed", "dashdot", "dotted")

Dash: TypeAlias = Literal["solid", "dashed", "dashdot", "dotted"]
Scale: TypeAlias = Literal["linear", "log"]
Notation: TypeAlias = Literal["number", "share"]


def array(values: ArrayLike) -> NDArray[np.float64]:
    """Return values as an array of floats."""
    return np.asarray(values, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Points:
    """Markers at x and y, shape (n,); non-finite ones are omitted.

    Args:
        x: horizontal positions.
        y: vertical positions.
        name: in the legend; empty: not in it.
        colour: a name of `COLOURS`.
        marker: as matplotlib names it.
        size: the diameter, in units of a chart 430 wide.
        tips: a text for each point, which the page shows under the pointer.
        labels: a text for each point, drawn beside it.
        spread: half the length of a vertical bar through each point.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    name: str = ""
    colour: str = "blue"
    marker: str = "o"
    size: float = 6.0
    tips: Sequence[str] = ()
    labels: Sequence[str] = ()
    spread: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Line:
    """A line through x and y, shape (n,), stepped or straight; `band` is the half-height of a band around it."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    name: str = ""
    colour: str = "blue"
    dash: Dash = "solid"
    width: float = 1.8
    is_stepped: bool = False
    band: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Rule:
    """A vertical line across the chart, such as a cut."""

    x: float
    name: str = ""
    colour: str = "ink"
    dash: Dash = "dashed"


@dataclass(frozen=True, eq=False)
class Histogram:
    """Stacked histograms of groups of values: name, colour and values of each group."""

    groups: Sequence[tuple[str, str, NDArray[np.float64]]]
    bins: NDArray[np.float64]


@dataclass(frozen=True)
class Bars:
    """Horizontal bars from 0, top to bottom: names, lengths, and the text at the end of each."""

    names: Sequence[str]
    lengths: Sequence[float]
    labels: Sequence[str]
    colours: Sequence[str] = ()


@dataclass(frozen=True)
class Funnel:
    """Bands that narrow from top to bottom: widths before and after, in [0, 1], and the text of each."""

    widths: Sequence[tuple[float, float]]
    labels: Sequence[str]


Mark: TypeAlias = Points | Line | Rule | Histogram | Bars | Funnel


@dataclass(frozen=True)
class Axis:
    """An axis: title, scale, number format, limits, and named positions."""

    title: str = ""
    scale: Scale = "linear"
    notation: Notation = "number"
    is_reversed: bool = False
    starts_at_zero: bool = False
    places: Mapping[float, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Chart:
    """A chart: anchor and file name, title, marks, axes, and a caption."""

    name: str
    title: str
    marks: Sequence[Mark]
    x: Axis = Axis()
    y: Axis = Axis()
    caption: str = ""
    height: float = 300.0
