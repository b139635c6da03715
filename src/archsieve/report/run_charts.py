"""The charts of a run, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.report.drawing import widths
from archsieve.report.front_chart import front_charts
from archsieve.report.load import notation_of
from archsieve.report.plot import DASHES, SERIES, Axis, Bars, Chart, Funnel, Histogram, Line, Points, Rule, array
from archsieve.report.views import BEST, joined, regret_curve, shown_points
from archsieve.report.words import number, share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from archsieve.report.load import RunReport
    from archsieve.report.plot import Dash, Mark
    from archsieve.report.views import Fate, FunnelStep, Notation, Ranking, StageView

MOST_POINTS = 3000
"""Most points on a page; a stage draws its part of them, twice. More would overlap, and make the page large."""
LEAST_POINTS = 40
CURRENCIES = {"network_epochs": "network-epochs", "seconds": "seconds of workers", "macs": "multiply-adds"}
_PLACE = "place, as a share of the candidates"
_SIZES: dict[str, tuple[str, Dash]] = {"params": ("orange", "dashed"), "macs": ("green", "dotted")}


def run_charts(run: RunReport, views: Sequence[StageView]) -> list[Chart]:
    """Return the charts of a run; empty if it is unfinished."""
    steps = joined(run.result["stages"]) if run.result is not None else ()
    charts = [_funnel(steps), *_costs(steps, run.result or {})] if steps else []
    charts += front_charts(run.result)
    charts += [_fates(run.fates, views)] if run.fates else []
    known = [(i, view) for i, view in enumerate((v.known() for v in views), 1) if view is not None]
    if known:
        charts += [*_keeping(known), _tau_and_mkr(run.rankings)]
    notation, most = notation_of(run.space), max(LEAST_POINTS, MOST_POINTS // (2 * len(views) or 1))
    return charts + [chart for i, view in enumerate(views, 1) for chart in _scores(view, i, notation, most)]


def _funnel(steps: Sequence[FunnelStep]) -> Chart:
    shapes = widths([steps[0].candidates, *(step.kept for step in steps)])
    labels = [f"{i}. {step.label}\n{step.candidates:,} to {step.kept:,}" for i, step in enumerate(steps, 1)]
    caption = "The width of each band is the logarithm of the number of candidates."
    return Chart("funnel", "The funnel", [Funnel(shapes, labels)], caption=caption, height=20 + 56 * len(steps))


def _costs(steps: Sequence[FunnelStep], result: Mapping[str, Any]) -> list[Chart]:
    """Return a chart for each unit in which all costs are known; the first includes random search at equal cost."""
    charts = []
    for unit, title in CURRENCIES.items():
        costs = [getattr(step, unit) for step in steps]
        if None in costs:
            continue
        names, colours = [f"stage {i}" for i in range(1, len(costs) + 1)], ["blue"] * len(costs)
        labels = [number(cost) for cost in costs]
        chance, truth, whole = result.get("random_search"), result["truth"], result["cost"][unit]
        if unit == "network_epochs" and chance and truth and whole:
            networks = f"{chance['networks']:,} network{'' if chance['networks'] == 1 else 's'}"
            names += ["this search", f"random search, {networks}"]
            labels += [f"found {value:.2f}" for value in (truth["value"], chance["value"])]
            costs, colours = [*costs, whole, whole], [*colours, "orange", "grey"]
        caption = _COST_CAPTIONS[unit] + (_CHANCE_CAPTION if len(costs) > len(steps) else "")
        mark = Bars(names, costs, labels, colours)
        name = "cost" if unit == "network_epochs" else f"cost-{unit}"
        height = 80 + 34 * len(costs)
        charts.append(Chart(name, f"What each stage cost, in {title}", [mark], Axis(title), Axis(), caption, height))
    return charts


_COST_CAPTIONS = {
    "network_epochs": "Network-epochs are counted as if nothing had been looked up. ",
    "seconds": (
        "Seconds that workers spent, learning included; each score counts once, however often the run was resumed, and "
        "a score that was looked up costs nothing."
    ),
    "macs": "Multiply-adds are counted as if nothing had been looked up.",
}
_CHANCE_CAPTION = (
    "This search includes what is no stage: the final score, and the evolution behind a pool. Random search has the "
    "same cost: it draws networks, trains each once, and takes the best; the figure is its exact mean."
)


def _fates(fates: Sequence[Fate], views: Sequence[StageView]) -> Chart:
    """Return the chart of the ranks of the true best by stage, as shares of the candidates, with the cuts."""
    stages = {float(i): f"stage {i}" for i in range(1, len(views) + 1)}
    kept = array([view.kept.mean() for view in views])
    marks: list[Mark] = [Points(array(list(stages)), kept, "the cut", "grey", "_", 34)]
    looks: tuple[tuple[bool, str, Dash, str], ...] = (False, "blue", "solid", "o"), (True, "orange", "dashed", "x")
    for is_cut, colour, dash, marker in looks:
        name = "cut" if is_cut else "kept to the end"
        for i, fate in enumerate(fates, 1):
            if (fate.cut_by is not None) != is_cut:
                continue
            shares = array([place / len(view.scores) for place, view in zip(fate.places, views, strict=False)])
            at = array(range(1, len(shares) + 1))
            tips = [f"best {i}: {fate.architecture}, truth {number(fate.truth)}: {share(s)}" for s in shares]
            marks.append(Line(at, shares, "", colour, dash, 1.4))
            marks.append(Points(at[:-1], shares[:-1], "", colour, "o", 5, tips[:-1]))
            marks.append(Points(at[-1:], shares[-1:], name, colour, marker, 8, tips[-1:], [str(i)]))
            name = ""
    caption = (
        f"Where the {len(fates)} truly best candidates stood in each stage; the first place is on top. A grey bar is "
        "the cut: a candidate below it was cut (ties count against a candidate). A cross is where a candidate was cut; "
        "the number is its place by the truth."
    )
    axis = Axis(_PLACE, "log", "share", is_reversed=True)
    return Chart("fates", "Where the best were cut", marks, Axis(places=stages), axis, caption, 340)


def _scores(view: StageView, i: int, notation: Notation, most: int) -> list[Chart]:
    """Return the charts of a stage: rank and score against truth, or a histogram of scores without a truth."""
    known = view.known()
    sentences = [f"{len(view.scores):,} candidates."]
    lacking = int((~np.isfinite(view.scores)).sum())
    title = f"Stage {i}: {view.label}"
    score = Axis(view.measure.title)
    if known is None:
        has_truth = np.isfinite(view.truth).any()
        sentences.append("Their known truths do not differ." if has_truth else "Their truth is not known.")
        sentences += [f"{lacking:,} have no finite score."] if lacking else []
        return [Chart(f"scores-{i}", title, _histogram(view), score, Axis("candidates"), " ".join(sentences), 260)]
    unknown, shown = len(view.scores) - len(known.scores), len(shown_points(known, most))
    sentences += [f"{unknown:,} without a known truth are left out."] if unknown else []
    if shown < len(known.scores):
        sentences.append(f"{shown:,} are drawn: the best, and of those kept and those cut about as many of each.")
    sentences += [f"{lacking:,} have no finite score."] if lacking else []
    places, truth = Axis(_PLACE, notation="share"), Axis("truth")
    by_place = _against_truth(known, known.places / len(known.scores), notation, most)
    by_score = _against_truth(known, np.where(np.isfinite(known.values), known.values, np.nan), notation, most)
    if view.cut is not None:
        by_place.append(Rule(float(known.kept.mean()), "the cut"))
        by_score.append(Rule(view.measure.value(view.cut), "the cut"))
    caption = " ".join(sentences)
    return [
        Chart(f"scores-{i}", title, by_place, places, truth, caption),
        Chart(f"scores-{i}-values", f"{title}, by {view.measure.title}", by_score, score, truth, caption),
    ]


def _histogram(view: StageView) -> list[Mark]:
    finite = np.isfinite(view.scores)
    groups = [("cut", "cut", view.values[finite & ~view.kept]), ("kept", "blue", view.values[finite & view.kept])]
    marks: list[Mark] = [Histogram(groups, _bins(view.values[finite]))]
    return marks if view.cut is None else [*marks, Rule(view.measure.value(view.cut), "the cut")]


def _bins(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of 60 histogram bins; fewer if values are too close together."""
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    if low > high:
        return np.array([0.0, 1.0])
    margin = max(0.5, abs(low) / 1000) if low == high else 0.0
    return np.unique(np.linspace(low - margin, high + margin, 61))


