"""The cost of a search in network-epochs: one network trained once on every item of a training split.

Which training split is a question of its own (`Unit`): that of the training which the user is after, and not that of
noise which stands in for its pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsieve.estimators.contract import Composite, Priced, Resumable
from archsieve.fingerprints import fingerprint
from archsieve.randomness import generator
from archsieve.spaces.form import form_of
from archsieve.spaces.sampling import up_to
from archsieve.spaces.sizes import size_of
from archsieve.tasks.contract import completed_task, count_items, says_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from archsieve.estimators.contract import AnyEstimator, Price
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

_WEIGHED = 5  # networks by which two tasks are compared


@dataclass(frozen=True)
class Entry:
    """The cost of `n` scores of an estimator, in epochs of the task it scores on; None if undeclared.

    `n` is None where nobody says how many scores there are.
    """

    estimator: AnyEstimator
    n: int | None
    training: float | None
    scoring: float | None
    population: str = "candidates"

    @property
    def epochs(self) -> float | None:
        """Training plus scoring."""
        return total((self.training, self.scoring))


class Ledger:
    """Tracks the cost of scores beyond what was already counted, as if no score were stored.

    The candidates of a stage are survivors of earlier stages. An estimator that scored them all once is therefore free
    afterwards, and so is a second calibration sample, which the same seed draws. Training is paid once for each
    lineage: a supernet for all its paths, a network for all its epochs.
    """

    def __init__(self, space: SearchSpace, task: Task) -> None:
        self._space, self._task = space, task
        self._scored: set[tuple[str, str]] = set()
        self._trained: dict[str, Any] = {}

    def pay(self, estimator: AnyEstimator, n: int, population: str = "candidates") -> float | None:
        """Return the additional cost of `n` scores in epochs of the task; None if it is not declared."""
        return total(entry.epochs for entry in self.enter(estimator, n, population))

    def enter(self, estimator: AnyEstimator, n: int, population: str = "candidates") -> list[Entry]:
        """Return the additional costs of `n` scores, one entry per computing estimator."""
        if isinstance(estimator, Composite):
            entries = [entry for part in estimator.parts for entry in self.enter(part, n, population)]
            if estimator.calibration:
                entries += [entry for part in estimator.parts for entry in self._sample(part, estimator.calibration)]
            return entries
        if lesson := getattr(estimator, "lesson", None):
            return self._sample(*lesson)
        price = None
        if isinstance(estimator, Priced) and says_count(self._task):
            price = estimator.price(n, self._space, self._task)
        if price is None:
            return [Entry(estimator, n, None, None, population)]
        pair = fingerprint(estimator), population
        if pair in self._scored:
            return []
        self._scored.add(pair)
        lineage = fingerprint(estimator.lineage if isinstance(estimator, Resumable) else estimator)
        before = self._trained.get(lineage)
        paid = 0.0 if before is None else _training(before.price(n, self._space, self._task))
        if before is None or price.training > paid:
            self._trained[lineage] = estimator
        return [Entry(estimator, n, max(0.0, price.training - paid), price.scoring, population)]

    def _sample(self, estimator: AnyEstimator, count: int) -> list[Entry]:
        return self.enter(estimator, up_to(self._space, count), f"sample of {count}")


def _training(price: Price | None) -> float:
    return 0.0 if price is None else price.training


@dataclass(frozen=True)
class Unit:
    """The definition of a network-epoch: one training pass over the training split of `task`; None: undefined.

    Attributes:
        task: of the training that costs are counted against.
        scale: an epoch of the task that is scored on, in this unit; None: unknown.
    """

    task: Task | None
    scale: float | None

    def epochs(self, own: float | None) -> float | None:
        """Return a cost in epochs of the scored task, converted to this unit; None: unknown."""
        if own is None or (self.scale is None and own):
            return None
        return own * (self.scale or 0.0)

    def __str__(self) -> str:
        """Return the unit in words."""
        if self.task is None or self.scale is None:
            return "unknown, since nothing is trained on this task and the plan does not say what it `stands_for`"
        return f"one network trained once on the {count_items(self.task, 'train'):,} training items of {self.task.name}"


def unit_of(space: SearchSpace, task: Task, stands_for: Task | None = None, *, trains: bool = False) -> Unit:
    """Return what a network-epoch is on a task.

    Args:
        space: the space of the networks.
        task: what they are scored on.
        stands_for: the task of the training that the user is after, where it is another.
        trains: whether networks are trained on `task`.
    """
    if stands_for is None:
        is_known = (trains or not completed_task(task).is_made_up) and says_count(task)
        return Unit(task, 1.0) if is_known else Unit(None, None)
    if not (says_count(task) and says_count(stands_for)):
        return Unit(stands_for, None)
    items = count_items(task, "train") / count_items(stands_for, "train")
    return Unit(stands_for, items * _weight(space, task, stands_for))


def _weight(space: SearchSpace, task: Task, reference: Task) -> float:
    """Return the multiply-adds of networks for one task, divided by those for another task."""
    if form_of(task) == form_of(reference):
        return 1.0
    rng = generator(0, "sample", "unit")
    archs = [space.whole.sample(rng) for _ in range(_WEIGHED)]
    own_macs, other_macs = (sum(size_of(space.whole, arch, t, "macs") for arch in archs) for t in (task, reference))
    return own_macs / other_macs


def in_macs(epochs: float, archs: Sequence[Architecture], space: SearchSpace, task: Task) -> float | None:
    """Return a cost in epochs of a task as multiply-adds; None without a closed form or a task size.

    An epoch passes every item of the training split through a network, forwards and, for twice as much, backwards; the
    networks are taken to weigh what `archs` do on average.
    """
    closed_form = getattr(space, "macs", None)
    if closed_form is None or not says_count(task):
        return None
    mean = sum(closed_form(arch, task) for arch in archs) / len(archs)
    return float(epochs * 3 * mean * count_items(task, "train"))


def total(costs: Iterable[float | None]) -> float | None:
    """Return the sum; None if a part is unknown."""
    parts = list(costs)
    return None if None in parts else sum(cost for cost in parts if cost)
