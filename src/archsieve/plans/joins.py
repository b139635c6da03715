"""Whether the codes of a file are in the notation that it is read in: shipped scores of the space must fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsieve.errors import DataError
from archsieve.runs.score_tables import shipped
from archsieve.spaces.nasbench201.space import NASBench201, from_naslib, to_naslib

if TYPE_CHECKING:
    from archsieve.benchmarks.foreign import ForeignTable

_PROXY = "jacov"  # of the shipped scores, the one that ranks NAS-Bench-201 best
_MARGIN = 0.1  # of correlation by which another notation must fit better
_LEAST = 30  # networks


def check_join(table: ForeignTable) -> None:
    """Check numbers in brackets against the shipped scores of the space: the other notation must not fit better.

    Raises:
        DataError: it does.
    """
    if table.notation not in ("own", "naslib") or not isinstance(table.space, NASBench201) or table.truth is None:
        return
    fits = fit_of_notations(table)
    if fits["other"] > fits["own"] + 0.1:
        other = "own" if table.notation == "naslib" else "naslib"
        raise DataError(
            f"The codes of {table.path} do not look like the notation {table.notation!r}: {table.truth!r} "
            f"correlates with the shipped scores of jacov by {fits['own']:.2f}, and by {fits['other']:.2f} if they are "
            f"{other!r}. Try --notation {other}."
        )


def fit_of_notations(table: ForeignTable) -> dict[str, float]:
    """Return how well jacov ranks the truth of a table as it was read, and as it would be in the other notation."""
    from scipy.stats import spearmanr

    records = table.load()
    other = from_naslib if table.notation == "own" else to_naslib
    truth = records.lookup(str(table.truth), records.archs)
    whole = (t for t in shipped() if t.card.population == "all" and t.is_about(table.space, 0))
    scores = next(t for t in whole if _PROXY in t.card.estimators)
    fits = {}
    for name, archs in (("own", records.archs), ("other", tuple(other(arch) for arch in records.archs))):
        codes = [table.space.canonical(arch) for arch in archs]
        outcomes = scores.get(_PROXY, codes)
        proxy = np.array([outcomes[code].score for code in codes])
        both = np.isfinite(proxy) & np.isfinite(truth)
        fits[name] = float(spearmanr(proxy[both], truth[both]).statistic) if both.sum() >= _LEAST else 0.0
    return fits