def _against_truth(view: StageView, x: NDArray[np.float64], notation: Notation, most: int) -> list[Mark]:
    """Return the marks of removed, kept and best candidates at x against their truth."""
    is_drawn, is_best = (np.zeros(len(view.scores), dtype=bool) for _ in range(2))
    is_drawn[shown_points(view, most)] = True
    is_best[np.argsort(-view.truth, kind="stable")[:BEST]] = True
    marks: list[Mark] = []
    for mask, name, colour, marker, size in (
        (~view.kept & ~is_best, "cut", "cut", "o", 4.0),
        (view.kept & ~is_best, "kept", "blue", "D", 4.5),
        (is_best, f"the {is_best.sum()} best", "orange", "*", 12.0),
    ):
        rows = np.flatnonzero(mask & is_drawn & np.isfinite(x))
        codes = [notation(tuple(code)) for code in view.archs[rows].tolist()]
        tips = [f"{c}: {x[i]:.4g}, truth {view.truth[i]:.4g}" for c, i in zip(codes, rows, strict=True)]
        if len(rows):
            marks.append(Points(x[rows], view.truth[rows], name, colour, marker, size, tips))
    return marks


def _keeping(views: Sequence[tuple[int, StageView]]) -> list[Chart]:
    """Return the keeping curves, divided into charts so that no colour repeats."""
    groups = [views[i : i + len(SERIES)] for i in range(0, len(views), len(SERIES))]
    charts = []
    for i, group in enumerate(groups, 1):
        stages = f", stages {group[0][0]} to {group[-1][0]}" if len(groups) > 1 else ""
        name = "keeping" if i == 1 else f"keeping-{i}"
        marks = _keeping_curves(group)
        charts.append(Chart(name, f"Keeping curves{stages}", marks, _KEPT, _LACKS, _KEEPING_CAPTION, 340))
    return charts


