"""Rounds of timings: networks take turns, so that what disturbs the machine disturbs all of them alike."""

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
    """What tells the seconds: of the wall, and of the processor's time that this process took."""

    wall: Callable[[], float] = time.perf_counter
    processor: Callable[[], float] = time.process_time


@dataclass(frozen=True)
class Timing:
    """What a pass of a network took in each round, in milliseconds, by the wall and by the processor.

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
        """The processor's time as a share of the wall's; below 1 where other processes took the core in between."""
        return sum(self.processor) / sum(self.wall) if sum(self.wall) else 0.0


def spread_of(milliseconds: Sequence[float]) -> float:
    """Return how far the median of rounds lies above their minimum, as a share of it.

    >>> spread_of([10.0, 11.0, 30.0])
    0.1
    """
    least = min(milliseconds)
    return round(float(np.median(milliseconds)) / least - 1, 6) if least > 0 else math.inf


def timed(
    networks: Sequence[Passes], *, rounds: int, seconds: float, warm_up: float = WARM_UP, clocks: Clocks | None = None
) -> list[Timing]:
    """Return the timings of networks that take turns.

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
    """Warm a network up, and return what its quickest pass took."""
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
