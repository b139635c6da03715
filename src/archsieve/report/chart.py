"""A chart of a page, by plotly, and the common style: colours that the colour-blind can tell apart (Okabe, Ito)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BLUE, ORANGE, GREEN, GREY, PALE = "#0072B2", "#D55E00", "#009E73", "#555555", "#9A9A9A"
CYCLE = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart: its anchor and title, what to see in it, and plotly's figure."""

    name: str
    title: str
    caption: str
    figure: Any

    def html(self) -> str:
        """Return a part of a page, with the script that the page runs once it has unpacked plotly's."""
        config = {"responsive": True, "displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
        part = str(self.figure.to_html(full_html=False, include_plotlyjs=False, div_id=self.name, config=config))
        return re.sub(r'<script( type="text/javascript")?>', '<script type="text/plain" class="drawing">', part)


def plain(text: str) -> str:
    """Return a label that plotly shows literally, not as HTML."""
    return escape(text, quote=False)


def figure(traces: Iterable[Any], *, x: str = "", y: str = "", height: int = 400, **layout: Any) -> Any:
    """Return a figure of these traces, its axes named."""
    import plotly.graph_objects as go

    plot = go.Figure(list(traces))
    plot.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 56, "r": 16, "t": 24, "b": 48},
        font={"family": "system-ui, sans-serif", "size": 13, "color": "#222"},
        legend={"orientation": "h", "y": -0.22, "yanchor": "top", "x": 0},
        hoverlabel={"align": "left"},
        **layout,
    )
    plot.update_xaxes(title=x, automargin=True)
    plot.update_yaxes(title=y, automargin=True)
    return plot


def add_buttons(plot: Any, x_by_title: Mapping[str, list[Any]]) -> None:
    """Add a button for each reading of the horizontal axis: its title, and the values of every trace."""
    buttons = [
        {"label": _in_two_lines(title), "method": "update", "args": [{"x": x}, {"xaxis.title.text": title}]}
        for title, x in x_by_title.items()
    ]
    place = {"type": "buttons", "direction": "right", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
    plot.update_layout(margin={"t": 72}, updatemenus=[{**place, "buttons": buttons, "font": {"size": 11}}])


def _in_two_lines(title: str) -> str:
    """Return a button's label, broken near its middle so that several stand beside each other on a small screen."""
    breaks = [i + 1 for i, letter in enumerate(title) if letter in " -"]
    if not breaks:
        return title
    at = min(breaks, key=lambda i: abs(i - len(title) / 2))
    return f"{title[:at].rstrip()}<br>{title[at:]}"
