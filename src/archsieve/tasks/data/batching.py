"""Batches for training and scoring: merging of a small last batch, micro-batches, and reading ahead."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import torch
from torch import Tensor

from archsieve.networks.form import Given
from archsieve.networks.inputs import items_in, parts_of
from archsieve.tasks.contract import completed_task

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from archsieve.tasks.contract import Split, Task

Batch: TypeAlias = tuple[Given, Tensor]
"""Inputs and targets."""

T = TypeVar("T")


class Pending(NamedTuple):
    """A batch made on request, by a call that is independent of all others.

    `shape` is the size of its items where a task has several sizes: items that differ in it cannot share a batch.
    """

    items: int
    make: Callable[[], Batch]
    shape: Hashable = None


def pending_batches(task: Task, split: Split, **settings: Any) -> Iterator[Pending]:
    """Return the batches of `task.batches`, made on request if the task supports that."""
    later = completed_task(task).pending(split, **settings)
    return map(made, task.batches(split, **settings)) if later is None else later


def made(batch: Batch) -> Pending:
    """Return an existing batch as a pending one."""
    shape = tuple(tensor.shape[1:] for tensor in (*parts_of(batch[0]), batch[1]))
    return Pending(items_in(batch[0]), partial(tuple, batch), shape)  # type: ignore[arg-type]


def joined(batches: Iterable[Pending], least: int) -> Iterator[Pending]:
    """Yield the batches; one with fewer than `least` items is merged with the preceding one if that is possible.

    If all items have one size, only the last batch can be so small.
    """
    previous: Pending | None = None
    for batch in batches:
        if previous is None:
            previous = batch
        elif batch.items < min(least, previous.items) and batch.shape == previous.shape:
            previous = Pending(previous.items + batch.items, partial(_together, previous, batch), previous.shape)
        else:
            yield previous
            previous = batch
    if previous is not None:
        yield previous


def _together(first: Pending, second: Pending) -> Batch:
    (inputs, targets), (more, others) = first.make(), second.make()
    return _joined_inputs(inputs, more), torch.cat([targets, others])


def _joined_inputs(first: Given, second: Given) -> Given:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return torch.cat([first, second])
    if isinstance(first, dict) and isinstance(second, dict):
        return {name: torch.cat([tensor, second[name]]) for name, tensor in first.items()}
    return tuple(torch.cat(pair) for pair in zip(parts_of(first), parts_of(second), strict=True))


def count_steps(items: int, micro_batch_size: int, parts: int) -> int:
    """Return the number of steps in an epoch, with `parts` micro-batches per step.

    >>> [count_steps(n, 2, 1) for n in (1, 2, 3, 4)], count_steps(50_000, 96, 1), count_steps(10, 2, 2)
    ([1, 1, 1, 2], 521, 3)
    """
    whole, rest = divmod(items, micro_batch_size)
    is_own = rest >= min(2, micro_batch_size) or not whole
    return -(-(whole + (rest > 0 and is_own)) // parts)


class Share(NamedTuple):
    """The share of a step for one process: its micro-batches with their positions among all `parts`."""

    parts: int
    own: list[tuple[int, Pending]]


def in_steps(batches: Iterable[Pending], parts: int, rank: int, size: int) -> Iterator[Share]:
    """Yield a process's share of each step of `parts` micro-batches; an epoch's last step may have fewer."""
    stream = iter(batches)
    while step := list(islice(stream, parts)):
        yield Share(len(step), [(place, batch) for place, batch in enumerate(step) if place % size == rank])


def ahead(calls: Iterable[Callable[[], T]]) -> Iterator[T]:
    """Yield the results of calls in order; each is computed in a thread while the preceding one is used."""
    stream = iter(calls)
    with ThreadPoolExecutor(1) as thread:
        futures = [thread.submit(call) for call in islice(stream, 2)]
        while futures:
            yield futures.pop(0).result()
            futures += [thread.submit(call) for call in islice(stream, 1)]
