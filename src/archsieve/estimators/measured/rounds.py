"""Rounds of timings: networks take turns, so that disturbances of the machine affect all of them alike."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WARM_UP = 0.1
"""Seconds of passes before the first round."""
Passes: TypeAlias = "Callable[[int], None]"
"""Runs so many passes of a network, and returns when they are over."""


class Clocks(NamedTuple):
    """The clocks: wall time, and processor time of this process."""

    wall: Callable[[], float] = time.perf_counter
    processor: Callable[[], float] = time.process_time


@dataclass(frozen=True)
class Timing:
    """The milliseconds of a network's pass in each round, by wall time and by processor time.

    Attributes:
        wall: of each round.
        processor: of each round.
        passes: of a round.
    """

    wall: tuple[float, ...]
    processor: tuple[float, ...]
    passes: int

    @property
    def share(self) -> float:
        """Processor time divided by wall time; below 1 if other processes used the core."""
        return sum(self.processor) / sum(self.wall) if sum(self.wall) else 0.0


def spread_of(milliseconds: Sequence[float]) -> float:
    """Return (median - minimum) / minimum of the rounds.

    >>> spread_of([10.0, 11.0, 30.0])
    0.1
    """
    least = min(milliseconds)
    return round(float(np.median(milliseconds)) / least - 1, 6) if least > 0 else math.inf


def timed(
    networks: Sequence[Passes], *, rounds: int, seconds: float, warm_up: float = WARM_UP, clocks: Clocks | None = None
) -> list[Timing]:
    """Return the timings of networks measured in turn.

    Each is warmed up alone. In a round each makes one pass that does not count, and then as many as take about
    `seconds`, one at least; every other round goes backwards.

    Args:
        networks: what runs passes.
        rounds: how many.
        seconds: of a round of one network, about.
        warm_up: seconds of passes before the first round, one pass at least.
        clocks: what tells the time.
    """
    clocks = clocks or Clocks()
    passes = [_passes_in(seconds, _warmed_up(network, warm_up, clocks)) for network in networks]
    wall: list[list[float]] = [[] for _ in networks]
    processor: list[list[float]] = [[] for _ in networks]
    for number in range(rounds):
        order = range(len(networks))
        for place in order if number % 2 == 0 else reversed(order):
            run, count = networks[place], passes[place]
            run(1)
            begun, spent = clocks.wall(), clocks.processor()
            run(count)
            processor[place].append(1000 * (clocks.processor() - spent) / count)
            wall[place].append(1000 * (clocks.wall() - begun) / count)
    return [Timing(tuple(w), tuple(p), count) for w, p, count in zip(wall, processor, passes, strict=True)]


def _warmed_up(run: Passes, seconds: float, clocks: Clocks) -> float:
    """Warm up a network, and return the time of its fastest pass."""
    begun, quickest = clocks.wall(), math.inf
    while True:
        before = clocks.wall()
        run(1)
        now = clocks.wall()
        quickest = min(quickest, now - before)
        if now - begun >= seconds:
            return quickest


def _passes_in(seconds: float, each: float) -> int:
    return max(1, min(100_000, round(seconds / each))) if each > 0 else 100_000
