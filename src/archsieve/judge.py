"""How well estimators rank a space whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve import metrics
from archsieve.benchmark import find_benchmark
from archsieve.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from archsieve.session import Session

TOP, BAND = 10, 20


@dataclass(frozen=True)
class Judgement:
    """An estimator against a table's truth, over `count` codes.

    `tau` is tau-b; `ndcg` that of the top hundredth, in [0, 1]; `precision_at_10` in [0, 1]; `best_rank_at_10` in
    1..count; `regret_at_10` in the truth's unit. `mkr` is the minimum keeping ratio, in [1/count, 1], lower is better,
    and `mkr_band` its least, median and greatest value had each of the twenty truly best been the optimum. `failures`
    could not be scored and rank last. A correlation is None where one side is constant.
    """

    estimator: str
    tau: float | None
    spearman: float | None
    weighted_tau: float | None
    ndcg: float
    precision_at_10: float
    best_rank_at_10: int
    regret_at_10: float
    mkr: float
    mkr_band: tuple[float, float, float]
    count: int
    failures: int
    benchmark: str
    truth: str


def judge(
    session: Session,
    estimators: Sequence[Any],
    *,
    truth: str | None = None,
    benchmark: str | None = None,
    distinct: bool = False,
) -> list[Judgement]:
    """Return a judgement of each estimator over all codes of the session's space that a table knows.

    Args:
        session: scores the codes.
        estimators: what to judge.
        truth: the column; the benchmark's own unless given.
        benchmark: the table; the first one present unless given.
        distinct: over one code a network, the canonical one, instead of all codes.

    Raises:
        UnknownNameError: no such benchmark or column.
        MissingDataError: the table's file is not there.
    """
    recipe = find_benchmark(session.space, truth, benchmark)
    table, column = recipe.load(), truth or str(recipe.truth)
    values = table.lookup(column, table.archs)
    archs = [
        arch
        for arch, value in zip(table.archs, values, strict=True)
        if not np.isnan(value) and (not distinct or session.space.canonical(arch) == arch)
    ]
    if len(archs) < TOP:
        raise SettingError(f"The column {column!r} of {recipe.name} knows {len(archs)} codes, but {TOP} are needed.")
    known = table.lookup(column, archs)
    scores = session.scores(estimators, archs)
    return [
        _judgement(estimator.name, column_scores, known, recipe.name, column)
        for estimator, column_scores in zip(estimators, scores.T, strict=True)
    ]


def _judgement(
    name: str, scores: NDArray[np.float64], known: NDArray[np.float64], benchmark: str, truth: str
) -> Judgement:
    ratios = metrics.keeping_ratios(scores, known, min(BAND, len(known)))
    return Judgement(
        estimator=name,
        tau=_number(metrics.kendall_tau(scores, known)),
        spearman=_number(metrics.spearman(scores, known)),
        weighted_tau=_number(metrics.weighted_tau(scores, known)),
        ndcg=metrics.ndcg_at_k(scores, known, max(1, len(known) // 100)),
        precision_at_10=metrics.precision_at_k(scores, known, TOP),
        best_rank_at_10=metrics.best_rank_at_k(scores, known, TOP),
        regret_at_10=metrics.regret_at_k(scores, known, TOP),
        mkr=metrics.minimum_keeping_ratio(scores, known),
        mkr_band=(float(ratios.min()), float(np.median(ratios)), float(ratios.max())),
        count=len(known),
        failures=int(np.isnan(scores).sum()),
        benchmark=benchmark,
        truth=truth,
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
