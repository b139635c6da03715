"""The metric of networks on a split: every item once, in order, without augmentation."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from archsieve.errors import ScoringError, SettingError
from archsieve.networks.building import as_inputs
from archsieve.networks.inputs import call, first_of, items_in
from archsieve.networks.outputs import main_output
from archsieve.tasks.data.batching import joined, made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from archsieve.networks.form import Given
    from archsieve.tasks.contract import Metric, Split, Task

K = TypeVar("K")


def evaluate(
    forward: Any,
    task: Task,
    split: Split,
    *,
    batch_size: int = 256,
    limit: int | None = None,
    device: str = "cpu",
) -> float:
    """Return the task's metric of one network; `forward` is the network or a function. See `evaluate_each`.

    Raises:
        ScoringError: the network puts out NaN, or its metric is NaN.
        SettingError: the split is empty.
    """

    def outputs(inputs: Given) -> Iterator[tuple[None, Tensor]]:
        yield None, call(forward, inputs)

    metric = evaluate_each(outputs, task, split, batch_size=batch_size, limit=limit, device=device)[None]
    if math.isnan(metric):
        raise ScoringError(no_metric(split))
    return metric


def no_metric(split: Split) -> str:
    """Return the reason why a network's metric on a split is NaN."""
    return f"the network puts out NaN on the split {split!r}, so that its metric there is none"


def evaluate_each(
    outputs: Callable[[Given], Iterable[tuple[K, Tensor]]],
    task: Task,
    split: Split,
    *,
    batch_size: int = 256,
    limit: int | None = None,
    device: str = "cpu",
) -> dict[K, float]:
    """Return the task's metric as a score (higher is better) for each key that `outputs` yields.

    It is measured on the first `limit` items of a split, or on all; every item counts once. A last batch smaller than
    half is joined to the one before, so that batch statistics never come from a few items only. If any output is NaN,
    the metric is NaN: a broken network is not the same as one that is always wrong.

    Raises:
        SettingError: the split is empty.
    """
    metrics: defaultdict[K, Metric] = defaultdict(task.metric)
    broken: dict[K, Tensor] = {}  # stays on the device, so that no batch waits for the one before
    items = 0
    with torch.no_grad():
        batches = first_items(task.batches(split, batch_size=batch_size, device=device), limit)
        for batch in joined(map(made, batches), least=batch_size // 2):
            inputs, targets = batch.make()
            for key, output in outputs(as_inputs(inputs)):
                predictions = main_output(output)
                metrics[key].update(predictions, targets)
                is_nan = predictions.isnan().any()
                broken[key] = broken[key] | is_nan if key in broken else is_nan
            items += items_in(inputs)
    if not items:
        raise SettingError(f"The task {task.name!r} has no items in its split {split!r}.")
    sign = 1 if task.higher_is_better else -1
    return {key: math.nan if broken[key] else sign * metric.compute() for key, metric in metrics.items()}


def first_items(batches: Iterable[tuple[Given, Tensor]], limit: int | None) -> Iterator[tuple[Given, Tensor]]:
    """Yield batches of the first `limit` items, or of all if it is None."""
    remaining = math.inf if limit is None else limit
    for inputs, targets in batches:
        take = int(min(remaining, items_in(inputs)))
        if take:
            yield first_of(inputs, take), targets[:take]
        remaining -= take
        if remaining <= 0:
            return
