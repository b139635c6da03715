"""Pools: the distinct networks of a space, or a sample of them, by canonical code in a seeded random order."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from archsieve.errors import SettingError
from archsieve.randomness import generator
from archsieve.spaces.contract import draw_distinct, size
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from archsieve.spaces.contract import Architecture, SearchSpace

Progress: TypeAlias = "Callable[[str, int, int], None]"
"""Called with (label, done, total) as work goes on."""

LARGEST_POOL = 1_000_000
_STALE = 100  # draws that repeat others before a space within limits is taken to hold no more
_QUIET = 1.0  # seconds before a count says how far it is
_EVERY = 0.2  # seconds between two reports


def draw_pool(
    space: SearchSpace, seed: int, sample: int | None = None, progress: Progress | None = None
) -> list[Architecture]:
    """Return all distinct networks of the space, or the first `sample` of them, shuffled by the seed.

    Where it is costly to check a code (`SearchSpace.is_costly_to_list`), a sample is checked as it is drawn, and
    no more codes than that.

    Raises:
        SettingError: the space is too large to list, or holds fewer than `sample` networks.
    """
    rng = generator(seed, "sample", "pool")
    _check_sample(space, sample)
    if size(space) > LARGEST_POOL:
        count = sample or 0  # checked to be given
        return draw_distinct(space, count, rng, _Report(f"{space.name}: networks drawn", count, progress).say)
    if space.is_costly_to_list:
        codes = _draw_one_by_one(space, rng, sample, progress)
        _check_count(space, sample, len(codes))
        return codes
    codes = sorted(_distinct(space, progress))
    _check_count(space, sample, len(codes))
    return [codes[i] for i in rng.permutation(len(codes))][:sample]


def draw_among(
    space: SearchSpace, archs: Sequence[Architecture], seed: int, sample: int | None = None
) -> list[Architecture]:
    """Return canonical codes in the order of `draw_pool`, or the first `sample` of them.

    Raises:
        SettingError: there are fewer than `sample`.
    """
    if sample is not None:
        check_whole("sample", sample)
        _check_count(space, sample, len(archs))
    codes = sorted(archs)
    return [codes[i] for i in generator(seed, "sample", "pool").permutation(len(codes))][:sample]


def draw_up_to(space: SearchSpace, seed: int, count: int) -> list[Architecture]:
    """Return the first `count` of `draw_pool`, or all if the space has fewer."""
    if not (space.is_costly_to_list and size(space) <= LARGEST_POOL):
        return draw_pool(space, seed, up_to(space, count))
    codes = _draw_one_by_one(space, generator(seed, "sample", "pool"), count)
    _check_count(space, None, len(codes))
    return codes


def up_to(space: SearchSpace, count: int) -> int:
    """Return `count`, or the number of distinct networks if a listable space has fewer.

    Where it is costly to check a code, no code is checked: the number of all codes is the bound.
    """
    if size(space) > LARGEST_POOL:
        return count
    return min(count, size(space) if space.is_costly_to_list else len(_distinct(space)))


def pool_size(space: SearchSpace, sample: int | None = None, progress: Progress | None = None) -> int:
    """Return the number of networks in a pool: all of the space, or `sample` of them.

    Where it is costly to check a code, only drawing a sample tells whether the space holds that many networks.

    Raises:
        SettingError: the space is too large to list, or holds fewer than `sample` networks.
    """
    _check_sample(space, sample)
    if sample is not None and (size(space) > LARGEST_POOL or space.is_costly_to_list):
        return sample
    count = len(_distinct(space, progress))
    _check_count(space, sample, count)
    return sample or count


def check_listable(space: SearchSpace) -> None:
    """Check that a space is small enough to list.

    Raises:
        SettingError: it is not.
    """
    if size(space) > LARGEST_POOL:
        raise SettingError(
            f"The space {space.name} has {size(space):.3g} codes, too many to score them all: use a sample."
        )


def _check_sample(space: SearchSpace, sample: int | None) -> None:
    """Check a sample size as far as possible without listing codes."""
    if sample is None:
        check_listable(space)
        return
    check_whole("sample", sample)
    if sample < 1:
        raise SettingError(f"`sample >= 1` must hold, but got {sample}.")
    if space.is_costly_to_list and size(space) <= LARGEST_POOL:
        _check_count(space, sample, size(space))


def _check_count(space: SearchSpace, sample: int | None, count: int) -> None:
    """Check that a space with `count` networks is large enough for the sample."""
    if not count:
        space.sample(generator(0, "sample", "pool"))  # raises, and says why there are none
    if sample is not None and sample > count:
        raise SettingError(f"`1 <= sample <= {count}` must hold in {space.name}, but got {sample}.")


def _distinct(space: SearchSpace, progress: Progress | None = None) -> set[Architecture]:
    report = _Report(f"{space.name}: codes checked", size(space), progress)
    networks = set()
    for checked, arch in enumerate(itertools.product(*map(range, space.choices)), 1):
        if space.is_valid(arch):
            networks.add(space.canonical(arch))
        report.say(checked)
    return networks


def _draw_one_by_one(
    space: SearchSpace, rng: np.random.Generator, count: int | None, progress: Progress | None = None
) -> list[Architecture]:
    """Return the first `count` networks, or all, from all codes in random order.

    Only canonical codes count, so that all networks are equally likely; no code is checked twice. Where limits are so
    tight that hardly a code is within, networks are drawn as the space draws them instead, until a hundred draws in a
    row bring no other.
    """
    report = _Report(f"{space.name}: networks drawn", size(space) if count is None else count, progress)
    if count is not None and getattr(space, "is_tight", False):
        return list(_draws_that_differ(space, rng, count, report))
    drawn: list[Architecture] = []
    for checked, place in enumerate(rng.permutation(size(space)), 1):
        arch = tuple(int(option) for option in np.unravel_index(place, space.choices))
        if space.canonical(arch) == arch and space.is_valid(arch):
            drawn.append(arch)
        report.say(checked if count is None else len(drawn))
        if len(drawn) == count:
            break
    return drawn


def _draws_that_differ(
    space: SearchSpace, rng: np.random.Generator, count: int, report: _Report
) -> dict[Architecture, None]:
    """Return up to `count` distinct networks drawn from the space, in order."""
    drawn: dict[Architecture, None] = {}
    stale = 0
    while len(drawn) < count and stale < _STALE:
        before = len(drawn)
        drawn[space.canonical(space.sample(rng))] = None
        stale = stale + 1 if len(drawn) == before else 0
        report.say(len(drawn))
    return drawn


class _Report:
    """Reports the progress of a long count: after one second, at intervals, and at its end."""

    def __init__(self, label: str, total: int, progress: Progress | None) -> None:
        self._label, self._total, self._progress = label, total, progress
        self._next = time.monotonic() + _QUIET
        self._is_shown = False

    def say(self, done: int) -> None:
        """Report that `done` items of the total are counted."""
        if self._progress is None:
            return
        now, is_over = time.monotonic(), done >= self._total
        if now >= self._next or (is_over and self._is_shown):
            self._next, self._is_shown = now + _EVERY, True
            self._progress(self._label, done, self._total)
