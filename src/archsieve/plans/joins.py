"""Checks that the codes of a file are in the assumed notation, using shipped scores of the space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsieve.errors import ArchitectureError, DataError
from archsieve.runs.score_tables import shipped
from archsieve.spaces.contract import check

if TYPE_CHECKING:
    from archsieve.benchmarks.foreign import ForeignTable

_PROXY = "jacov"  # of the shipped scores, the one that ranks NAS-Bench-201 best
_MARGIN = 0.1  # of correlation by which another notation must fit better
_LEAST = 30  # networks


def check_join(table: ForeignTable) -> None:
    """Check that numbers in brackets fit shipped scores of the space, and that no other notation fits better.

    Raises:
        DataError: one does.
    """
    if table.notation not in ("own", *table.space.number_orders) or table.truth is None:
        return
    fits = fit_of_notations(table)
    best = max(fits, key=lambda name: fits[name], default=table.notation)
    if best != table.notation and fits[best] > fits[table.notation] + _MARGIN:
        raise DataError(
            f"The codes of {table.path} do not look like the notation {table.notation!r}: {table.truth!r} correlates "
            f"with the shipped scores of {_PROXY} by {fits[table.notation]:.2f}, and by {fits[best]:.2f} if they are "
            f"{best!r}. Try --notation {best}."
        )


def fit_of_notations(table: ForeignTable) -> dict[str, float]:
    """Return the rank correlation of a shipped proxy with a table's truth, by possible notation.

    Empty where no shipped table holds the space.
    """
    from scipy.stats import spearmanr

    orders = table.space.number_orders
    whole = (t for t in shipped() if t.card.population == "all" and t.is_about(table.space, 0))
    scores = next((t for t in whole if _PROXY in t.card.estimators), None)
    if not orders or scores is None:
        return {}
    records, read_as = table.load(), orders.get(table.notation)
    truth = records.lookup(str(table.truth), records.archs)
    numbers = [read_as.write(arch) if read_as else arch for arch in records.archs]
    fits = {}
    for name in ("own", *orders):
        try:
            archs = [orders[name].read(each) if name in orders else check(table.space, each) for each in numbers]
        except ArchitectureError:
            continue  # the numbers are none of that order
        codes = [table.space.canonical(arch) for arch in archs]
        outcomes = scores.get(_PROXY, codes)
        proxy = np.array([outcomes[code].score for code in codes])
        both = np.isfinite(proxy) & np.isfinite(truth)
        fits[name] = float(spearmanr(proxy[both], truth[both]).statistic) if both.sum() >= _LEAST else 0.0
    return fits
