"""The worth of a search: how many trainings random search needs to expect an equally good winner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsieve.benchmarks.contract import networks_of
from archsieve.benchmarks.records import Table
from archsieve.errors import SettingError
from archsieve.runs.effort import Ledger
from archsieve.runs.results import Worth
from archsieve.spaces.contract import size
from archsieve.spaces.sampling import LARGEST_POOL, draw_up_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.benchmarks.contract import Benchmark
    from archsieve.benchmarks.records import Records
    from archsieve.plans.contract import Plan
    from archsieve.spaces.contract import Architecture

CONFIDENCE = 0.95
SAMPLED = 1000
"""Networks drawn where the values of a space are predicted and it is too large to list."""


def expected_draws(count: float, as_good: float) -> float:
    """Return the expected number of draws without replacement until the first of `as_good` items of `count`.

    The mean of the negative hypergeometric distribution, (count + 1) / (as_good + 1). The best of `count` takes
    (count + 1) / 2 draws.

    Raises:
        SettingError: `1 <= as_good <= count` does not hold.

    >>> expected_draws(9, 1), expected_draws(9, 4)
    (5.0, 2.0)
    """
    if not 1 <= as_good <= count:
        raise SettingError(f"`1 <= as_good <= count` must hold, but got as_good={as_good}, count={count}.")
    return (count + 1) / (as_good + 1)


def draws_between(count: int, as_good: int, level: float = CONFIDENCE) -> tuple[int, int]:
    """Return the central interval of that number of draws.

    >>> draws_between(100, 1, 0.9)
    (5, 95)
    """
    expected_draws(count, as_good)  # checks the numbers
    drawn = np.arange(count - as_good + 1)
    missed = np.append(1.0, np.cumprod((count - as_good - drawn) / (count - drawn)))  # after 0, 1, 2 ... draws
    tails = (1 - level) / 2, 1 - (1 - level) / 2
    low, high = (int(np.argmax(1 - missed >= tail - 1e-12)) for tail in tails)
    return max(1, low), high


def greatest_share(hits: int, draws: int, level: float = CONFIDENCE) -> float:
    """Return the one-sided upper Clopper-Pearson bound of the share behind `hits` of `draws`; 1 without draws.

    >>> round(greatest_share(0, 12), 4)
    0.2209
    """
    from scipy.stats import beta

    if not 0 <= hits <= draws:
        raise SettingError(f"`0 <= hits <= draws` must hold, but got hits={hits}, draws={draws}.")
    return 1.0 if hits == draws else float(beta.ppf(level, hits + 1, draws - hits))


def bound_of(share: float, count: int) -> float:
    """Return the expected draws if this share of the other candidates is at least as good as the winner.

    With the greatest share that an audit leaves possible it is a lower bound of the worth. Of many candidates it is
    about 1 / share: 12 audited networks, none as good, say 4.5, and 60 say 20.

    >>> [round(bound_of(greatest_share(0, n), 10**6), 1) for n in (12, 60)]
    [4.5, 20.5]
    """
    return expected_draws(count, 1 + share * (count - 1))


def unknown_worth(count: int, paid: float | None) -> Worth:
    """Return the worth of a search among `count` candidates without any truth: at least one training."""
    return Worth("audit", count, None, 0, None, 1.0, None, paid)


def worth_of(
    plan: Plan,
    cost: float | None,
    per_network: float | None,
    known: tuple[Benchmark, Records] | None,
    pool: Sequence[Architecture],
    best: Architecture,
) -> Worth:
    """Return the worth of a search by a benchmark's truth; unknown without one.

    Exact over the candidates where the pool was drawn from the space, else over the whole space where a table has
    recorded it. Where values are predicted and the space is too large to list, a bound from a sample of it.

    Args:
        plan: that was run.
        cost: of the search.
        per_network: of training one network by the plan's recipe, in the same unit.
        known: the benchmark with the truth, and what it holds.
        pool: the candidates of the run.
        best: the winner.
    """
    paid = cost / per_network if cost is not None and per_network else None
    whole = min(size(plan.space), LARGEST_POOL) if plan.is_open else len(pool)
    if known is None:
        return unknown_worth(max(1, whole), paid)
    benchmark, records = known
    column = str(benchmark.truth)
    own = records.lookup(column, [best])[0]
    if np.isnan(own):
        return unknown_worth(max(1, whole), paid)
    others, is_listed = _population(plan, records, pool, best)
    values = records.lookup(column, [arch for arch in others if arch != best])
    values = values[np.isfinite(values)]
    as_good = int(np.sum(values >= own))
    if is_listed:
        count, winners = len(values) + 1, as_good + 1
        low, high = draws_between(count, winners)
        return Worth("truth", count, winners, 0, expected_draws(count, winners), float(low), float(high), paid)
    share = greatest_share(as_good, len(values))
    least = bound_of(share, min(size(plan.space), LARGEST_POOL))
    return Worth("predictions", len(values), as_good, 0, None, least, None, paid)


def _population(
    plan: Plan, records: Records, pool: Sequence[Architecture], best: Architecture
) -> tuple[Sequence[Architecture], bool]:
    """Return the networks that random search would draw from, and whether they are all of them."""
    if not plan.is_open and plan.pool.evolve is None:
        return pool, True
    if isinstance(records, Table):
        return networks_of(records, plan.space, best), True
    return draw_up_to(plan.space, plan.seed, SAMPLED), size(plan.space) <= SAMPLED


def price_of_recipe(plan: Plan) -> float | None:
    """Return the cost of one more network by the search's recipe, in epochs of its own task.

    The recipe is the final training of a plan; where that is free, as a recorded figure of the winner is, or there is
    none, it is the estimator of the last stage. None where it is unknown or free.
    """
    for recipe in (plan.final, plan.stages[-1].estimator):
        few, many = (None if recipe is None else Ledger(plan.space, plan.task).pay(recipe, n) for n in (1, 1001))
        if few is not None and many is not None and many > few:
            return (many - few) / 1000
    return None
