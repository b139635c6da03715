"""The figures of a run as files, PNG and SVG, by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import require
from archsieve.report.chart import BLUE, CYCLE, GREEN, GREY, ORANGE, PALE
from archsieve.report.drawing import widths
from archsieve.report.views import BEST, joined, regret_curve, shown_points

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.report.load import RunReport
    from archsieve.report.views import Fate, FunnelStep, Ranking, StageView

MOST_POINTS = 5000
DPI = 150
_CURRENCIES = {"seconds": "seconds of workers", "network_epochs": "network-epochs", "macs": "multiply-adds"}
_DASHES = ("-", "--", "-.", ":")


def plain(text: str) -> str:
    """Return a label that matplotlib shows literally, not as a formula."""
    return text.replace("$", r"\$")


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of that size in inches.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    require("matplotlib", "report")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Any, folder: Path, name: str) -> list[Path]:
    """Write the figure as PNG and as SVG, and return the paths."""
    paths = [folder / f"{name}.{kind}" for kind in ("png", "svg")]
    for path in paths:
        figure.savefig(path, dpi=DPI)
    return paths


def run_figures(run: RunReport, views: Sequence[StageView], folder: Path) -> list[Path]:
    """Draw a run: the funnel, where the best were cut, each stage, keeping curves, tau against MKR, costs.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    steps = joined(run.result["stages"]) if run.result is not None else ()
    known = [view for view in (v.known() for v in views) if view is not None]
    figures = {"funnel": _funnel(steps), "cost": _effort(steps)} if steps else {}
    if run.fates:
        figures["fates"] = _fates(run.fates, views)
    if known:
        figures |= {"keeping": _keeping(known), "tau-mkr": _tau_and_mkr(run.rankings)}
    figures |= {f"scores-{i}": _scores(view) for i, view in enumerate(views, 1)}
    return [path for name, figure in figures.items() for path in save(figure, folder, name)]


def _funnel(steps: Sequence[FunnelStep]) -> Any:
    figure = new_figure(8, 0.6 + 0.8 * len(steps))
    axes = figure.subplots()
    for i, (step, (before, after)) in enumerate(
        zip(steps, widths([steps[0].candidates, *(s.kept for s in steps)]), strict=True)
    ):
        axes.fill([-before, before, after, -after], [-i, -i, -i - 0.97, -i - 0.97], color="#CFE3F1")
        text = f"{i + 1}. {plain(step.label)}\n{step.candidates:,} to {step.kept:,}"
        axes.text(0, -i - 0.5, text, ha="center", va="center", fontsize=10, in_layout=False)
    axes.set_axis_off()
    return figure


def _fates(fates: Sequence[Fate], views: Sequence[StageView]) -> Any:
    figure = new_figure(8, 4.8)
    axes = figure.subplots()
    for i, view in enumerate(views, 1):
        axes.plot([i - 0.2, i + 0.2], [view.kept.mean()] * 2, color=GREY, linewidth=3)
    for i, fate in enumerate(fates):
        shares = [place / len(view.scores) for place, view in zip(fate.places, views, strict=False)]
        style = {"color": CYCLE[i % len(CYCLE)], "linestyle": _DASHES[i % len(_DASHES)]}
        axes.plot(range(1, len(shares) + 1), shares, marker="o", markersize=4, label=f"best {i + 1}", **style)
        if fate.cut_by is not None:
            axes.plot(len(shares), shares[-1], "x", color=style["color"], markersize=9)
    axes.set_yscale("log")
    axes.invert_yaxis()
    axes.set_xticks(range(1, len(views) + 1))
    axes.set_xlabel("stage")
    axes.set_ylabel("place, as a share of the candidates")
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def _scores(view: StageView) -> Any:
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    known = view.known()
    if known is None:
        finite = np.isfinite(view.scores)
        groups = [view.values[finite & ~view.kept], view.values[finite & view.kept]]
        axes.hist(groups, bins=_bins(view.values[finite]), stacked=True, color=[PALE, BLUE], label=["cut", "kept"])
        axes.set_ylabel("candidates")
    else:
        is_drawn, is_best = (np.zeros(len(known.scores), dtype=bool) for _ in range(2))
        is_drawn[shown_points(known, MOST_POINTS)] = True
        is_best[np.argsort(-known.truth, kind="stable")[:BEST]] = True
        for mask, name, look in (
            (~known.kept & ~is_best, "cut", {"color": PALE, "s": 5}),
            (known.kept & ~is_best, "kept", {"color": BLUE, "s": 8}),
            (is_best, f"the {is_best.sum()} best", {"color": ORANGE, "s": 60, "marker": "*"}),
        ):
            axes.scatter(known.values[mask & is_drawn], known.truth[mask & is_drawn], label=name, **look)
        axes.set_ylabel("truth")
    if view.cut is not None:
        axes.axvline(view.measure.value(view.cut), color=GREY, linestyle="--", label="the cut")
    axes.set_xlabel(f"{plain(view.measure.title)} by {plain(view.label)}")
    axes.legend(fontsize=8)
    return figure


