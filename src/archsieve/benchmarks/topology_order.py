"""A check that accuracies of some cells of NAS-Bench-201's space fit no other order of edges or operations better."""

from __future__ import annotations

import itertools
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from archsieve.benchmarks.agreement import is_narrow, rank_correlation
from archsieve.benchmarks.joined import wrong_join
from archsieve.spaces.nasbench201.cell import EDGES, OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture

_FEWEST, _MANY = 60, 200  # cells that tell an order of operations, and that tell an order of edges
_LEAST = 0.5  # rank correlation; 40 samples of 60 cells each had 0.78 and more, for three columns of full trainings
_MARGINS = 0.05, 0.01  # by which another order must fit better, with few and with many cells; of these, 0.03 and 0.004
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The edges of each path from input to output."""
WORTH = (
    (-11, -1, 7, 21, -15),
    (-8, -9, -8, -8, -9, -6, -11, 3, 16, -19, -3, 4, 6, 22, 0, 3, 19, 28, 31, 8, -8, -20, -6, -2, -24),
    (-9, -6, -3, 0, -7, -9, -10, 5, 18, -18, -9, 3, 7, 21, -3, -9, 16, 28, 30, 3, -9, -18, -2, 3, -23),
    (
        *(-7, -1, -3, 2, -1, -7, -1, -3, 2, -1, -7, 0, -2, 2, -1, -7, 0, -2, 3, -1, -7, 0, -3, 2, -1),
        *(0, -4, -2, 0, -1, 0, -18, -1, 4, -16, 0, 0, 4, 10, 0, 0, 8, 22, 19, 5, 0, -21, -4, -2, -19),
        *(-3, -2, -5, -2, -2, -2, -1, -4, 5, -3, -2, 2, -3, 6, 2, -2, 16, 16, 16, 8, -2, -3, -3, 1, -4),
        *(2, -2, -3, -6, -2, 2, 3, 6, 3, -3, 2, 15, 9, 6, 9, 2, 18, 15, 8, 11, 2, -1, 1, -1, -5),
        *(-1, 0, -1, -1, 0, -2, -15, -4, -5, -12, -1, 1, 1, 2, 0, -2, 5, 9, 8, 2, -1, -17, -5, -7, -14),
    ),
)
"""For each path, what its operations are worth, the operation on its last edge counted fastest.

In hundredths of the ranks from worst to best. Least squares with unit penalty over all cells of NATS-Bench's test
accuracies on CIFAR-10 after 200 epochs (arXiv 2009.00437); their sum has a correlation of 0.90 with these ranks.
"""


def check_order(path: Path, archs: Sequence[Architecture], values: NDArray[np.float64], column: str) -> None:
    """Check that accuracies follow what cells are worth on CIFAR-10, and no other order of edges or operations better.

    Args:
        path: the file, for the messages.
        archs: the cells of its rows.
        values: accuracies of complete trainings; NaN where one is missing. Fewer than 60, and such as are nearly equal,
            tell nothing.
        column: its title.

    Raises:
        DataError: they do not.
    """
    known = np.isfinite(values)
    if known.sum() < _FEWEST or is_narrow(values[known]):
        return
    codes, values = np.array(archs)[known], values[known]
    own = rank_correlation(_worth_of(codes), values)
    if own < _LEAST:
        raise wrong_join(
            path,
            f"has values in its column {column!r} that do not follow what its cells are worth on CIFAR-10 (rank "
            f"correlation {own:.2f}, and {_LEAST} is needed)",
            "edges, operations or rows in another order, or errors instead of accuracies",
        )
    margin = _MARGINS[len(codes) >= _MANY]
    for what, others in (("operations were numbered", _renumbered(codes)), ("edges were ordered", _reordered(codes))):
        for order, other in others:
            if (agreed := rank_correlation(_worth_of(other), values)) > own + margin:
                raise wrong_join(
                    path,
                    f"has values in its column {column!r} that follow what its cells are worth on CIFAR-10 less (rank "
                    f"correlation {own:.3f}) than if {what} {', '.join(map(str, order))} ({agreed:.3f})",
                    "operations renumbered, or edges in another order",
                )


def _renumbered(codes: NDArray[np.int64]) -> list[tuple[tuple[int, ...], NDArray[np.int64]]]:
    return [(order, np.array(order)[codes]) for order in itertools.permutations(range(len(OPERATIONS)))]


def _reordered(codes: NDArray[np.int64]) -> list[tuple[tuple[int, ...], NDArray[np.int64]]]:
    return [(order, codes[:, list(order)]) for order in itertools.permutations(range(len(EDGES)))]


def _worth_of(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sum of what the paths of each cell are worth."""
    total = np.zeros(len(codes), dtype=np.int64)
    for edges, worth in zip(PATHS, _tables(), strict=True):
        total += worth[tuple(codes[:, edge] for edge in edges)]
    return total


@cache
def _tables() -> tuple[NDArray[np.int64], ...]:
    """Return what each path is worth, by the operations on its edges."""
    return tuple(np.array(w).reshape((len(OPERATIONS),) * len(p)) for p, w in zip(PATHS, WORTH, strict=True))
