"""The charts of a multi-objective search, as data: all scored networks and the non-dominated ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.report.plot import Axis, Chart, Line, Points, array
from archsieve.tasks.contract import Measure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from archsieve.report.plot import Mark

MOST_POINTS = 1500
"""Most dominated networks that are drawn: those of the best ranks."""


def front_charts(result: Mapping[str, Any] | None) -> list[Chart]:
    """Return a chart of the first objective against each other one; empty for a single objective."""
    front = None if result is None else result.get("front")
    if front is None or not front["networks"]:
        return []
    others = range(1, len(front["objectives"]))
    return [_chart(front["objectives"], front["networks"], other) for other in others]


def _chart(objectives: Sequence[Mapping[str, Any]], networks: Sequence[Mapping[str, Any]], other: int) -> Chart:
    measures = [Measure(each["title"], each["higher_is_better"]) for each in objectives]
    best = [network for network in networks if network["is_best"]]
    rest = sorted((n for n in networks if not n["is_best"]), key=lambda network: network["rank"])
    shown = rest[:MOST_POINTS]
    marks: list[Mark] = []
    for group, name, colour, marker, size in (
        (shown, "dominated", "cut", "o", 4.5),
        (best, "not dominated", "orange", "D", 7.5),
    ):
        if group:
            x, y = (array([network["values"][place] for network in group]) for place in (other, 0))
            marks.append(Points(x, y, name, colour, marker, size, [_tip(network, measures) for network in group]))
    if len(objectives) == 2:
        marks.insert(0, _edge(best, other, measures))
    titles = [objective["title"] for objective in objectives]
    count = f"{len(best)} of {len(networks):,} networks {'is' if len(best) == 1 else 'are'}"
    caption = (
        f"{count} not dominated: no other one is at least as good in {_listed(titles)} and better in one. Point at a "
        f"network to read its values."
    )
    if len(shown) < len(rest):
        caption += f" {len(rest) - len(shown):,} of the dominated ones are not drawn."
    name = "front" if len(objectives) == 2 else f"front-{other}"
    axes = Axis(measures[other].title), Axis(measures[0].title)
    return Chart(name, f"{titles[0][:1].upper()}{titles[0][1:]} against {titles[other]}", marks, *axes, caption, 340)


def _edge(best: Sequence[Mapping[str, Any]], other: int, measures: Sequence[Measure]) -> Line:
    """Return the line of the front: the best attainable first objective at each value of the other one."""
    points = np.array([[network["values"][other], network["values"][0]] for network in best], dtype=np.float64)
    order = np.argsort(points[:, 0] if not measures[other].higher_is_better else -points[:, 0], kind="stable")
    return Line(points[order, 0], points[order, 1], "", "orange", "dashed", 1.2, is_stepped=True)


def _tip(network: Mapping[str, Any], measures: Sequence[Measure]) -> str:
    pairs = zip(measures, network["values"], strict=True)
    values = ", ".join(f"{measure.name} {measure.amount(value)}" for measure, value in pairs)
    return f"{network['architecture']}: {values}; rank {network['rank']}"


def _listed(titles: Sequence[str]) -> str:
    return f"{', '.join(titles[:-1])} and {titles[-1]}"
