"""What random search finds at the cost of a search: the yardstick that every search must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archsieve.judging.metrics import chances_of_choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.benchmarks.contract import Benchmark, Records
    from archsieve.spaces.contract import Architecture


@dataclass(frozen=True)
class RandomSearch:
    """What random search finds: `networks` drawn at random, each trained once, the best by that training chosen.

    Attributes:
        networks: how many complete trainings the cost of the search pays for.
        value: the expected truth of the one chosen, exact: no search was simulated.
        chosen_by: the columns of single trainings it is the mean over.
    """

    networks: int
    value: float
    chosen_by: tuple[str, ...]


def random_search_at(
    cost: float | None, exhaustive: float | None, benchmark: Benchmark, records: Records, pool: Sequence[Architecture]
) -> RandomSearch | None:
    """Return what random search among the pool finds for a cost; None where the benchmark or a cost does not tell.

    Args:
        cost: of the search.
        exhaustive: of training the whole pool once, in the same unit.
        benchmark: the truth; it tells if it has `choosers` of its truth.
        records: what it holds.
        pool: the candidates.
    """
    choosers = getattr(benchmark, "choosers", {}).get(benchmark.truth, ())
    if not choosers or not cost or not exhaustive:
        return None
    truth = records.lookup(str(benchmark.truth), pool)
    columns = [records.lookup(column, pool) for column in choosers]
    if not all(np.isfinite(values).all() for values in (truth, *columns)):
        return None
    networks = min(len(pool), max(1, int(cost / (exhaustive / len(pool)))))
    expected = [float(chances_of_choice(column, networks) @ truth) for column in columns]
    return RandomSearch(networks, float(np.mean(expected)), tuple(choosers))
