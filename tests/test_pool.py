"""Pools of spaces that can be listed, and of those that cannot."""

from dataclasses import dataclass

import numpy as np
import pytest

from archsieve.errors import ArchitectureError, SettingError
from archsieve.pool import draw_pool, draw_up_to, pool_size
from archsieve.randomness import generator
from archsieve.space import SearchSpace, draw_distinct
from archsieve.spaces.darts import DARTS
from archsieve.spaces.nasbench201 import NASBench201
from archsieve.spaces.nasbench_macro import NASBenchMacro


@dataclass(frozen=True)
class Big(SearchSpace):
    """4^40 codes, or those of them that sum to little."""

    most: int = 999
    options: tuple = (4,) * 40

    @property
    def choices(self):
        return self.options

    def is_valid(self, arch):
        return sum(arch) <= self.most

    def build(self, arch, task):
        raise NotImplementedError


class Own(Big):
    """Draws in its own way."""

    def sample(self, rng):
        return (int(rng.integers(4)),) * 40


def one_by_one(space, count, rng):
    """Return what drawing one code at a time gives."""
    drawn = {}
    while len(drawn) < count:
        drawn[space.canonical(space.sample(rng))] = None
    return list(drawn)


@pytest.mark.parametrize(
    "space",
    [DARTS(), NASBench201(), NASBenchMacro(), Big(), Big(50), Big(options=(1, 300, 2, 1, 1000, 7, 5))],
    ids=["darts", "cells", "macro", "big", "constrained", "mixed"],
)
def test_drawing_many_at_a_time_draws_the_same(space):
    found = draw_distinct(space, 1500, np.random.default_rng(7))
    assert found == one_by_one(space, 1500, np.random.default_rng(7))
    assert all(type(option) is int for arch in found for option in arch)


def test_a_space_that_draws_in_its_own_way_is_asked():
    found = draw_distinct(Own(), 4, np.random.default_rng(0))
    assert found == one_by_one(Own(), 4, np.random.default_rng(0))
    assert {len(set(arch)) for arch in found} == {1}
    with pytest.raises(ArchitectureError, match="gave only 4 different networks of the 5 asked for"):
        draw_distinct(Own(), 5, np.random.default_rng(0))


def test_nothing_is_drawn_where_nothing_is_asked_for():
    assert draw_distinct(Big(), 0, np.random.default_rng(0)) == []


def test_a_space_whose_limits_forbid_everything_is_a_sentence():
    with pytest.raises(ArchitectureError, match=r"No valid architecture of Big in 10000 draws: relax its limits\."):
        draw_distinct(Big(-1), 1, np.random.default_rng(0))


def test_pools_of_a_space_too_large_to_list():
    space = DARTS()
    pool = draw_pool(space, 3, 2000)
    assert len(set(pool)) == 2000
    assert all(space.canonical(arch) == arch for arch in pool)
    assert pool == one_by_one(space, 2000, generator(3, "sample", "pool"))
    assert pool[:100] == draw_pool(space, 3, 100) == draw_up_to(space, 3, 100)
    assert pool[:100] != draw_pool(space, 4, 100)
    assert pool_size(space, 10**9) == 10**9
    with pytest.raises(SettingError, match=r"The space darts has 1\.08e\+18 codes, too many to score all: ask for a s"):
        draw_pool(space, 0)


def test_a_pool_of_a_space_that_can_be_listed():
    space = NASBenchMacro(4, (6, 8), (2, 3), 8)  # 9 of the first stage, 3 * (1 + 2 + 4) of the second
    codes = {space.canonical(arch) for arch in draw_pool(space, 0)}
    assert len(draw_pool(space, 0)) == len(codes) == pool_size(space) == 189
    assert draw_up_to(space, 0, 10**6) == draw_pool(space, 0)
    with pytest.raises(SettingError, match="`1 <= sample <= 189` must hold in nasbench-macro"):
        draw_pool(space, 0, 190)
