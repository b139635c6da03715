"""The charts of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.report.chart import BLUE, CYCLE, DASHES, GREEN, GREY, ORANGE, PALE, Chart, add_buttons, figure, plain
from archsieve.report.load import notation_of
from archsieve.report.views import BEST, joined, regret_curve, shown_points
from archsieve.report.words import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.report.load import RunReport
    from archsieve.report.views import Fate, FunnelStep, Notation, Ranking, StageView

MOST_POINTS = 2000
"""Most points drawn of a stage; more would only overlap."""
CURRENCIES = {"network_epochs": "network-epochs", "seconds": "seconds of workers", "macs": "multiply-adds"}
_PLACE = "place, as a share of the candidates"


def run_charts(run: RunReport, views: Sequence[StageView]) -> list[Chart]:
    """Return the charts of a run; none if it is unfinished.

    Raises:
        MissingPackageError: plotly is not installed.
    """
    charts = [_fates(run.fates, views)] if run.fates else []
    notation = notation_of(run.space)
    charts += [_scores(view, i, notation) for i, view in enumerate(views, 1)]
    known = [view for view in (v.known() for v in views) if view is not None]  # of the first stages, or of all
    if known:
        charts += [_keeping(known), _tau_and_mkr(run.rankings)]
    if run.result is not None and run.result["stages"]:
        charts.append(_effort(joined(run.result["stages"])))
    return charts


def _fates(fates: Sequence[Fate], views: Sequence[StageView]) -> Chart:
    """Draw the place of each of the truly best by stage, as a share of the candidates, and the cut."""
    import plotly.graph_objects as go

    stages = [f"stage {i}" for i in range(1, len(views) + 1)]
    bar = {"symbol": "line-ew", "size": 30, "line": {"width": 3, "color": GREY}}
    kept = [float(view.kept.mean()) for view in views]
    traces = [go.Scatter(x=stages, y=kept, mode="markers", name="the cut", marker=bar, hovertemplate="%{y:.3%} kept")]
    for i, fate in enumerate(fates):
        shares = [place / len(view.scores) for place, view in zip(fate.places, views, strict=False)]
        symbols = [*["circle"] * (len(shares) - 1), "x" if fate.cut_by is not None else "circle"]
        traces.append(
            go.Scatter(
                x=stages[: len(shares)],
                y=shares,
                mode="lines+markers",
                name=f"best {i + 1}",
                line={"color": CYCLE[i % len(CYCLE)], "width": 1.6, "dash": DASHES[i % len(DASHES)]},
                marker={"symbol": symbols, "size": 9},
                hovertemplate=f"{fate.architecture}, truth {number(fate.truth)}: %{{y:.3%}}",
            )
        )
    plot = figure(traces, y=_PLACE, height=460)
    plot.update_yaxes(type="log", tickformat=".2~%", dtick="D2", autorange="reversed")
    plot.update_xaxes(type="category")
    caption = (
        f"Where the {len(fates)} truly best candidates stood in each stage; the first place is on top. A grey bar is "
        "the cut: what lies below it goes, but for ties, which count against a candidate. A cross is where one went."
    )
    return Chart("fates", "Where the best were cut", caption, plot)


def _scores(view: StageView, i: int, notation: Notation) -> Chart:
    known = view.known()
    plot = _histogram(view) if known is None else _against_truth(known, view.cut, notation)
    lacking = int((~np.isfinite(view.scores)).sum())
    sentences = [f"{len(view.scores):,} candidates."]
    if known is None:
        has_truth = np.isfinite(view.truth).any()
        sentences.append("Their known truths do not differ." if has_truth else "Their truth is not known.")
    else:
        unknown, shown = len(view.scores) - len(known.scores), len(shown_points(known, MOST_POINTS))
        sentences += [f"{unknown:,} without a known truth are left out."] if unknown else []
        if shown < len(known.scores):
            sentences.append(f"{shown:,} are drawn: the best, and of those kept and those cut about as many of each.")
    sentences += [f"{lacking:,} have no finite score."] if lacking else []
    return Chart(f"scores-{i}", f"Stage {i}: {view.label}", " ".join(sentences), plot)


def _histogram(view: StageView) -> Any:
    import plotly.graph_objects as go

    finite = np.isfinite(view.scores)
    traces = [
        go.Histogram(x=view.values[finite & mask], name=name, marker={"color": colour}, nbinsx=60)
        for mask, name, colour in ((~view.kept, "cut", PALE), (view.kept, "kept", BLUE))
    ]
    return figure(traces, x=plain(view.measure.title), y="candidates", barmode="stack", height=320)


def _against_truth(view: StageView, cut: float | None, notation: Notation) -> Any:
    """Draw place, or score, against truth, and the cut of the whole stage (the view may be a part of it)."""
    import plotly.graph_objects as go

    is_drawn, is_best = (np.zeros(len(view.scores), dtype=bool) for _ in range(2))
    is_drawn[shown_points(view, MOST_POINTS)] = True
    is_best[np.argsort(-view.truth, kind="stable")[:BEST]] = True
    places = view.places / len(view.scores)
    scores = np.where(np.isfinite(view.values), view.values, np.nan)
    traces, by_place, by_score = [], [], []
    for mask, name, marker in (
        (~view.kept & ~is_best, "cut", {"color": PALE, "size": 4}),
        (view.kept & ~is_best, "kept", {"color": BLUE, "size": 5}),
        (is_best, f"the {is_best.sum()} best", {"color": ORANGE, "size": 10, "symbol": "star"}),
    ):
        rows = np.flatnonzero(mask & is_drawn)
        codes = [notation(tuple(code)) for code in view.archs[rows].tolist()]
        hover = "%{text}<br>%{x:.4g}, truth %{y:.4g}"
        points = {"y": view.truth[rows], "mode": "markers", "marker": marker, "text": codes, "hovertemplate": hover}
        traces.append(go.Scatter(x=places[rows], name=name, **points))
        by_place.append(places[rows])
        by_score.append(scores[rows])
    if cut is not None:
        ends, at = [float(view.truth.min()), float(view.truth.max())], float(view.kept.mean())
        dashed = {"color": GREY, "width": 2, "dash": "dash"}
        traces.append(go.Scatter(x=[at] * 2, y=ends, mode="lines", name="the cut", line=dashed, hoverinfo="skip"))
        by_place.append(np.full(2, at))
        by_score.append(np.full(2, view.measure.value(cut)))
    plot = figure(traces, x=_PLACE, y="truth", height=420)
    add_buttons(plot, {_PLACE: by_place, plain(view.measure.title): by_score})
    return plot


def _keeping(views: Sequence[StageView]) -> Chart:
    import plotly.graph_objects as go

    def steps(scores: Any, truth: Any, name: str, **line: Any) -> Any:
        shares, regrets = regret_curve(scores, truth)
        line |= {"shape": "hv"}
        hover = "keep %{x:.3%}: lacks %{y:.3g}"
        return go.Scatter(x=[*shares, 1.0], y=[*regrets, 0.0], mode="lines", name=name, line=line, hovertemplate=hover)

    traces = []
    for i, view in enumerate(views):
        colour = CYCLE[i % len(CYCLE)]
        name = f"{i + 1}. {plain(view.label)}"
        dash = DASHES[i % len(DASHES)]  # colours repeat
        traces.append(steps(view.scores, view.truth, name, color=colour, width=2.2, dash=dash))
        if view.kept.any():
            at, lost = [float(view.kept.mean())], [float(view.truth.max() - view.truth[view.kept].max())]
            mark = {"color": colour, "size": 12, "symbol": "diamond"}
            hover = "kept %{x:.3%}, lost %{y:.3g}"
            traces.append(go.Scatter(x=at, y=lost, name=name, marker=mark, showlegend=False, hovertemplate=hover))
    for i, (size, values) in enumerate(views[0].sizes.items()):
        traces.append(steps(values, views[0].truth, f"{size} (of stage 1)", color=GREY, width=1.4, dash=DASHES[1 + i]))
    plot = figure(traces, x="share kept", y="what the best kept lacks", height=440)
    plot.update_xaxes(type="log", tickformat=".2~%", dtick="D2")
    plot.update_yaxes(rangemode="tozero")
    caption = (
        "Regret of the best candidate in the top share of a ranking, against the best candidate of the stage, in "
        "the truth's unit. A diamond is what the stage kept. A curve falls to zero at its minimum keeping ratio (MKR)."
    )
    return Chart("keeping", "Keeping curves", caption, plot)


def _tau_and_mkr(rankings: Sequence[Ranking]) -> Chart:
    import plotly.graph_objects as go

    traces = []
    for by, colour, symbol in (
        ("estimator", BLUE, "circle"),
        ("params", ORANGE, "square"),
        ("macs", GREEN, "diamond"),
        ("chance", GREY, "x"),
    ):
        rows = [row for row in rankings if row.by == by and row.tau is not None]
        if not rows:
            continue
        traces.append(
            go.Scatter(
                x=[row.tau for row in rows],
                y=[row.mkr for row in rows],
                mode="markers+text",
                cliponaxis=False,
                name="the stage's estimator" if by == "estimator" else by,
                text=[str(row.number) for row in rows],
                hovertext=[plain(row.stage) for row in rows],
                textposition="top center",
                marker={"color": colour, "symbol": symbol, "size": 11},
                hovertemplate="%{hovertext}: tau %{x:.3f}, MKR %{y:.3g}",
            )
        )
    plot = figure(traces, x="Kendall's tau", y="minimum keeping ratio", height=420)
    plot.update_yaxes(type="log", tickformat=".2~%", dtick="D2")
    caption = (
        "How well each stage (by its number) ranked its candidates, beside model sizes and chance: "
        "low is good. Both figures are rough where candidates are few."
    )
    return Chart("tau-mkr", "Tau against MKR", caption, plot)


def _effort(steps: Sequence[FunnelStep]) -> Chart:
    import plotly.graph_objects as go

    costs = {title: [getattr(step, unit) for step in steps] for unit, title in CURRENCIES.items()}
    costs = {title: values for title, values in costs.items() if None not in values}
    first = next(iter(costs))
    labels = [f"stage {i}" for i in range(1, len(steps) + 1)]
    bar = go.Bar(y=labels, x=costs[first], orientation="h", marker={"color": BLUE}, hovertemplate="%{y}: %{x:,.4g}")
    plot = figure([bar], x=first, height=140 + 34 * len(steps), showlegend=False)
    plot.update_xaxes(rangemode="tozero")
    plot.update_yaxes(autorange="reversed")
    add_buttons(plot, {title: [values] for title, values in costs.items()})
    caption = (
        "Seconds are those that workers spent, learning included, counted once however often the run was gone on with, "
        "and none where scores were looked up; network-epochs and multiply-adds are as if nothing had been looked up. "
        "The totals on top hold besides what is no stage: the final score, and the evolution behind a pool."
    )
    return Chart("cost", "What each stage cost", caption, plot)
