"""The two tables of a study, for the terminal and for its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from archsieve.judging.claims import MEASURES, count_estimators, verdict
from archsieve.report.words import mean_and_deviation

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsieve.judging.claims import Interval
    from archsieve.judging.mkr_study import Study

Rows: TypeAlias = tuple[list[str], list[list[Any]]]
"""A header and its rows."""


def findings(study: Study, shown: Callable[[float], Any]) -> Rows:
    """Return the table of search results by estimator, best nDCG first; `shown` formats a measure."""
    header = ["truth", "estimator", *MEASURES, *(f"found by {s}" for s in study.findings[0].found)]
    rows = [
        [f.truth, f.estimator, *map(shown, f.measures), *map(mean_and_deviation, f.found.values())]
        for f in sorted(study.findings, key=lambda f: (f.truth, -(f.ndcg or 0.0), f.mkr))
    ]
    return header, rows


def claims(study: Study, shown: Callable[[Interval | None], Any]) -> Rows:
    """Return the table of correlations of search results with measures; `shown` formats a value with interval."""
    gain = ["gain over tau", "supported"]
    header = ["truth", "searcher", "measure", "Kendall", *gain, "Pearson", *gain]
    rows = []
    for claim in study.claims:
        count = count_estimators(study.findings, claim.truth)
        for measure in claim.kendall:
            row = [claim.truth, claim.searcher, measure]
            for by_measure, gains in ((claim.kendall, claim.kendall_gains), (claim.pearson, claim.pearson_gains)):
                answer = verdict(gains[measure], count) if measure in gains else "-"
                row += [shown(by_measure[measure]), shown(gains.get(measure)), answer]
            rows.append(row)
    return header, rows
