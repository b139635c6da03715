"""How well estimators rank architectures whose truth is known, from a benchmark table or from a user's own file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from archsieve.benchmarks.contract import codes_of, find_benchmark, noisy_truths
from archsieve.errors import SettingError
from archsieve.judging import metrics
from archsieve.judging.score_files import read_scores
from archsieve.randomness import generator
from archsieve.registry import ESTIMATORS
from archsieve.runs.attempts import finished
from archsieve.runs.executors import Serial
from archsieve.searchers.contract import count_kept
from archsieve.values import check_whole, dense_ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.runs.executors import Executor
    from archsieve.runs.session import Session
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.spaces.limits import Limits

TOP, BAND = 10, 20
KEPT = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5)
"""Shares at which the keeping curve is read."""
NOISY_TRUTHS = 100

Spread: TypeAlias = tuple[float, float, float]


@dataclass(frozen=True)
class Judgement:
    """An estimator against a table's truth, over `count` codes.

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
class _Subject:
    """The truth that estimators are judged against, and the settings; sent to workers."""

    values: NDArray[np.float64]
    order: NDArray[np.int64]
    benchmark: str
    column: str
    noisy: NDArray[np.float64] | None = None
    params: NDArray[np.float64] | None = None
    epsilon: float = 0.1
    bootstraps: int = 0
    seed: int = 0


def judge(
    session: Session,
    estimators: Sequence[AnyEstimator],
    *,
    truth: str | None = None,
    benchmark: str | None = None,
    distinct: bool = False,
    limits: Limits | None = None,
    epsilon: float = 0.1,
    bootstraps: int = 0,
) -> list[Judgement]:
    """Return a judgement of each estimator over all codes of the session's space that a table knows.

    Where a benchmark predicts all codes, over a sample of them, drawn by the session's seed.

    Args:
        session: scores the codes, and judges estimators on its executor.
        estimators: what to judge.
        truth: the column; the benchmark's own unless given.
        benchmark: the table; the first one present unless given.
        distinct: judge one code of each network, the canonical one, instead of all codes.
        limits: bounds on costs; codes outside are left out.
        epsilon: margin below the best truth within which a code counts as near it, in the truth's unit.
        bootstraps: number of bootstrap resamples of the codes, for intervals; 0 for none.

    Raises:
        UnknownNameError: no such benchmark or column.
        MissingDataError: the table's file is not there.
        SettingError: fewer than ten codes are left, or a number is negative.
    """
    _check(epsilon, bootstraps)
    recipe = find_benchmark(session.space, truth, benchmark)
    table, column = recipe.load().within(session.space), truth or str(recipe.truth)
    codes = codes_of(table, session.space, session.seed)
    archs = [
        arch
        for arch, value in zip(codes, table.lookup(column, codes), strict=True)
        if not np.isnan(value) and (not distinct or session.space.canonical(arch) == arch)
    ]
    archs = archs if limits is None else _within(session, archs, limits)
    if len(archs) < TOP:
        raise SettingError(f"The column {column!r} of {recipe.name} knows {len(archs)} codes, but {TOP} are needed.")
    scores = session.scores(estimators, archs)
    names = [e.name for e in estimators]
    values = table.lookup(column, archs)
    subject = _Subject(
        values=values,
        order=dense_ranks(values),
        benchmark=recipe.name,
        column=column,
        noisy=noisy_truths(recipe, table, column, archs, NOISY_TRUTHS, generator(session.seed, "noise", "truth")),
        params=scores[:, names.index("params")] if "params" in names else None,
        epsilon=epsilon,
        bootstraps=bootstraps,
        seed=session.seed,
    )
    judgements = _judgements(names, scores, subject, session.executor)
    return [
        replace(
            _with_failures(judgement, session.failures(estimator, archs), archs, column, session.space),
            pictures=" ".join(session.pictures(estimator)),
        )
        for judgement, estimator, column in zip(judgements, estimators, scores.T, strict=True)
    ]


def _with_failures(
    judgement: Judgement,
    reasons: dict[Architecture, str],
    archs: Sequence[Architecture],
    scores: NDArray[np.float64],
    space: SearchSpace,
) -> Judgement:
    """Return the judgement with what failed, failures of a part of the estimator included."""
    if not reasons:
        return judgement
    scored = {arch for arch, is_missing in zip(archs, np.isnan(scores).tolist(), strict=True) if not is_missing}
    first = next((f"{space.describe(arch)}: {why}" for arch, why in reasons.items()), "")
    return replace(judgement, failed_parts=len(scored & reasons.keys()), first_failure=first)


