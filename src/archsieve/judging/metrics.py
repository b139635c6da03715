"""Ranking metrics: rank correlations, precision, regret and the minimum keeping ratio.

All take `scores` (the estimator's) and `truth`, both of shape (n,), higher is better. A NaN score means "could not
be scored" and ranks below everything else, -inf included. Truth must hold no NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from archsieve.errors import SettingError
from archsieve.judging.correlations import hyperbolic_tau, mean_ranks, spearman_rho, tau_b
from archsieve.values import as_floats, check_whole, dense_ranks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def kendall_tau(scores: ArrayLike, truth: ArrayLike) -> float:
    """Return Kendall's tau-b, in [-1, 1], higher is better; NaN if either side is constant.

    >>> round(kendall_tau([1, 2, 3, 4], [1, 3, 2, 4]), 4)
    0.6667
    """
    return tau_b(*_ranks(scores, truth))


def spearman(scores: ArrayLike, truth: ArrayLike) -> float:
    """Return Spearman's rank correlation, in [-1, 1], higher is better; NaN if either side is constant.

    >>> round(spearman([1, 2, 3, 4], [1, 3, 2, 4]), 4)
    0.8
    """
    return spearman_rho(*_ranks(scores, truth))


def weighted_tau(scores: ArrayLike, truth: ArrayLike) -> float:
    """Return the weighted tau with scipy's defaults, in [-1, 1], higher is better; NaN if a side is constant.

    Hyperbolic weights, added, averaged over the ranking by decreasing scores and that by decreasing truth
    (Vigna 2015, arXiv 1404.3325).

    >>> round(weighted_tau([1, 2, 3, 4], [1, 2, 3, 4]), 4)
    1.0
    """
    return hyperbolic_tau(*_ranks(scores, truth))


def precision_at_k(scores: ArrayLike, truth: ArrayLike, k: int) -> float:
    """Return the share of the estimator's top k that is in the truth's top k, in [0, 1], higher is better.

    Ties in the estimate count against it: the worse truth is taken first. What equals the truth's k-th best counts as
    among its top k.

    Raises:
        SettingError: k is not in 1..n.

    >>> precision_at_k([4, 3, 2, 1], [9, 1, 8, 2], k=2)
    0.5
    """
    ranks, values = _checked(scores, truth)
    chosen = _top(ranks, values, k)
    return float((values[chosen] >= np.sort(values)[-k]).mean())


def regret_at_k(scores: ArrayLike, truth: ArrayLike, k: int) -> float:
    """Return the best truth minus the best truth in the estimator's top k, in truth units; >= 0, lower is better.

    Ties in the estimate count against it: the worse truth is taken first.

    Raises:
        SettingError: k is not in 1..n.

    >>> regret_at_k([4, 3, 2, 1], [7, 1, 8, 2], k=2)
    1.0
    """
    return _regret(*_checked(scores, truth), k)


def best_rank_at_k(scores: ArrayLike, truth: ArrayLike, k: int) -> int:
    """Return the true rank of the best item in the estimator's top k, in 1..n; lower is better.

    Ties in the estimate count against it: the worse truth is taken first. Items of equal truth share the better rank.

    Raises:
        SettingError: k is not in 1..n.

    >>> best_rank_at_k([4, 3, 2, 1], [7, 1, 8, 2], k=2)
    2
    """
    ranks, values = _checked(scores, truth)
    return 1 + int((values > values[_top(ranks, values, k)].max()).sum())


def top_hundredth(count: int) -> int:
    """Return the size of the top per cent of `count` items, rounded down, at least 1.

    >>> top_hundredth(15625), top_hundredth(250), top_hundredth(9)
    (156, 2, 1)
    """
    return max(1, count // 100)


def ndcg_at_k(scores: ArrayLike, truth: ArrayLike, k: int) -> float:
    """Return the normalised discounted cumulative gain of the estimator's top k, in [0, 1], higher is better.

    The gain of an item is the percentile rank of its truth, the share of all items that are worse, ties counted half;
    the discount of place i is 1 / log2(i + 1) (Jaervelin and Kekaelaeinen 2002). Ties in the estimate count against it.

    Raises:
        SettingError: k is not in 1..n.

    >>> round(ndcg_at_k([4, 3, 2, 1], [7, 1, 8, 2], k=2), 4)
    0.5545
    """
    ranks, values = _checked(scores, truth)
    top, gains = _top(ranks, values, k), _gains(values)
    return float(gains[top] @ _discounts(k) / (np.sort(gains)[::-1][:k] @ _discounts(k)))


def ndcg_by_chance(truth: ArrayLike, k: int) -> float:
    """Return the expectation of `ndcg_at_k` over random orders, where every position has the mean gain 1/2.

    >>> round(ndcg_by_chance([7, 1, 8, 2], k=2), 4)
    0.6424
    """
    gains = np.sort(_gains(as_floats(truth)))[::-1]
    return float(gains.mean() * _discounts(k).sum() / (gains[:k] @ _discounts(k)))


def _gains(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((mean_ranks(dense_ranks(values)) - 0.5) / len(values))


def _discounts(k: int) -> NDArray[np.float64]:
    return np.asarray(1 / np.log2(np.arange(2, k + 2)))


def partial_spearman(scores: ArrayLike, truth: ArrayLike, given: ArrayLike) -> float:
    """Return Spearman's partial correlation of scores and truth given `given`, in [-1, 1], higher is better.

    Says whether an estimator adds anything over, for instance, the number of parameters. NaN where a side is constant,
    or depends on `given` alone.

    >>> round(partial_spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5], [1, 3, 2, 5, 4]), 4)
    0.9784
    """
    both, first, second = spearman(scores, truth), spearman(scores, given), spearman(given, truth)
    rest = (1 - first**2) * (1 - second**2)
    return (both - first * second) / rest**0.5 if rest > 1e-12 else float("nan")


def shares_to_keep(scores: ArrayLike, *, ties: Literal["against", "for"] = "against") -> NDArray[np.float64]:
    """Return for each item the smallest top share of the ranking that contains it, in (0, 1]; lower is better.

    Shape (n,), each in [1/n, 1]. Of the items that tie with it, "against" takes all first, "for" takes it first.

    >>> shares_to_keep([0.3, 0.9, 0.5, 0.5]), shares_to_keep([0.3, 0.9, 0.5, 0.5], ties="for")
    (array([1.  , 0.25, 0.75, 0.75]), array([1.  , 0.25, 0.5 , 0.5 ]))
    """
    ranks = dense_ranks(scores)
    ordered, n = np.sort(ranks), len(ranks)
    if ties == "against":
        return np.asarray((n - np.searchsorted(ordered, ranks, side="left")) / n)
    return np.asarray((n - np.searchsorted(ordered, ranks, side="right") + 1) / n)


def keeping_ratios(scores: ArrayLike, truth: ArrayLike, top: int) -> NDArray[np.float64]:
    """Return for each of the `top` true best the smallest top share that contains it, in (0, 1]; lower is better.

    Shape (top,), the best first, each in [1/n, 1]. The first is the minimum keeping ratio where one item alone is best;
    the others say how much that number hangs on one architecture.

    Raises:
        SettingError: top is not in 1..n.

    >>> keeping_ratios([0.3, 0.9, 0.5, 0.5], [1, 2, 3, 0], top=3)
    array([0.75, 0.25, 1.  ])
    """
    ranks, values = _checked(scores, truth)
    return shares_to_keep(ranks)[_top(np.zeros_like(ranks), -values, top)]


def keeping_curve(scores: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Return the best truth in the estimator's top k for every k, shape (n,), ascending.

    Its last value is the best of all; the difference to it is the regret of keeping k. Ties in the estimate count
    against it.

    >>> keeping_curve([4, 3, 2, 1], [7, 1, 8, 2])
    array([7., 7., 8., 8.])
    """
    ranks, values = _checked(scores, truth)
    return np.maximum.accumulate(values[_top(ranks, values, len(values))])


