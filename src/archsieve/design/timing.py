"""Timing of networks on this device: each proxy, training, drawing, and the overhead of a search."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from archsieve.errors import ArchitectureError, SettingError, ends_the_run
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.forecast import hours_of
from archsieve.plans.timing import largest_of, whole_trainings
from archsieve.randomness import generator
from archsieve.registry import ESTIMATORS
from archsieve.searchers.contract import Stage
from archsieve.spaces.contract import size
from archsieve.spaces.sampling import LARGEST_POOL, pool_size
from archsieve.spaces.sizes import size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsieve.spaces.contract import SearchSpace
    from archsieve.tasks.contract import Task

FEATURES = ("nwot", "swap", "synflow_log", "jacov")
"""Proxies to choose from: those of the mean rank that ranked three recorded spaces best."""
_PROBED = 16
_DRAWN = 16  # networks whose drawing is timed
_OF_EACH = 4  # networks drawn, of which the largest is timed: what a search trains is larger than most networks
_WEIGHED = 16  # networks by whose multiply-adds a mean one is compared with such a large one


@dataclass(frozen=True)
class Timing:
    """Measured seconds per network: of each feature, of a training epoch, and of scoring.

    Attributes:
        features: of each proxy.
        epoch: of a training.
        scoring: of what a training takes beside its epochs: to build the network, to score it, to keep it.
        final_scoring: the same, on the test split.
        draw: to draw it.
        start: not of a network but of the command: to start, to read the data, to find the decisions of the space.
        supernet: of an epoch of the supernet, and of scoring a network by it; None where nobody asked.
    """

    features: dict[str, float]
    epoch: float
    scoring: float = 0.0
    final_scoring: float = 0.0
    draw: float = 0.0
    start: float = 0.0
    supernet: tuple[float, float] | None = None


def measure(
    space: SearchSpace,
    task: Task,
    recipe: Any,
    seed: int,
    known: set[str],
    *,
    seconds: float,
    device: str = "cpu",
    clock: Callable[[], float] = time.perf_counter,
    began: float | None = None,
    supernet: Any = None,
) -> Timing:
    """Return the measured seconds of the features and of an epoch of the recipe for one network.

    A feature that fails is left out. Trainings are timed by a few steps, and whole where short ones fit into the time.
    They are those of large networks, the largest of four drawn: proxies prefer such networks, and so does a search.

    Args:
        space: of the networks.
        task: what they are for.
        recipe: of the training.
        seed: of the networks that are timed.
        known: features that are looked up, and take no time.
        seconds: what timing may take, about.
        device: where.
        clock: returns seconds.
        began: the time of the clock at which this process started, if it does nothing but this; None: unknown, and the
            start is taken to be free.
        supernet: an estimator that trains one for an epoch and scores by it, to be timed too.

    Raises:
        SettingError: the training cannot be timed, since it fails.
    """
    draw = _drawing(space, seed, clock)
    proxies = [ESTIMATORS["zero_cost"](name) for name in FEATURES if name not in known]
    stages = [Stage(e, keep=1.0) for e in (*proxies, *([] if supernet is None else [supernet]))]
    epoch = replace(recipe, epochs=1)
    pool = Pool(sample=min(_PROBED, count_of(space)))
    probe = Plan(space, task, (*stages, Stage(epoch, top=1)), pool=pool, seed=seed)
    errors: list[Exception] = []
    _read(task)
    start = 0.0 if began is None else max(0.0, clock() - began)
    hours = hours_of(probe, device=device, seconds=seconds / 2, clock=clock, on_failure=errors.append, by_steps=True)
    if hours[-1] is None:
        raise _why_not(space, task, errors)
    n = probe.pool.sample or 1
    timed = {proxy.name: hour * 3600 / n for proxy, hour in zip(proxies, hours, strict=False) if hour is not None}
    features = dict.fromkeys((f for f in FEATURES if f in known), 0.0) | timed
    price, tested = (replace(epoch, split=split).price(1, space, task) for split in ("validation", "test"))
    an_epoch = hours[-1] * 3600 / n * price.training / (price.training + price.scoring)
    an_epoch *= _weight_of_large(space, task, seed)
    scoring, final = an_epoch * price.scoring, an_epoch * tested.scoring
    if whole := whole_trainings(space, task, recipe, seed, an_epoch, seconds / 2, device, clock, _OF_EACH):
        more = whole[0] * (tested.scoring - price.scoring)
        an_epoch, scoring, final = whole[0], whole[1], max(0.0, whole[1] + more)
    passes = None if supernet is None else _of_supernet(supernet, hours[-2], n, space, task)
    return Timing(features, an_epoch, scoring, final, draw, start, passes)


def count_of(space: SearchSpace) -> int:
    """Return how many networks a pool may have."""
    if size(space) > LARGEST_POOL or space.is_costly_to_list:
        return min(size(space), LARGEST_POOL)
    return pool_size(space)


def _drawing(space: SearchSpace, seed: int, clock: Callable[[], float]) -> float:
    """Return the seconds to draw a network, without the first one, which includes finding the decisions.

    Raises:
        ArchitectureError: the space, or its limits, hold none.
    """
    rng = generator(seed, "sample", "timing")
    space.sample(rng)
    begun = clock()
    for _ in range(_DRAWN):
        space.canonical(space.sample(rng))
    return (clock() - begun) / _DRAWN


def _weight_of_large(space: SearchSpace, task: Task, seed: int) -> float:
    """Return the multiply-adds of the largest of four networks divided by those of one; 1 if they are unknown."""
    rng = generator(seed, "sample", "weight")
    try:
        of_each = [largest_of(count, space, task, rng) for count in (1, _OF_EACH) for _ in range(_WEIGHED)]
        macs = [size_of(space, arch, task, "macs") for arch in of_each]
    except Exception as error:  # whatever a user's model raises; its training reports it
        if ends_the_run(error):
            raise
        return 1.0
    mean = sum(macs[:_WEIGHED])
    return max(1.0, sum(macs[_WEIGHED:]) / mean) if mean else 1.0


def _read(task: Task) -> None:
    """Read the data once beforehand, so that later timings exclude it."""
    with suppress(Exception):  # what is wrong with them is said where a training is timed
        next(iter(task.batches("train", batch_size=2)), None)


def _of_supernet(
    supernet: Any, hours: float | None, n: int, space: SearchSpace, task: Task
) -> tuple[float, float] | None:
    """Return the seconds of a supernet epoch and of one network's score, from the hours for one and for `n`."""
    if hours is None:
        return None
    price = supernet.price(n, space, task)
    unit = 3600 * hours / (price.training + price.scoring)
    return unit * price.training, unit * price.scoring / n


def _why_not(space: SearchSpace, task: Task, errors: list[Exception]) -> Exception:
    """Return the error to raise if no training could be timed."""
    if errors and isinstance(errors[-1], ArchitectureError):
        return errors[-1]  # of the space or its limits, not of the training
    why = f", since it fails: {' '.join(str(errors[-1]).split()).rstrip('.')[:400]}" if errors else ""
    return SettingError(f"The training of a network of {space.name} on {task.name} cannot be timed{why}.")