def _check(epsilon: float, bootstraps: int) -> None:
    if not epsilon >= 0 or bootstraps < 0:
        raise SettingError(f"`epsilon >= 0` and `bootstraps >= 0` must hold, but got {epsilon} and {bootstraps}.")


def _within(session: Session, archs: list[Architecture], limits: Limits) -> list[Architecture]:
    """Return the codes whose costs are within the limits."""
    names = list(limits.bounds)
    costs = session.scores([ESTIMATORS[name]() for name in names], archs)
    kept = [arch for arch, row in zip(archs, costs, strict=True) if limits.admits(dict(zip(names, row, strict=True)))]
    if len(kept) < TOP:
        raise SettingError(f"Only {len(kept)} codes are left by {limits}, but {TOP} are needed: allow more.")
    return kept


def judge_file(
    path: Path,
    truth: str,
    *,
    lower_is_better: Collection[str] = (),
    epsilon: float = 0.1,
    bootstraps: int = 0,
    seed: int = 0,
    note: Callable[[str], None] = lambda sentence: None,
) -> list[Judgement]:
    """Return a judgement of every column of numbers in a CSV, TSV or parquet file against its column `truth`.

    Rows without a truth are left out; an empty field or "nan" in another column is an architecture that could not be
    scored. Partial correlations use a column "params", if there is one. Chance is judged too. `read_scores` of
    `archsieve.judging.score_files` says what else is left out; `note` is called with sentences on it.
    `lower_is_better` names columns of losses, latencies and the like, the truth among them or not. The rest is as in
    `judge`.

    Raises:
        MissingDataError: there is no such file.
        DataError: the file cannot be read, or cannot be read in one way only.
        UnknownNameError: there is no such column.
        SettingError: there are too few rows, or there is nothing to judge.
    """
    _check(epsilon, bootstraps)
    check_whole("seed", seed, 0)
    table = read_scores(path, (truth, *lower_is_better))
    for sentence in table.notes:
        note(sentence)
    numbers = {name: -column if name in lower_is_better else column for name, column in table.numbers.items()}
    has_truth = np.isfinite(numbers[truth])
    if has_truth.sum() < TOP:
        raise SettingError(f"The column {truth!r} of {path} has {has_truth.sum()} numbers, but {TOP} are needed.")
    if len(numbers) < 2:
        raise SettingError(f"The file {path} has no column of numbers beside {truth!r}: there is nothing to judge.")
    values = numbers.pop(truth)[has_truth]
    numbers.setdefault("chance", generator(seed, "noise", "chance").random(len(has_truth)))
    scores = np.stack([column[has_truth] for column in numbers.values()], axis=1)
    params = numbers["params"][has_truth] if "params" in numbers else None
    subject = _Subject(values, dense_ranks(values), path.name, truth, None, params, epsilon, bootstraps, seed)
    return _judgements(list(numbers), scores, subject, Serial())


def _judgements(
    names: Sequence[str], scores: NDArray[np.float64], subject: _Subject, executor: Executor
) -> list[Judgement]:
    items = list(enumerate(zip(names, scores.T, strict=True)))
    judgements = finished(executor.map(partial(_judgement, subject), items))
    return [judgement for _, judgement in sorted(judgements, key=itemgetter(0))]


def _judgement(subject: _Subject, item: tuple[int, tuple[str, NDArray[np.float64]]]) -> tuple[int, Judgement]:
    """Return one estimator's judgement with its place among the others."""
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
        ndcg=metrics.ndcg_at_k(ranks, order, max(1, len(values) // 100)),
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
    """Return the share that keeps the best of each repetition; of tied ones, any will do."""
    return np.array([shares[row == np.nanmax(row)].min() for row in noisy])


def _partial(scores: NDArray[np.int64], truth: NDArray[np.int64], params: NDArray[np.float64] | None) -> float | None:
    """Return the partial correlation given the sizes, over the items whose size is known."""
    if params is None or (has_size := np.isfinite(params)).sum() < 2:
        return None
    return _number(metrics.partial_spearman(scores[has_size], truth[has_size], params[has_size]))


def _intervals(scores: NDArray[np.int64], subject: _Subject) -> Sequence[Spread | None]:
    """Return the intervals of tau, MKR and regret; every estimator sees the same draws of codes."""
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
