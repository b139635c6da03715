"""Moves of single decisions: towards limits, and at random within them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.spaces.contract import movable_decisions

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from archsieve.spaces.contract import Architecture, SearchSpace

_PATIENCE = 1000  # moves without gain before a descent is given up
_STEPS = 8  # moves of a walk by decision


def descend(
    space: SearchSpace, excess: Callable[[Architecture], float], arch: Architecture, rng: np.random.Generator
) -> Architecture:
    """Return the end of moves that never increase the excess, stopping at 0 or after many moves without gain."""
    least, stale = excess(arch), 0
    while least > 0 and stale < _PATIENCE:
        neighbour = space.mutate(arch, rng)
        neighbour_excess = excess(neighbour)
        stale = 0 if neighbour_excess < least else stale + 1
        if neighbour_excess <= least:
            arch, least = neighbour, neighbour_excess
    return arch


def walk(
    space: SearchSpace, is_within: Callable[[Architecture], bool], arch: Architecture, rng: np.random.Generator
) -> Architecture:
    """Return the end of a random walk within limits; moves that would leave them are rejected but counted."""
    for _ in range(_STEPS * len(movable_decisions(tuple(space.choices)))):
        neighbour = space.mutate(arch, rng)
        if is_within(neighbour):
            arch = neighbour
    return arch
