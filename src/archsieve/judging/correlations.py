"""Rank correlations in numpy: importing scipy.stats for them takes longer than judging a whole table.

All take places from 0 on, equal ones for ties, of at least two items; neither side is constant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def tau_b(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return Kendall's tau-b, in [-1, 1]: pairs are counted in whole numbers."""
    order = np.lexsort((second, first))
    discordant = _exchanges(second[order], np.ones(len(order), dtype=np.int64)) // 2
    pairs = len(order) * (len(order) - 1) // 2
    ties = [_tied_pairs(places) for places in (first, second, _joint(first, second))]
    surplus = pairs - ties[0] - ties[1] + ties[2] - 2 * discordant
    return _bounded(surplus / np.sqrt(pairs - ties[0]) / np.sqrt(pairs - ties[1]))


def spearman_rho(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return Pearson's correlation of the mean ranks, in [-1, 1]."""
    ranks = np.column_stack([mean_ranks(first), mean_ranks(second)])
    return float(np.asarray(np.corrcoef(ranks, rowvar=False))[1, 0])


def weighted_tau_b(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return Vigna's weighted tau, in [-1, 1]: hyperbolic weights, added, averaged over both rankings."""
    return (_weighted_by_first(first, second) + _weighted_by_first(second, first)) / 2


def mean_ranks(places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the rank of each item from 1 on, the mean of theirs for ties.

    >>> mean_ranks(np.array([0, 2, 0, 1]))
    array([1.5, 4. , 1.5, 3. ])
    """
    counts = np.bincount(places)
    means: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return means


def _weighted_by_first(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Return the weighted tau whose weights go by decreasing `first`, ties by decreasing `second`."""
    order = np.lexsort((second, first))
    weights = 1.0 / np.arange(len(order), 0, -1)  # in that order: the last is the best
    weight_of = np.empty(len(order))
    weight_of[order] = weights
    ties = [_tied_weight(places, weight_of) for places in (first, second, _joint(first, second))]
    pairs = float(weights.sum()) * (len(order) - 1)
    surplus = pairs - (ties[1] + ties[0] - ties[2]) - 2.0 * float(_exchanges(second[order], weights))
    return _bounded(surplus / np.sqrt(pairs - ties[0]) / np.sqrt(pairs - ties[1]))


def _bounded(value: float) -> float:
    return float(min(1.0, max(-1.0, value)))


def _joint(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return places that tie where both tie."""
    _, places = np.unique(first * (int(second.max()) + 1) + second, return_inverse=True)
    return np.asarray(places, dtype=np.int64)


def _tied_pairs(places: NDArray[np.int64]) -> int:
    counts = np.bincount(places)
    return int((counts * (counts - 1) // 2).sum())


def _tied_weight(places: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """Return the sum over tied pairs of both weights."""
    sums = np.bincount(places, weights=weights)
    return float((sums * (np.bincount(places) - 1).clip(0)).sum())


def _exchanges(places: NDArray[np.int64], weights: NDArray[np.int64] | NDArray[np.float64]) -> int | float:
    """Return the sum, over the pairs in which a higher place comes before a lower one, of both weights.

    Goes through the bits of the places from the highest on: within a group of equal higher bits, every 1 before a 0 is
    such a pair; then the 0s of the group go before its 1s, in order.
    """
    index, total = np.arange(len(places)), weights.dtype.type(0)
    for bit in reversed(range(int(places.max()).bit_length())):
        ones = places >> bit & 1
        begins = np.diff(places >> bit + 1, prepend=-1) != 0
        start = np.maximum.accumulate(np.where(begins, index, 0))  # where the group of each item begins
        count, weight = (np.cumsum(part) - part for part in (ones, weights * ones))  # of the 1s before, in all groups
        count, weight = count - count[start], weight - weight[start]
        zeros = ones == 0
        total += (weight[zeros] + count[zeros] * weights[zeros]).sum()
        group = np.cumsum(begins) - 1
        zeros_in_group = np.bincount(group[zeros], minlength=group[-1] + 1)[group]
        target = np.where(zeros, index - count, start + zeros_in_group + count)
        moved, moved_weights = np.empty_like(places), np.empty_like(weights)
        moved[target], moved_weights[target] = places, weights
        places, weights = moved, moved_weights
    return total.item()
