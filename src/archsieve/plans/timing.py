"""Timing of whole trainings on this device."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsieve.errors import ArchsieveError, ends_the_run
from archsieve.estimators.contract import Context
from archsieve.randomness import generator
from archsieve.runs.executors import single_thread
from archsieve.spaces.sizes import size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

_EPOCHS = 3  # of the longer of two trainings that are timed
_MOST_TRAINED = 8  # networks


def whole_trainings(
    space: SearchSpace,
    task: Task,
    recipe: Any,
    seed: int,
    an_epoch: float,
    seconds: float,
    device: str,
    clock: Callable[[], float],
    drawn: int = 1,
) -> tuple[float, float] | None:
    """Return the seconds per epoch and the fixed seconds of a training, from trainings of one and three epochs.

    None where there is no time for such trainings, or where they fail: an epoch as long as `an_epoch` is then believed.
    Networks are drawn until the time is over; of so many `drawn` the largest is trained.
    """
    if an_epoch <= 0:
        return None
    pair = [replace(recipe, epochs=epochs, horizon=epochs) for epochs in (1, _EPOCHS)]
    rng, begun = generator(seed, "sample", "trained"), clock()
    times: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder, single_thread(), suppress(ArchsieveError):
        while len(times) < _MOST_TRAINED:
            spent = clock() - begun
            each = spent / len(times) if times else 1.5 * (1 + _EPOCHS) * an_epoch
            if each > seconds - spent:
                break
            arch = largest_of(drawn, space, task, rng)
            marks = [clock()]
            for timed in pair:
                workdir = Path(folder) / f"{len(times)}-{timed.epochs}"
                workdir.mkdir()
                timed.score([arch], Context(space, task, workdir, seed, device))
                marks.append(clock())
            times.append((marks[1] - marks[0], marks[2] - marks[1]))
    if not times:
        return None
    short, long = (sum(each) / len(times) for each in zip(*times, strict=True))
    an_epoch = (long - short) / (_EPOCHS - 1)
    return (an_epoch, max(0.0, short - an_epoch)) if an_epoch > 0 else None


def largest_of(drawn: int, space: SearchSpace, task: Task, rng: np.random.Generator) -> Architecture:
    """Return the one with the most multiply-adds of so many networks drawn; the first where these are unknown."""
    archs = [space.canonical(space.sample(rng)) for _ in range(drawn)]
    if drawn == 1:
        return archs[0]
    try:
        return max(archs, key=lambda arch: size_of(space, arch, task, "macs"))
    except Exception as error:  # whatever a user's model raises; its training reports it
        if ends_the_run(error):
            raise
        return archs[0]