def minimum_keeping_ratio(scores: ArrayLike, truth: ArrayLike) -> float:
    """Return the smallest top share of the ranking that contains a true optimum; in [1/n, 1], lower is better.

    The share of items that score at least as high as the best-scored of the true optima: in [1/n, 1]. Ties in the
    estimate count against the estimator; of tied true optima, any will do (TPAMI 2025, "Good Performance Estimation
    strategies are All You Need in Neural Architecture Search"; the paper leaves ties to the sort).

    >>> minimum_keeping_ratio([0.3, 0.9, 0.5, 0.5], [1, 2, 3, 0])
    0.75
    """
    return _keeping_ratio(*_checked(scores, truth))


def bootstrap(
    scores: ArrayLike, truth: ArrayLike, *, k: int, times: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return Kendall's tau, the minimum keeping ratio and the regret at k of resampled items, shape (times, 3).

    Each time as many items as there are, drawn with replacement. Tau is NaN where a draw leaves a side constant.

    Raises:
        SettingError: k is not in 1..n.
    """
    from scipy.stats import kendalltau  # to import it takes a second, but a call half the time of ours

    ranks, values = _checked(scores, truth)
    figures = np.empty((times, 3))
    for row in figures:
        indices = rng.integers(0, len(ranks), len(ranks))
        a, b = ranks[indices], values[indices]
        tau = float("nan") if _constant(a, b) else kendalltau(a, b, variant="b").statistic
        row[:] = tau, _keeping_ratio(a, b), _regret(a, b, k)
    return figures


def _checked(scores: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the scores as dense ranks (0 is lowest, NaN below all) and the truth as floats."""
    try:
        estimate, values = as_floats(scores), as_floats(truth)
    except (TypeError, ValueError) as error:
        raise SettingError(f"Scores and truth must be two lists of numbers, but: {error}.") from error
    if estimate.ndim != 1 or estimate.shape != values.shape:
        raise SettingError(
            f"Scores and truth must be two lists of equal length, but have shapes {estimate.shape} and {values.shape}."
        )
    if len(values) < 2:
        raise SettingError(f"At least 2 items are needed to compare rankings, but got {len(values)}.")
    if np.isnan(values).any():
        raise SettingError(f"The truth holds {int(np.isnan(values).sum())} NaN: leave those items out.")
    return dense_ranks(estimate), values


def _ranks(scores: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return both sides as dense ranks."""
    return _checked(scores, truth)[0], dense_ranks(truth)


def _constant(ranks: NDArray[np.int64], values: NDArray[np.float64]) -> bool:
    return bool((ranks == ranks[0]).all() or (values == values[0]).all())


def _keeping_ratio(ranks: NDArray[np.int64], values: NDArray[np.float64]) -> float:
    best = ranks[values == values.max()].max()
    return float((ranks >= best).mean())


def _regret(ranks: NDArray[np.int64], values: NDArray[np.float64], k: int) -> float:
    return float(values.max() - values[_top(ranks, values, k)].max())


def _top(ranks: NDArray[np.int64], values: NDArray[np.float64], k: int) -> NDArray[np.intp]:
    check_whole("k", k)
    if not 1 <= k <= len(values):
        raise SettingError(f"`1 <= k <= n` must hold, but got k={k}, n={len(values)}.")
    last = np.partition(ranks, len(ranks) - k)[len(ranks) - k]
    able = np.flatnonzero(ranks >= last)  # the rest need not be sorted
    return able[np.lexsort((values[able], -ranks[able]))[:k]]
