"""Checks that columns of a table agree with each other, and with the architectures of its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.benchmarks.files import fault
from archsieve.benchmarks.joined import wrong_join
from archsieve.values import as_floats

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.benchmarks.records import Table

_FEWEST = 50  # rows that tell whether two columns agree
_LEAST_AGREEMENT = 0.3  # rank correlation of two accuracies of one network; trainings of one network have 0.9 and more
_MOST_APART = 0.3  # difference of the medians of two such columns, as a share of the larger
FEWEST_FITTED = 200
"""Rows that tell whether values depend on the decisions of their architectures."""
_MOST_FITTED = 3_000  # of them
_LEAST_FIT = 0.1  # correlation of values with those that a sum over decisions predicts, and at least
_DEVIATIONS = 3  # standard deviations of that of shuffled rows
_SHIFT = 0.01, 5.0  # by which neighbouring rows must fit better: at least, and divided by their number
_LEAST_SPREAD = 0.012  # between the 10th and 90th percentiles, as a share of the median
_PENALTY = 1.0  # of the squared weights of that sum


def why_unchecked(values: NDArray[np.float64]) -> str:
    """Return why values cannot tell whether their rows are in order, as the end of a sentence; empty if they can."""
    known = values[np.isfinite(values)]
    if len(known) < FEWEST_FITTED:
        return f"there are only {len(known)} networks"
    return "the networks are nearly equally good" if is_narrow(known) else ""


def unchecked(name: str, values: NDArray[np.float64]) -> tuple[str, ...]:
    """Return the remark on a table by name whose values cannot tell that; none if they can."""
    why = why_unchecked(values)
    return (f"{name}: rows of accuracies are not fully checked: {why}.",) if why else ()


def disagreement(table: Table, first: str, second: str) -> str:
    """Return how two columns rank the networks differently, as the end of a sentence; empty if they do not.

    Few values, and values that are nearly equal, tell nothing.
    """
    one, other = _pair(table, first, second)
    if len(one) < _FEWEST or is_narrow(one) or is_narrow(other):
        return ""
    agreed = rank_correlation(one, other)
    return f"their rank correlation is {agreed:.2f}" if agreed < _LEAST_AGREEMENT else ""


def check_alike(path: Path, table: Table, first: str, second: str) -> None:
    """Check that two columns measure the same of each network, such as accuracies on test and validation pictures.

    Raises:
        DataError: they rank the networks differently, or have other levels.
    """
    if why := disagreement(table, first, second):
        raise wrong_join(
            path,
            f"has columns {first!r} and {second!r} that should rank networks alike, but {why}",
            "one column is in another order, or holds errors, or another quantity",
        )
    one, other = _pair(table, first, second)
    if len(one) < _FEWEST:
        return
    levels = float(np.median(one)), float(np.median(other))
    if abs(levels[0] - levels[1]) > _MOST_APART * max(map(abs, levels)):
        raise fault(
            path,
            f"has columns {first!r} and {second!r} that should have similar values, but their medians are "
            f"{levels[0]:.4g} and {levels[1]:.4g}: one has another unit, or holds another quantity",
        )


def _pair(table: Table, first: str, second: str) -> NDArray[np.float64]:
    """Return the values of two columns in the rows that have both, shape (2, n)."""
    pair = np.array([table.columns[first], table.columns[second]])
    return pair[:, np.isfinite(pair).all(axis=0)]


def check_fit(path: Path, table: Table, column: str) -> None:
    """Check that values depend on the decisions of their architectures; those of shuffled rows do not.

    A sum over decisions is fitted to the ranks of one half of the rows, and must predict those of the other half. It
    must predict them no worse than the ranks of the next row, or of the row before, as in a column that is shifted.
    Few values, and values that are nearly equal, are not checked: see `why_unchecked`.

    Raises:
        DataError: it predicts nothing, or the values of neighbouring rows better.
    """
    values = table.columns[column]
    if why_unchecked(values):
        return
    rows = np.flatnonzero(np.isfinite(values))
    rows = rows[:: max(1, len(rows) // _MOST_FITTED)]
    codes, ranks = np.array([table.archs[row] for row in rows]), _ranks(values)
    own, *shifted = (_predicted(codes, np.roll(ranks, shift)[rows]) for shift in (0, 1, -1))
    least = max(_LEAST_FIT, _DEVIATIONS / len(rows) ** 0.5)
    if own < least or own < max(shifted) - max(_SHIFT[0], _SHIFT[1] / len(rows)):
        what = f"and those of neighbouring rows do by {max(shifted):.2f}" if own >= least else "as if by chance"
        raise wrong_join(
            path,
            f"has values in its column {column!r} that follow the decisions of its architectures by {own:.2f} "
            f"(correlation), {what}",
            "rows of this column in another order, or shifted",
        )


def check_rising(path: Path, table: Table, column: str, sizes: NDArray[np.float64], least: float) -> None:
    """Check that values rise with sizes of the networks, as accuracies do; those that are nearly equal may not.

    Raises:
        DataError: their rank correlation is below `least`.
    """
    values = table.columns[column]
    if len(sizes) < _FEWEST or is_narrow(values):
        return
    if (agreed := rank_correlation(sizes, values)) < least:
        raise wrong_join(
            path,
            f"has values in its column {column!r} that do not rise with the sizes of the networks (rank correlation "
            f"{agreed:.2f}, and {least} is needed)",
            "rows or decisions in another order, or errors instead of accuracies",
        )


def rank_correlation(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return Spearman's correlation; 0 if all values of one are equal."""
    from scipy.stats import spearmanr

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first, second).statistic)


def is_narrow(values: NDArray[np.float64]) -> bool:
    """Whether values are nearly equal, as those of only the best networks: chance then decides their order."""
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return bool(high - low < _LEAST_SPREAD * abs(middle))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks of values, NaN for NaN, between 0 and 1."""
    from scipy.stats import rankdata

    return as_floats(rankdata(values, nan_policy="omit") / len(values))


def _predicted(codes: NDArray[np.int64], ranks: NDArray[np.float64]) -> float:
    """Return the correlation of ranks with those predicted by sums over decisions, each half from the other."""
    options = [codes[:, place, None] == np.unique(codes[:, place]) for place in range(codes.shape[1])]
    features = np.concatenate(options, axis=1).astype(np.float64)
    ranks = np.where(np.isfinite(ranks), ranks, np.nanmean(ranks))
    halves = np.random.default_rng(0).permutation(len(ranks)) % 2 == 0
    predicted = np.empty(len(ranks))
    for half in (halves, ~halves):
        predicted[half] = features[half] @ _weights(features[~half], ranks[~half])
    return float(np.corrcoef(predicted, ranks)[0, 1]) if np.ptp(ranks) > 0 and np.ptp(predicted) > 0 else 0.0


def _weights(features: NDArray[np.float64], ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    squares = features.T @ features + _PENALTY * np.eye(features.shape[1])
    return as_floats(np.linalg.solve(squares, features.T @ ranks))
