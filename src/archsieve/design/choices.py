"""Options of a design beyond single estimators, and the cost of searches without a risk estimate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archsieve.design.designer import Prices, prices_of
from archsieve.estimators.predictor import Predictor
from archsieve.registry import ESTIMATORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.spaces.contract import SearchSpace
    from archsieve.tasks.contract import Task

_RANKED, _EVOLVED = 75, 100  # trainings of the searches without a promise
NOT_FOR = (
    "Not for spaces whose best networks differ by less than the luck of one training, nor for proxies that rank the "
    "best below its runners-up: on networks of handwritten digits .77 was kept for .90 promised (docs/designer.md)."
)


@dataclass(frozen=True)
class WithoutPromise:
    """A search without a risk estimate: its cost in network-epochs and its record elsewhere."""

    search: str
    network_epochs: float
    record: str


def with_mean_rank(estimators: Sequence[AnyEstimator]) -> list[AnyEstimator]:
    """Return the estimators, with the mean rank of the proxies added if there are several and it is missing."""
    proxies = tuple(e for e in estimators if hasattr(e, "proxy"))
    if len(proxies) < 2 or any(e.name == "mean_rank" for e in estimators):
        return list(estimators)
    return [*estimators, ESTIMATORS["mean_rank"](proxies)]


def taught_by_pilot(final: AnyEstimator, pilot: int) -> Predictor:
    """Return a predictor that learns from the final trainings of a pilot, the first networks of the pool.

    Networks of the pilot are predicted by models that did not learn from them, so that the design is not flattered.
    """
    return Predictor(teacher=final, samples=pilot, encoding="one_hot")


def prices_apart_from_pilot(
    estimators: Sequence[AnyEstimator], final: AnyEstimator, space: SearchSpace, task: Task, count: int
) -> Prices:
    """Return the costs of estimators and of the final training; trainings of the pilot are not counted again."""
    prices = prices_of(estimators, final, space, task, count)
    is_paid = [isinstance(e, Predictor) and e.teacher == final for e in estimators]
    once = tuple(0.0 if paid else cost for paid, cost in zip(is_paid, prices.once, strict=True))
    return replace(prices, once=once)


def without_promise(estimators: Sequence[AnyEstimator], prices: Prices) -> tuple[WithoutPromise, ...]:
    """Return the costs of mean rank with 75 trainings and of evolution with 100."""
    rows = []
    for place, estimator in enumerate(estimators):
        if estimator.name == "mean_rank":
            trained = min(_RANKED, prices.pool)
            cost = prices.once[place] + prices.each[place] * prices.pool + trained * prices.final
            record = "It met the optimum of NAS-Bench-Macro after 76 trainings and of NAS-Bench-201 after 54 (medians)."
            rows.append(WithoutPromise(f"the {trained} best by mean rank, all trained", cost, record))
    trained = min(_EVOLVED, prices.pool)
    record = "It met the optimum of NAS-Bench-201 in 62 to 93 % of trials, that of the digits in 30 to 37 %."
    return (*rows, WithoutPromise(f"regularized evolution, {trained} trainings", trained * prices.final, record))
