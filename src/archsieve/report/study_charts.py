"""The charts of a study, as data: search results against each measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsieve.report.panels import AXES, panels
from archsieve.report.plot import Axis, Chart, Line, Points, array
from archsieve.report.words import slug

if TYPE_CHECKING:
    from archsieve.judging.mkr_study import Study
    from archsieve.report.panels import Panel
    from archsieve.report.plot import Mark

_LOOKS = {"tau": ("blue", "o"), "weighted tau": ("violet", "v"), "1 - MKR": ("orange", "s"), "nDCG": ("green", "D")}


def study_charts(study: Study) -> list[Chart]:
    """Return a chart for each truth, searcher and measure."""
    return [_chart(panel) for group in panels(study) for panel in group]


def _chart(panel: Panel) -> Chart:
    colour, marker = _LOOKS[panel.measure]
    tips = [f"{n}: {x:.3f}, found {y:.2f}" for n, x, y in zip(panel.names, panel.x, panel.y, strict=True)]
    marks: list[Mark] = [Points(panel.x, panel.y, "", colour, marker, 6, tips, spread=panel.deviation)]
    names, at_x, at_y = zip(*panel.labels(), strict=True)
    marks.append(Points(array(at_x), array(at_y), "", colour, "", 0, labels=names))
    if panel.line is not None:
        grid, line, margin = panel.line
        marks.insert(0, Line(grid, line, "", colour, "solid", 1.2, band=np.asarray(margin)))
    name = slug(f"{panel.truth}-{panel.searcher}-{slug(AXES[panel.measure])}")
    title = f"{panel.truth} by {panel.searcher}"
    return Chart(name, title, marks, Axis(AXES[panel.measure]), Axis(panel.truth), panel.title, 320)
