"""Random search at the cost of a search: the baseline that every search must beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsieve.benchmarks.contract import completed_benchmark
from archsieve.errors import SettingError
from archsieve.runs.results import RandomSearch
from archsieve.values import dense_ranks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from archsieve.benchmarks.contract import Benchmark
    from archsieve.benchmarks.records import Records
    from archsieve.spaces.contract import Architecture


def random_search_at(
    cost: float | None, exhaustive: float | None, benchmark: Benchmark, records: Records, pool: Sequence[Architecture]
) -> RandomSearch | None:
    """Return the expected result of random search in the pool at a cost; None if truth or a cost is unknown.

    Args:
        cost: of the search.
        exhaustive: of training the whole pool once, in the same unit.
        benchmark: the truth; it tells if it has `choosers` of its truth.
        records: what it holds.
        pool: the candidates.
    """
    choosers = completed_benchmark(benchmark).choosers.get(str(benchmark.truth), ())
    if not choosers or not cost or not exhaustive:
        return None
    truth = records.lookup(str(benchmark.truth), pool)
    columns = [records.lookup(column, pool) for column in choosers]
    if not all(np.isfinite(values).all() for values in (truth, *columns)):
        return None
    networks = min(len(pool), max(1, int(cost / (exhaustive / len(pool)))))
    expected = [float(chances_of_choice(column, networks) @ truth) for column in columns]
    return RandomSearch(networks, float(np.mean(expected)), tuple(choosers))


def chances_of_choice(scores: ArrayLike, draws: int) -> NDArray[np.float64]:
    """Return the probability of each item to be the best-scored of `draws` random draws; they sum to 1.

    Shape (n,). Drawn without replacement, all sets with the same probability; equal scores share their chance. The sum
    of truths weighed by these is the exact expectation of what a random search finds.

    Raises:
        SettingError: draws is not in 1..n.

    >>> chances_of_choice([0.3, 0.9, 0.5], 2)
    array([0.        , 0.66666667, 0.33333333])
    """
    ranks = dense_ranks(scores)
    n = len(ranks)
    if not 1 <= draws <= n:
        raise SettingError(f"`1 <= draws <= n` must hold, but got draws={draws}, n={n}.")
    ordered = np.sort(ranks)
    below, up_to = (np.searchsorted(ordered, ranks, side=side) for side in ("left", "right"))
    earlier_draws = np.arange(draws)
    # The chance that all drawn are among the m lowest: binomial(m, draws) / binomial(n, draws).
    among = [np.prod(np.maximum(m[:, None] - earlier_draws, 0) / (n - earlier_draws), axis=1) for m in (below, up_to)]
    return np.asarray((among[1] - among[0]) / (up_to - below))