def _bins(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of sixty bins, of fewer where numbers lie so close that there are no others between them."""
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    if low > high:
        return np.array([0.0, 1.0])
    margin = max(0.5, abs(low) / 1000) if low == high else 0.0
    return np.unique(np.linspace(low - margin, high + margin, 61))


def _keeping(views: Sequence[StageView]) -> Any:
    figure = new_figure(8, 4.8)
    axes = figure.subplots()
    for i, view in enumerate(views):
        shares, regrets = regret_curve(view.scores, view.truth)
        colour = CYCLE[i % len(CYCLE)]
        look: dict[str, Any] = {"color": colour, "linestyle": _DASHES[i % len(_DASHES)]}  # colours repeat
        axes.step([*shares, 1], [*regrets, 0], where="post", label=f"{i + 1}. {plain(view.label)}", **look)
        if view.kept.any():
            axes.plot(view.kept.mean(), view.truth.max() - view.truth[view.kept].max(), "D", color=colour)
    for i, (size, values) in enumerate(views[0].sizes.items(), 1):
        shares, regrets = regret_curve(values, views[0].truth)
        look = {"color": GREY, "linestyle": _DASHES[i], "linewidth": 1.2}
        axes.step([*shares, 1], [*regrets, 0], where="post", label=f"{size} (of stage 1)", **look)
    axes.set_xscale("log")
    axes.set_xlabel("share kept")
    axes.set_ylabel("what the best of those kept lacks")
    axes.legend(fontsize=8)
    return figure


def _tau_and_mkr(rankings: Sequence[Ranking]) -> Any:
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    looks = {"estimator": (BLUE, "o"), "params": (ORANGE, "s"), "macs": (GREEN, "D"), "chance": (GREY, "x")}
    for by, (colour, marker) in looks.items():
        rows = [row for row in rankings if row.by == by and row.tau is not None]
        axes.scatter([row.tau for row in rows], [row.mkr for row in rows], color=colour, marker=marker, label=by)
        for row in rows:
            axes.annotate(str(row.number), (row.tau, row.mkr), xytext=(4, 4), textcoords="offset points", fontsize=8)
    axes.set_yscale("log")
    axes.set_xlabel("Kendall's tau")
    axes.set_ylabel("minimum keeping ratio")
    axes.legend(fontsize=8)
    return figure


def _effort(steps: Sequence[FunnelStep]) -> Any:
    known = {unit: [getattr(step, unit) for step in steps] for unit in _CURRENCIES}
    known = {unit: values for unit, values in known.items() if None not in values}
    figure = new_figure(3.6 * len(known), 1.5 + 0.4 * len(steps))
    labels = [f"stage {i}" for i in range(1, len(steps) + 1)]
    for axes, (unit, values) in zip(figure.subplots(1, len(known), squeeze=False)[0], known.items(), strict=True):
        axes.barh(labels, values, color=BLUE)
        axes.invert_yaxis()
        axes.set_xlabel(_CURRENCIES[unit])
    return figure
