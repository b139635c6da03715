"""Evaluation of an estimator's ranking against the truth: the figures of one judgement."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from archsieve.errors import SettingError
from archsieve.judging import metrics
from archsieve.randomness import generator
from archsieve.runs.attempts import finished
from archsieve.searchers.contract import count_kept
from archsieve.values import dense_ranks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from archsieve.runs.executors import Executor

TOP, BAND = 10, 20
KEPT = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares at which the keeping curve is read."""

Spread: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True)
class Judgement:
    """The figures of an estimator against a table's truth, over `count` codes.

    Correlations are in [-1, 1], higher is better, None where a side is constant; minimum keeping ratios (MKR) in
    [1/count, 1], lower is better. A spread is least, median and greatest; an interval the quantiles .025, .5, .975.

    Attributes:
        estimator: its name.
        tau: Kendall's tau-b.
        spearman: Spearman's rank correlation.
        weighted_tau: Vigna's weighted tau.
        partial_spearman: Spearman's given the number of parameters; None where that is not judged beside it.
        ndcg: normalised discounted cumulative gain of the top hundredth, in [0, 1].
        precision_at_10: share of its top ten that are among the true ten best, in [0, 1].
        best_rank_at_10: true rank of the best of its top ten, in 1..count.
        regret_at_10: what that one lacks to the best, in the truth's unit.
        mkr: the minimum keeping ratio, ties against the estimator.
        mkr_ties_for: the same, ties for it.
        mkr_band: spread had each of the twenty truly best been the optimum.
        mkr_near_band: the same for each of those within `epsilon` of the best; of `near` items.
        mkr_noise_band: the same for the best of each repetition of the truth; None where its noise is unknown.
        regret_by_share: the regret of keeping some shares of its ranking, in the truth's unit.
        tau_interval: of resampled codes; None unless asked for, or where no draw has a tau.
        mkr_interval: likewise; a draw without the best one has another best, so that it also tells how much the
            minimum keeping ratio hangs on one code.
        regret_interval: likewise, of the regret at 10.
        failures: codes that could not be scored; they rank last.
        failed_parts: codes that have a score although a part of the estimator could not score them.
        first_failure: the first of all these and the reason; empty if there is none.
        pictures: says so where scores were not made on the pictures of the session's task; else empty.
    """

    estimator: str
    tau: float | None
    spearman: float | None
    weighted_tau: float | None
    partial_spearman: float | None
    ndcg: float
    precision_at_10: float
    best_rank_at_10: int
    regret_at_10: float
    mkr: float
    mkr_ties_for: float
    mkr_band: Spread
    mkr_near_band: Spread
    near: int
    mkr_noise_band: Spread | None
    regret_by_share: dict[float, float]
    tau_interval: Spread | None
    mkr_interval: Spread | None
    regret_interval: Spread | None
    count: int
    failures: int
    benchmark: str
    truth: str
    failed_parts: int = 0
    first_failure: str = ""
    pictures: str = ""


@dataclass(frozen=True, eq=False)
class Subject:
    """The truth to compare estimators with, and the settings; plain values that are sent to workers."""

    values: NDArray[np.float64]
    order: NDArray[np.int64]
    benchmark: str
    column: str
    noisy: NDArray[np.float64] | None = None
    params: NDArray[np.float64] | None = None
    epsilon: float = 0.1
    bootstraps: int = 0
    seed: int = 0


def check_settings(epsilon: float, bootstraps: int) -> None:
    """Check the settings that a caller passes.

    Raises:
        SettingError: a number is negative.
    """
    if not epsilon >= 0 or bootstraps < 0:
        raise SettingError(f"`epsilon >= 0` and `bootstraps >= 0` must hold, but got {epsilon} and {bootstraps}.")


def judgements_of(
    names: Sequence[str], scores: NDArray[np.float64], subject: Subject, executor: Executor
) -> list[Judgement]:
    """Return the judgements of columns of scores (n, k), in their order."""
    items = list(enumerate(zip(names, scores.T, strict=True)))
    judgements = finished(executor.map(partial(_judgement, subject), items))
    return [judgement for _, judgement in sorted(judgements, key=itemgetter(0))]


def _judgement(subject: Subject, item: tuple[int, tuple[str, NDArray[np.float64]]]) -> tuple[int, Judgement]:
    """Return one estimator's judgement, with its rank among the estimators."""
    place, (name, scores) = item
    values, ranks = subject.values, dense_ranks(scores)  # once for all figures, which are of the order alone
    order, shares = subject.order, metrics.shares_to_keep(ranks)
    near = values >= values.max() - subject.epsilon
    curve = metrics.keeping_curve(ranks, values)
    counts = [count_kept(share, len(values)) for share in KEPT]
    intervals = _intervals(ranks, subject)
    return place, Judgement(
        estimator=name,
        tau=_number(metrics.kendall_tau(ranks, order)),
        spearman=_number(metrics.spearman(ranks, order)),
        weighted_tau=_number(metrics.weighted_tau(ranks, order)),
        partial_spearman=_partial(ranks, order, subject.params),
        ndcg=metrics.ndcg_at_k(ranks, order, metrics.top_hundredth(len(values))),
        precision_at_10=metrics.precision_at_k(ranks, values, TOP),
        best_rank_at_10=metrics.best_rank_at_k(ranks, values, TOP),
        regret_at_10=metrics.regret_at_k(ranks, values, TOP),
        mkr=metrics.minimum_keeping_ratio(ranks, values),
        mkr_ties_for=float(metrics.shares_to_keep(ranks, ties="for")[values == values.max()].min()),
        mkr_band=_spread(metrics.keeping_ratios(ranks, values, min(BAND, len(values)))),
        mkr_near_band=_spread(shares[near]),
        near=int(near.sum()),
        mkr_noise_band=None if subject.noisy is None else _spread(_optimal_shares(shares, subject.noisy)),
        regret_by_share={share: float(curve[-1] - curve[k - 1]) for share, k in zip(KEPT, counts, strict=True)},
        tau_interval=intervals[0],
        mkr_interval=intervals[1],
        regret_interval=intervals[2],
        count=len(values),
        failures=int(np.isnan(scores).sum()),
        benchmark=subject.benchmark,
        truth=subject.column,
    )


def _optimal_shares(shares: NDArray[np.float64], noisy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share that keeps the best code of each repetition; of tied best codes any counts."""
    return np.array([shares[row == np.nanmax(row)].min() for row in noisy])


def _partial(scores: NDArray[np.int64], truth: NDArray[np.int64], params: NDArray[np.float64] | None) -> float | None:
    """Return the partial correlation given the sizes, over the items of known size."""
    if params is None or (has_size := np.isfinite(params)).sum() < 2:
        return None
    return _number(metrics.partial_spearman(scores[has_size], truth[has_size], params[has_size]))


def _intervals(scores: NDArray[np.int64], subject: Subject) -> Sequence[Spread | None]:
    """Return the intervals of tau, MKR and regret; all estimators share the same resamples of codes."""
    if not subject.bootstraps:
        return [None, None, None]
    rng = generator(subject.seed, "sample", "bootstrap")
    samples = metrics.bootstrap(scores, subject.values, k=TOP, times=subject.bootstraps, rng=rng)
    return [None if np.isnan(column).all() else _quantiles(column) for column in samples.T]


def _spread(values: NDArray[np.float64]) -> Spread:
    return float(values.min()), float(np.median(values)), float(values.max())


def _quantiles(values: NDArray[np.float64]) -> Spread:
    low, middle, high = (float(np.nanquantile(values, q)) for q in (0.025, 0.5, 0.975))
    return low, middle, high


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
