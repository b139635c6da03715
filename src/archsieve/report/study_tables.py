"""The two tables of a study, for the terminal and for its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from archsieve.judging.mkr_study import comparable, verdict
from archsieve.report.words import mean_and_deviation

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsieve.judging.mkr_study import Study

Rows: TypeAlias = tuple[list[str], list[list[Any]]]
"""A header and its rows."""


def findings(study: Study, shown: Callable[[float], Any]) -> Rows:
    """Return what searches find by each estimator, best keeping ratio first; `shown` writes a measure."""
    header = ["truth", "estimator", "tau", "1 - MKR", *(f"found by {s}" for s in study.findings[0].found)]
    rows = [
        [f.truth, f.estimator, *map(shown, f.measures), *map(mean_and_deviation, f.found.values())]
        for f in sorted(study.findings, key=lambda f: (f.truth, -f.measures[1]))
    ]
    return header, rows


def claims(study: Study, shown: Callable[[tuple[float, float, float] | None], Any]) -> Rows:
    """Return the correlations of what is found with the measures; `shown` writes a value with its interval."""
    header = ["truth", "searcher", "correlation", "with tau", "with 1 - MKR", "gain of MKR", "supported"]
    rows = []
    for claim in study.claims:
        count = len(comparable(study.findings, claim.truth))
        for name, by_measure, gain in (
            ("Kendall", claim.kendall, claim.kendall_gain),
            ("Pearson", claim.pearson, claim.pearson_gain),
        ):
            cells = map(shown, (*by_measure.values(), gain))
            rows.append([claim.truth, claim.searcher, name, *cells, verdict(gain, count)])
    return header, rows
