"""Pools: the networks of a space, or a sample of them, by canonical code in an order drawn by seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.errors import SettingError
from archsieve.randomness import generator
from archsieve.space import draw_distinct, enumerate_space, size

if TYPE_CHECKING:
    from archsieve.space import Architecture, SearchSpace

LARGEST_POOL = 1_000_000


def draw_pool(space: SearchSpace, seed: int, sample: int | None = None) -> list[Architecture]:
    """Return all distinct networks of the space, or the first `sample` of them, shuffled by the seed.

    Raises:
        SettingError: the space is too large to list, or holds fewer than `sample` networks.
    """
    rng = generator(seed, "sample", "pool")
    count = pool_size(space, sample)
    if size(space) > LARGEST_POOL:
        return draw_distinct(space, count, rng)
    codes = sorted(_distinct(space))
    return [codes[i] for i in rng.permutation(len(codes))][:count]


def draw_up_to(space: SearchSpace, seed: int, count: int) -> list[Architecture]:
    """Return the first `count` of `draw_pool`, or all where the space holds fewer."""
    return draw_pool(space, seed, up_to(space, count))


def up_to(space: SearchSpace, count: int) -> int:
    """Return `count`, or the number of distinct networks where a space that can be listed holds fewer."""
    return count if size(space) > LARGEST_POOL else min(count, len(_distinct(space)))


def pool_size(space: SearchSpace, sample: int | None = None) -> int:
    """Return how many networks a pool has: all of the space, or `sample` of them.

    Raises:
        SettingError: the space is too large to list, or holds fewer than `sample` networks.
    """
    if sample is not None and sample < 1:
        raise SettingError(f"`sample >= 1` must hold, but got {sample}.")
    if size(space) > LARGEST_POOL:
        if sample is None:
            raise SettingError(
                f"The space {space.name} has {size(space):.3g} codes, too many to score all: ask for a sample."
            )
        return sample
    count = len(_distinct(space))
    if not count:
        space.sample(generator(0, "sample", "pool"))  # raises, and says why there are none
    if sample is not None and sample > count:
        raise SettingError(f"`1 <= sample <= {count}` must hold in {space.name}, but got {sample}.")
    return sample or count


def _distinct(space: SearchSpace) -> set[Architecture]:
    return {space.canonical(arch) for arch in enumerate_space(space)}
