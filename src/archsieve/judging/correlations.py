"""Rank correlations computed by sorting; importing scipy's versions takes a second.

All take dense ranks x and y, shape (n,): whole numbers, equal where items tie. NaN where a side is constant.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def tau_b(x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    """Return Kendall's tau-b, in [-1, 1], higher is better; bit-identical to scipy.

    >>> round(tau_b(np.array([0, 1, 1, 2]), np.array([0, 0, 1, 2])), 4)
    0.8
    """
    return float(_weighted(x, y, np.full((1, len(x)), 0.5))[0])  # so that a pair counts one


def spearman_rho(x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    """Return Spearman's rank correlation, in [-1, 1], higher is better; bit-identical to scipy."""
    if _is_constant(x) or _is_constant(y):
        return math.nan
    matrix = np.asarray(np.corrcoef(np.stack([mean_ranks(x), mean_ranks(y)], axis=1), rowvar=False))
    return float(matrix[1, 0])


def hyperbolic_tau(x: NDArray[np.int64], y: NDArray[np.int64]) -> float:
    """Return the weighted tau of Vigna 2015 (arXiv 1404.3325), in [-1, 1]: additive weights 1 / rank.

    The mean over the ranking by decreasing x, ties by decreasing y, and the ranking by decreasing y, ties by x.
    """
    weights = np.empty((2, len(x)))
    for row, ranking in zip(weights, (np.lexsort((y, x)), np.lexsort((x, y))), strict=True):
        row[ranking] = 1 / np.arange(len(x), 0, -1)
    return float(_weighted(x, y, weights).sum() / 2)


def mean_ranks(x: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ascending ranks from 1; tied items get the mean of their ranks.

    >>> mean_ranks(np.array([1, 0, 1]))
    array([2.5, 1. , 2.5])
    """
    counts = np.bincount(x - x.min())
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[x - x.min()])


def _weighted(x: NDArray[np.int64], y: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weighted (concordant - discordant) pairs, over the geometric mean of pairs untied in x and in y.

    For each row of weights (k, n), by which a pair counts the sum of those of its two items; shape (k,). Discordant
    are the inversions of y sorted by x, ties by y (Knight 1966).
    """
    if _is_constant(x) or _is_constant(y):
        return np.full(len(weights), np.nan)
    order = np.lexsort((y, x))
    x, y, weights = x[order] - x.min(), y[order] - y.min(), weights[:, order]
    both = np.append(0, np.cumsum((np.diff(x) != 0) | (np.diff(y) != 0)))  # the same number where both tie
    every = (len(x) - 1) * weights.sum(axis=1)
    tied_x, tied_y, tied = (_tied(side, weights) for side in (x, y, both))
    difference = every - tied_x - tied_y + tied - 2 * weights @ _discordant(y)
    return np.asarray(np.clip(difference / np.sqrt(every - tied_x) / np.sqrt(every - tied_y), -1.0, 1.0))


def _tied(x: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the total weight of tied pairs for each row of weights."""
    return np.asarray(weights @ (np.bincount(x) - 1.0)[x])


def _discordant(y: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each item the count of earlier items with a higher y plus later ones with a lower y; y >= 0.

    Sorted stably by one more bit of y at a time, from the highest on, an item moves past exactly those of them that
    differ from it first in that bit.
    """
    counts, items, places = np.zeros(len(y), dtype=np.int64), np.arange(len(y)), np.arange(len(y))
    y = y.astype(np.uint16) if y.max() < 2**16 else y  # which numpy sorts without comparing
    for bit in reversed(range(int(y.max()).bit_length())):
        order = np.argsort(y >> bit, kind="stable")
        y, items = y[order], items[order]
        counts[items] += np.abs(order - places)
    return counts


def _is_constant(x: NDArray[np.int64]) -> bool:
    return bool((x == x[0]).all())
