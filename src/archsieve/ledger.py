"""What a search costs, in network-epochs: one network trained on every item of the training split once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archsieve.estimator import Composite, Priced, Resumable, fingerprint
from archsieve.pool import up_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from archsieve.space import Architecture, SearchSpace
    from archsieve.task import Task


class Ledger:
    """Reckons what scores cost beyond what was paid before, as if nothing were stored.

    Candidates are those that earlier stages left, so that what scored all of them once is free afterwards; so is a
    calibration sample, drawn by the same seed, the second time; and training is paid once a lineage, a supernet for
    all its paths, a network for all its epochs.
    """

    def __init__(self, space: SearchSpace, task: Task) -> None:
        self._space, self._task = space, task
        self._scored: set[tuple[str, str]] = set()
        self._trained: dict[str, Any] = {}

    def pay(self, estimator: Any, n: int, population: str = "candidates") -> float | None:
        """Return the cost of `n` scores in network-epochs; None where an estimator, or the task, does not say."""
        if isinstance(estimator, Composite):
            costs = [self.pay(part, n, population) for part in estimator.parts]
            if estimator.calibration:
                costs += [self._pay_sample(part, estimator.calibration) for part in estimator.parts]
            return total(costs)
        if lesson := getattr(estimator, "lesson", None):
            return self._pay_sample(*lesson)
        if not isinstance(estimator, Priced) or not hasattr(self._task, "count"):
            return None
        seen = fingerprint(estimator), population
        if seen in self._scored:
            return 0.0
        self._scored.add(seen)
        price = estimator.price(n, self._space, self._task)
        lineage = fingerprint(estimator.lineage if isinstance(estimator, Resumable) else estimator)
        before = self._trained.get(lineage)
        paid = 0.0 if before is None else before.price(n, self._space, self._task).training
        if before is None or price.training > paid:
            self._trained[lineage] = estimator
        return float(price.scoring + max(0.0, price.training - paid))

    def _pay_sample(self, estimator: Any, count: int) -> float | None:
        return self.pay(estimator, up_to(self._space, count), f"sample of {count}")


def in_macs(network_epochs: float, archs: Sequence[Architecture], space: SearchSpace, task: Task) -> float | None:
    """Return a cost in multiply-adds; None where the space has no closed form of them, or the task no count.

    An epoch passes every item of the training split through a network, forwards and, for twice as much, backwards; the
    networks are taken to weigh what `archs` do on average.
    """
    closed_form, count = getattr(space, "macs", None), getattr(task, "count", None)
    if closed_form is None or count is None:
        return None
    mean = sum(closed_form(arch, task) for arch in archs) / len(archs)
    return float(network_epochs * 3 * mean * count("train"))


def total(costs: Iterable[float | None]) -> float | None:
    """Return the sum; None where a part is unknown."""
    known = list(costs)
    return None if None in known else sum(cost for cost in known if cost)
