"""What must be said beside the costs that a command prints."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from archsieve.costs import CostName, notes_on
from archsieve.errors import ArchsieveError
from archsieve.estimator import leaves_of
from archsieve.estimators.cost import Cost
from archsieve.limits import Within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from archsieve.space import Architecture, SearchSpace
    from archsieve.task import Task


def cost_notes(
    estimators: Sequence[Any], space: SearchSpace, archs: Sequence[Architecture], task: Task
) -> tuple[str, ...]:
    """Return what the costs that these estimators and the space's limits go by leave out, as sentences, each once."""
    names = dict.fromkeys(name for estimator in estimators for name in _costs_of(estimator))
    names |= dict.fromkeys(_limited(space))
    notes: dict[str, None] = {}
    for name in names:
        for arch in archs:
            with suppress(ArchsieveError):  # one that cannot be built has no cost either, and its failure is told
                notes |= dict.fromkeys(notes_on(space, [arch], task, name))
    return tuple(notes)


def _costs_of(estimator: Any) -> Iterator[CostName]:
    """Yield the costs that an estimator goes by, in its parts and in what it learns from."""
    for leaf in leaves_of(estimator):
        if isinstance(leaf, Cost):
            yield leaf.name
        if lesson := getattr(leaf, "lesson", None):
            yield from _costs_of(lesson[0])


def _limited(space: SearchSpace) -> Iterator[CostName]:
    while isinstance(space, Within):
        yield from space.limits.bounds
        space = space.space
