"""Statistics of a search's cuts from a random sample of the removed networks, as pure functions.

Networks are drawn at random, without replacement, from those that each stage cut (strata). What is known of every
network has weight 1, what was drawn from a stratum the inverse of the probability of its draw (Horvitz and Thompson
1952), so that a stage is judged on all candidates and not only on those that it kept itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsieve.errors import SettingError
from archsieve.plans.worth import CONFIDENCE, greatest_share
from archsieve.values import dense_ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_OF_A_STAGE = 2
"""Draws from each stage before the rest follows the sizes: one alone has no variance."""
RESAMPLES = 400


def allocate(sizes: Sequence[int], draws: int) -> list[int]:
    """Return how many of `draws` networks to draw from each stratum.

    First two from each, the largest first, then in proportion to the sizes (Sainte-Lague's divisors). With more draws
    no stratum gets fewer, so that an audit can go on.

    >>> allocate([5600, 792, 196, 1], 12), allocate([5600, 792, 196, 1], 3)
    ([7, 2, 2, 1], [2, 1, 0, 0])
    """
    counts = [0] * len(sizes)
    order = sorted(range(len(sizes)), key=lambda i: -sizes[i])
    turns = [i for i in order for _ in range(LEAST_OF_A_STAGE)]
    for _ in range(min(draws, sum(sizes))):
        while turns and counts[turns[0]] >= sizes[turns[0]]:
            turns.pop(0)
        if turns:
            counts[turns.pop(0)] += 1
            continue
        room = [i for i in order if counts[i] < sizes[i]]
        counts[max(room, key=lambda i: sizes[i] / (2 * counts[i] + 1))] += 1
    return counts


def greatest_count(sizes: Sequence[int], draws: Sequence[int], hits: Sequence[int], level: float = CONFIDENCE) -> float:
    """Return an upper confidence bound for the number of hits in all strata.

    The sum of independent draws of several strata has a lower tail no heavier than that of a binomial distribution of
    the same mean (Hoeffding 1956), and so have draws without replacement; thus Clopper and Pearson's bound for the mean
    holds. The most hits in all strata that this mean allows are the bound: strata with few draws for their size are
    filled first. A stratum of which all were drawn is known.

    >>> round(greatest_count([1000], [12], [0]) / 1000, 3)
    0.221
    """
    known = sum(h for n, d, h in zip(sizes, draws, hits, strict=True) if d == n)
    rest = [(n, d, h) for n, d, h in zip(sizes, draws, hits, strict=True) if d < n]
    drawn, found = sum(d for _, d, _ in rest), sum(h for _, _, h in rest)
    mean_hits = drawn * greatest_share(found, drawn, level)
    if found and len(rest) > 1 and found > mean_hits - 1:  # where Hoeffding's inequality does not hold
        mean_hits = float(drawn)
    total = float(known)
    for n, d, _ in sorted(rest, key=lambda row: row[1] / row[0]):
        share = 1.0 if d == 0 else min(1.0, mean_hits / d)
        total += n * share
        mean_hits -= d * share
    return total


def likely_share(sizes: Sequence[int], draws: Sequence[int], hits: Sequence[int]) -> float:
    """Return the estimated share of hits among all networks, from the mean of Jeffreys' posterior per stratum.

    >>> round(likely_share([1000], [12], [0]), 4), likely_share([4], [4], [1])
    (0.038, 0.25)
    """
    rows = zip(sizes, draws, hits, strict=True)
    found = [h if d == n else d * h / d + (n - d) * (h + 0.5) / (d + 1) if d else n / 2 for n, d, h in rows]
    return float(sum(found) / sum(sizes))


def interval_of_share(hits: int, draws: int, level: float = CONFIDENCE) -> tuple[float, float]:
    """Return the two-sided Clopper-Pearson interval of a share, in [0, 1]; (0, 1) without draws.

    >>> [round(end, 3) for end in interval_of_share(1, 12)]
    [0.002, 0.385]
    """
    from scipy.stats import binomtest

    if not draws:
        return 0.0, 1.0
    found = binomtest(hits, draws).proportion_ci(level, method="exact")
    return float(found.low), float(found.high)


def weighted_tau(scores: Floats, truth: Floats, weights: Floats) -> float:
    """Return Kendall's tau-b with pairs weighted by the product of their weights; NaN if a side is constant.

    >>> round(weighted_tau(np.array([1.0, 2, 3]), np.array([1.0, 3, 2]), np.ones(3)), 4)
    0.3333
    """
    a, b = dense_ranks(scores), dense_ranks(truth)
    signs_a, signs_b = np.sign(a[:, None] - a), np.sign(b[:, None] - b)
    pairs = weights[:, None] * weights
    np.fill_diagonal(pairs, 0.0)
    norm = np.sqrt((pairs * signs_a**2).sum() * (pairs * signs_b**2).sum())
    return float((pairs * signs_a * signs_b).sum() / norm) if norm > 0 else float("nan")


def weighted_keeping_ratio(scores: Floats, truth: Floats, weights: Floats) -> float:
    """Return the weight share that scores at least as high as the best-scored optimum; NaN scores last.

    >>> weighted_keeping_ratio(np.array([3.0, 2, 1]), np.array([1.0, 9, 2]), np.array([1.0, 1, 8]))
    0.2
    """
    ranks = dense_ranks(scores)
    best = ranks[(truth == truth[weights > 0].max()) & (weights > 0)].max()
    return float(weights[ranks >= best].sum() / weights.sum())


def interval(
    figure: Callable[[Floats, Floats, Floats], float],
    scores: Floats,
    truth: Floats,
    weights: Floats,
    strata: NDArray[np.intp],
    rng: np.random.Generator,
    level: float = CONFIDENCE,
) -> tuple[float, float] | None:
    """Return the percentile interval of a weighted figure by the stratified bootstrap of Rao and Wu (1988).

    Of the n draws of a stratum n - 1 are drawn again and weighed n / (n - 1) as much. What is known with certainty,
    stratum -1, stays. A stratum of one draw is resampled together with the others that have one; None where only a
    single draw is uncertain. It holds the figure itself: resamples lack the best network more often than not, so that
    they alone would place a keeping ratio too high.
    """
    groups = [np.flatnonzero(strata == s) for s in np.unique(strata[strata >= 0])]
    single = [g for g in groups if len(g) == 1]
    groups = [g for g in groups if len(g) > 1]
    if single:
        groups = [*groups, np.concatenate(single)] if len(single) > 1 else _joined(groups, single[0])
    if not groups or any(len(group) < 2 for group in groups):
        return None
    values = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        again = weights.copy()
        for group in groups:
            n = len(group)
            times = np.bincount(rng.integers(0, n, n - 1), minlength=n)
            again[group] = weights[group] * times * n / (n - 1)
        values[i] = figure(scores, truth, again)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    found = figure(scores, truth, weights)
    return min(float(low), found), max(float(high), found)


def _joined(groups: list[NDArray[np.intp]], one: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the groups, with the single draw `one` merged into the smallest of them."""
    ordered = sorted(groups, key=len)
    return [np.concatenate([ordered[0], one]), *ordered[1:]] if ordered else []


def chance_to_win(kept: Floats, cut: Floats) -> tuple[float, float]:
    """Return the probability that one of `kept` beats one of `cut` (ties count half), and its standard error.

    The area under the ROC curve, with the variance of DeLong et al. (1988). NaN ranks last.

    Raises:
        SettingError: a side has fewer than two values.

    >>> chance_to_win(np.array([3.0, 4.0]), np.array([1.0, 2.0]))
    (1.0, 0.0)
    """
    if min(len(kept), len(cut)) < 2:
        raise SettingError(f"At least two kept and two removed values are needed, but got {len(kept)} and {len(cut)}.")
    ranks = dense_ranks(np.concatenate([kept, cut]))
    above = np.sign(ranks[: len(kept), None] - ranks[len(kept) :]) / 2 + 0.5
    by_kept, by_cut = above.mean(axis=1), above.mean(axis=0)
    variance = by_kept.var(ddof=1) / len(kept) + by_cut.var(ddof=1) / len(cut)
    return float(above.mean()), float(np.sqrt(variance))