_KEPT = Axis("share kept", "log", "share")
_LACKS = Axis("distance of the best one kept from the best", starts_at_zero=True)
_KEEPING_CAPTION = (
    "Regret of the best candidate in the top share of a ranking, against the best candidate of the stage, in "
    "the truth's unit. A diamond is what the stage kept. A curve falls to zero at its minimum keeping ratio (MKR)."
)


def _keeping_curves(views: Sequence[tuple[int, StageView]]) -> list[Mark]:
    marks: list[Mark] = []
    for (i, view), colour, dash in zip(views, SERIES, DASHES, strict=False):
        marks.append(_curve(view.scores, view.truth, f"{i}. {view.label}", colour, dash))
        if view.kept.any():
            at, lost = float(view.kept.mean()), float(view.truth.max() - view.truth[view.kept].max())
            tip = f"stage {i} kept {share(at)}, lost {number(lost)}"
            marks.append(Points(array([at]), array([lost]), "", colour, "D", 8, [tip], [str(i)]))
    first, view = views[0]
    for size, values in view.sizes.items():
        marks.append(_curve(values, view.truth, f"{size} (of stage {first})", *_SIZES[size]))
    return marks


def _curve(scores: NDArray[np.float64], truth: NDArray[np.float64], name: str, colour: str, dash: Dash) -> Line:
    shares, regrets = regret_curve(scores, truth)
    return Line(array([*shares, 1.0]), array([*regrets, 0.0]), name, colour, dash, is_stepped=True)


def _tau_and_mkr(rankings: Sequence[Ranking]) -> Chart:
    marks: list[Mark] = []
    for by, colour, marker in (
        ("estimator", "blue", "o"),
        ("params", "orange", "s"),
        ("macs", "green", "D"),
        ("chance", "grey", "x"),
    ):
        rows = [row for row in rankings if row.by == by and row.tau is not None]
        if not rows:
            continue
        x, y = array([row.tau or 0.0 for row in rows]), array([row.mkr for row in rows])
        tips = [f"{row.stage}: tau {row.tau:.3f}, MKR {row.mkr:.3g}" for row in rows]
        name = "the stage's estimator" if by == "estimator" else by
        marks.append(Points(x, y, name, colour, marker, 8, tips, [str(row.number) for row in rows]))
    caption = (
        "How well each stage (by its number) ranked its candidates, beside model sizes and chance: "
        "low is good. Both figures are rough where candidates are few."
    )
    axis = Axis("minimum keeping ratio", "log", "share")
    return Chart("tau-mkr", "Tau against MKR", marks, Axis("Kendall's tau"), axis, caption)
