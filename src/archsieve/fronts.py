"""Several objectives: non-dominated fronts and hypervolume."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def fronts_of(values: ArrayLike) -> NDArray[np.int64]:
    """Return the front index of each point, shape (n,), of values (n, k), higher is better; -1 for points with a NaN.

    Front 0 holds the points that no other point dominates: none is at least as good in every objective and better in
    one. Front 1 holds those that only points of front 0 dominate, and so on. Equal points share a front.

    >>> fronts_of([[3, 1], [1, 3], [2, 2], [1, 1], [2, float("nan")]]).tolist()
    [0, 0, 0, 1, -1]
    """
    points = np.asarray(values, dtype=np.float64)
    fronts = np.full(len(points), -1, dtype=np.int64)
    known = np.flatnonzero(~np.isnan(points).any(axis=1))
    if len(known):
        unique, place = np.unique(points[known], axis=0, return_inverse=True)
        of_unique = _of_two(unique) if points.shape[1] == 2 else _peeled(unique)
        fronts[known] = of_unique[place.reshape(-1)]
    return fronts


def _of_two(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the front indices of distinct points with two values, sorted by descending first value."""
    fronts = np.empty(len(points), dtype=np.int64)
    highest: list[float] = []  # minus the highest second value of each front: rising
    for place in np.lexsort((-points[:, 1], -points[:, 0])):
        second = points[place, 1]
        front = bisect_left(highest, True, key=lambda least, second=second: -least < second)  # type: ignore[misc]
        fronts[place] = front
        highest[front : front + 1] = [-second]
    return fronts


def _peeled(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the front indices of distinct points, found one front after the other."""
    fronts, left, front = np.full(len(points), -1, dtype=np.int64), np.arange(len(points)), 0
    while len(left):
        among = points[left]
        is_best = np.array([not ((among >= point).all(axis=1).sum() > 1) for point in among])
        fronts[left[is_best]] = front
        left, front = left[~is_best], front + 1
    return fronts


def hypervolume(values: ArrayLike, reference: ArrayLike) -> float:
    """Return the area dominated by points with two values (n, 2), higher is better, above a reference point (2,).

    Points that are not above the reference in both values add nothing, and neither do those with NaN.

    >>> hypervolume([[3, 1], [1, 3], [1, 1]], [0, 0])
    5.0
    """
    low = np.asarray(reference, dtype=np.float64)
    points = np.asarray(values, dtype=np.float64).reshape(-1, 2)
    points = points[(points > low).all(axis=1)]
    area, height = 0.0, float(low[1])
    for first, second in points[np.argsort(-points[:, 0], kind="stable")].tolist():
        if second > height:
            area += (first - float(low[0])) * (second - height)
            height = second
    return area
