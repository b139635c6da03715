"""Sampling of the supernet paths that are trained in a step."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from archsieve.errors import SettingError
from archsieve.randomness import generator
from archsieve.spaces.contract import size
from archsieve.spaces.sampling import LARGEST_POOL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from archsieve.spaces.contract import Architecture, SearchSpace


def uniform(space: SearchSpace, rng: np.random.Generator) -> Iterator[Architecture]:
    """Yield one random path of the space."""
    yield space.sample(rng)


def fair(space: SearchSpace, rng: np.random.Generator) -> Iterator[Architecture]:
    """Yield paths that together contain every option of every decision once."""
    paths = np.stack([rng.permutation(options) for options in space.choices], axis=1)
    yield from (tuple(path) for path in paths.tolist())


def sandwich(space: SearchSpace, rng: np.random.Generator, count: int) -> Iterator[Architecture]:
    """Yield the largest path, the smallest, and `count` random paths of the space."""
    smallest, largest = ends(space)
    yield from (largest, smallest)
    yield from (space.sample(rng) for _ in range(count))


def ends(space: SearchSpace) -> tuple[Architecture, Architecture]:
    """Return the smallest and the largest architecture.

    Raises:
        SettingError: the space has no such.
    """
    if space.extremes is None:
        raise SettingError(
            f"The sandwich rule trains the smallest and the largest network, but the space {space.name} does not "
            f'declare them: give it `extremes`, or use sampling="uniform".'
        )
    return space.extremes


def check_sandwich(space: SearchSpace) -> None:
    """Check that the space has a smallest and a largest architecture; raises as `ends`."""
    _ = ends(space)


def check_fair(space: SearchSpace) -> None:
    """Check that every option can be trained once per step.

    Raises:
        SettingError: decisions differ in options, or not every code is an architecture (of a space too large to list
            ten thousand are looked at; one thousand where it is costly to check a code).
    """
    least, most = min(space.choices), max(space.choices)
    if least != most:
        raise SettingError(
            f"Fair sampling trains every option equally often, but the decisions of {space.name} have {least} to "
            f'{most} options: use sampling="uniform".'
        )
    rng = generator(0, "sample", "fair")
    looked_at = 1_000 if space.is_costly_to_list else 10_000
    samples = (tuple(rng.integers(0, space.choices).tolist()) for _ in range(looked_at))
    is_sampled = size(space) > (looked_at if space.is_costly_to_list else LARGEST_POOL)
    codes = samples if is_sampled else itertools.product(range(most), repeat=len(space.choices))
    if not all(map(space.is_valid, codes)):
        raise SettingError(
            f'Fair sampling combines options freely, which {space.name} forbids: use sampling="uniform".'
        )
