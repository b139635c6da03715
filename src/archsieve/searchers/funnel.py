"""The funnel: each stage scores the survivors and keeps the best part, the cheap estimators first."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import SettingError
from archsieve.searchers.contract import SearchResult, record
from archsieve.values import as_floats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from archsieve.estimators.contract import Scores
    from archsieve.searchers.contract import Round, Stage
    from archsieve.spaces.contract import Architecture


def run_funnel(
    stages: Sequence[Stage],
    pool: Sequence[Architecture],
    scores: Callable[[Sequence[Any], Sequence[Architecture]], NDArray[np.float64]],
    *,
    on_round: Callable[[Round], None] | None = None,
) -> SearchResult:
    """Return the best of the last stage that ran, with one round a stage.

    Survivors stay in the order of the pool from stage to stage. That order resolves all ties; the scores of earlier
    stages do not. The funnel stops as soon as one architecture is left; a pool of one is not scored at all. If a stage
    can score none of its candidates, the funnel stops and has no best architecture.

    Args:
        stages: what to score with and what to keep, in order.
        pool: the candidates, in the order that resolves ties.
        scores: returns the scores (n, k) of n architectures by k estimators.
        on_round: called with every round once it is over.

    Raises:
        SettingError: no stages, an empty pool, or `scores` returned another shape.
    """
    if not stages:
        raise SettingError("A funnel needs at least one stage, but got none.")
    if not len(pool):
        raise SettingError("A funnel needs at least one architecture, but the pool is empty.")
    survivors, best, best_score, rounds = list(pool), pool[0], float("nan"), []
    for stage in stages:
        if len(survivors) == 1:
            break
        started = perf_counter()
        column = _column(scores, stage, survivors)
        has_failed = bool(np.isnan(column).all())
        kept = stage.select(column)[: 0 if has_failed else None]
        rounds.append(record(stage.label, survivors, column, kept, perf_counter() - started))
        if on_round is not None:
            on_round(rounds[-1])
        if has_failed:
            return SearchResult(None, float("nan"), tuple(rounds))
        best, best_score = survivors[kept[0]], float(column[kept[0]])
        survivors = [survivors[i] for i in np.sort(kept)]
    return SearchResult(best, best_score, tuple(rounds))


def _column(
    scores: Callable[[Sequence[Any], Sequence[Architecture]], NDArray[np.float64]],
    stage: Stage,
    archs: list[Architecture],
) -> Scores:
    """Return one stage's scores, shape (n,)."""
    table = as_floats(scores([stage.estimator], archs))
    if table.shape != (len(archs), 1):
        raise SettingError(
            f"`scores` must return one column for the stage {stage.label!r}, shape ({len(archs)}, 1), "
            f"but returned shape {table.shape}."
        )
    return table[:, 0]
