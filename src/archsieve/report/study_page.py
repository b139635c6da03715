"""The page of a study."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from archsieve.judging.claims import conclusions, count_estimators, in_brackets, verdict
from archsieve.judging.mkr_study import without_verdict
from archsieve.report.chart import BLUE, GREY, ORANGE, Chart, figure, plain
from archsieve.report.page import Page, TextTable, Tile, made_by
from archsieve.report.panels import AXES, panels
from archsieve.report.study_tables import claims, findings
from archsieve.report.words import number, slug

if TYPE_CHECKING:
    from archsieve.judging.mkr_study import Study
    from archsieve.report.panels import Panel

LEAD = (
    "Each estimator is maximised by searches of a whole space. Does Kendall's tau tell what they will find, or does "
    "another figure: the weighted tau, the minimum keeping ratio (MKR: the least share of the ranking that still holds "
    "the best network), the discounted gain of the top per cent (nDCG), or what its top ten lack to the best (regret)?"
)


def study_page(study: Study) -> Page:
    """Return the page of a study.

    Raises:
        MissingPackageError: plotly is not installed.
    """
    verdicts = [
        verdict(gain, count_estimators(study.findings, claim.truth))
        for claim in study.claims
        for gains in (claim.kendall_gains, claim.pearson_gains)
        for gain in (gains.get("1 - MKR"),)
    ]
    judged = [answer for answer in verdicts if answer != "no verdict"]
    supported = f"{judged.count('yes')} of {len(judged)}" if judged else "no verdict"
    cards = [
        Tile("Networks", f"{study.count:,}", f"codes of {study.benchmark}"),
        Tile("Estimators", str(len({f.estimator for f in study.findings})), ""),
        Tile("Searches of each", str(study.seeds), f"seeds, {study.budget:,} evaluations"),
        Tile("MKR over tau", supported, without_verdict(study) or "gains of MKR whose interval excludes 0"),
    ]
    return Page(
        title=f"What predicts what searches find: {study.benchmark}",
        lead=" ".join([LEAD, *conclusions(study.findings, study.claims), *study.pictures]),
        cards=cards,
        charts=[[_chart(panel, i) for i, panel in enumerate(pair)] for pair in panels(study)],
        tables=[_claims(study), _findings(study)],
        made=made_by(asdict(study.provenance), study.seed),
    )


def _chart(panel: Panel, i: int) -> Chart:
    import plotly.graph_objects as go

    colour = (BLUE, ORANGE)[i]
    hover = "%{text}: %{x:.3f}, found %{y:.2f}"
    points = go.Scatter(
        x=panel.x,
        y=panel.y,
        error_y={"array": panel.deviation, "color": GREY, "thickness": 1, "width": 2},
        mode="markers",
        text=list(map(plain, panel.names)),
        marker={"color": colour, "size": 8},
        hovertemplate=hover,
        name="mean and deviation over seeds",
    )
    names, at_x, at_y = zip(*panel.labels(), strict=True)
    middle = (panel.x.min() + panel.x.max()) / 2
    sides = ["top left" if x > middle else "top right" for x in at_x]
    look = {"mode": "text", "textposition": sides, "textfont": {"size": 10}, "hoverinfo": "skip"}
    traces = [points, go.Scatter(x=at_x, y=at_y, text=list(map(plain, names)), **look)]
    if panel.line is not None:
        x, y, margin = panel.line
        shade = {"x": [*x, *x[::-1]], "y": [*(y + margin), *(y - margin)[::-1]], "fill": "toself", "mode": "lines"}
        traces.insert(0, go.Scatter(**shade, line={"width": 0}, fillcolor=colour, opacity=0.15, hoverinfo="skip"))
        traces.append(go.Scatter(x=x, y=y, mode="lines", line={"color": colour, "width": 1.5}, hoverinfo="skip"))
    plot = figure(traces, x=AXES[panel.measure], y=plain(panel.truth), height=380, showlegend=False)
    name = slug(f"{panel.truth}-{panel.searcher}-{i}")
    return Chart(name, f"{panel.truth} by {panel.searcher}", panel.title, plot)


def _measure(value: float) -> str:
    return number(None if math.isnan(value) else value)


def _claims(study: Study) -> TextTable:
    note = (
        "Intervals of 95 %, by a bootstrap over estimators and seeds; over all truths, one draw has the same "
        "estimators for each. Supported: the interval of the gain lies above 0. Regret is what the estimator's top ten "
        "lack to the best, and so by its definition near to what a search finds."
    )
    return TextTable("Does the measure predict what a search finds?", *claims(study, in_brackets), note, text=3)


def _findings(study: Study) -> TextTable:
    return TextTable("What searches find by each estimator", *findings(study, _measure), text=2)
