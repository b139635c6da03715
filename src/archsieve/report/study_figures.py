"""The figures of a study as files, PNG and SVG, by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsieve.report.chart import BLUE, GREY, ORANGE
from archsieve.report.panels import AXES, panels
from archsieve.report.run_figures import new_figure, plain, save
from archsieve.report.words import slug

if TYPE_CHECKING:
    from pathlib import Path

    from archsieve.judging.mkr_study import Study
    from archsieve.report.panels import Panel


def study_figures(study: Study, folder: Path) -> list[Path]:
    """Draw what searches find against tau and against 1 - MKR, a figure for each truth and searcher.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    paths = []
    for pair in panels(study):
        figure = new_figure(11, 4.8)
        axes = figure.subplots(1, 2, sharey=True)
        for axis, panel, colour in zip(axes, pair, (BLUE, ORANGE), strict=True):
            _draw(axis, panel, colour)
        axes[0].set_ylabel(plain(f"{pair[0].truth} found by {pair[0].searcher}"))
        paths += save(figure, folder, slug(f"{pair[0].truth}-{pair[0].searcher}"))
    return paths


def _draw(axis, panel: Panel, colour: str) -> None:  # type: ignore[no-untyped-def]
    """Draw points with the spread over seeds, their names, and the line of least squares with its band."""
    x, y = panel.x, panel.y
    axis.errorbar(x, y, yerr=panel.deviation, fmt="o", color=colour, ecolor=GREY, elinewidth=0.8, capsize=2)
    for names, at_x, at_y in panel.labels():
        right = at_x > x.min() + 0.75 * np.ptp(x)
        place = {"xytext": (-6 if right else 6, 5), "ha": "right" if right else "left"}
        axis.annotate(plain(names), (at_x, at_y), textcoords="offset points", fontsize=8, **place)
    if panel.line is not None:
        grid, line, margin = panel.line
        axis.plot(grid, line, color=colour, linewidth=1.2)
        axis.fill_between(grid, line - margin, line + margin, color=colour, alpha=0.15, linewidth=0)
    axis.set_xlabel(AXES[panel.measure])
    axis.set_title(panel.title, fontsize=10)
    axis.grid(alpha=0.3)
