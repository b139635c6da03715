"""Pools of spaces that can be listed, and of those that cannot."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pytest

from archsieve.errors import ArchitectureError, SettingError
from archsieve.randomness import generator
from archsieve.spaces import sampling as module
from archsieve.spaces.contract import SearchSpace, draw_distinct
from archsieve.spaces.darts.space import DARTS
from archsieve.spaces.form import Form
from archsieve.spaces.limits import Limits
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.sampling import draw_pool, draw_up_to, pool_size, up_to
from archsieve.spaces.within import Within


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
    with pytest.raises(ArchitectureError, match="gave only 4 different networks, but 5 were requested"):
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
    with pytest.raises(
        SettingError, match=r"The space darts has 1\.08e\+18 codes, too many to score them all: use a s"
    ):
        draw_pool(space, 0)


def test_a_pool_of_a_space_that_can_be_listed():
    space = NASBenchMacro(4, (6, 8), (2, 3), 8)  # 9 of the first stage, 3 * (1 + 2 + 4) of the second
    codes = {space.canonical(arch) for arch in draw_pool(space, 0)}
    assert len(draw_pool(space, 0)) == len(codes) == pool_size(space) == 189
    assert draw_up_to(space, 0, 10**6) == draw_pool(space, 0)
    with pytest.raises(SettingError, match="`1 <= sample <= 189` must hold in nasbench-macro"):
        draw_pool(space, 0, 190)


FORM = Form((3, 32, 32), 10)
GOLDEN = {
    "macro": (NASBenchMacro(), 3969, "433b16d58f066c6a", "3fd8173d9efeaa6b"),
    "cells": (NASBench201(), 6590, "5ece0d0ec7a075c9", "b41df5f1dc470516"),
    "macro within": (
        Within(NASBenchMacro(), FORM, Limits(max_params=1e6)),
        526,
        "f1e351c310430296",
        "cc814ff7c063fcfb",
    ),
    "cells within": (
        Within(NASBench201(), FORM, Limits(max_macs=8e7, min_params=2e5)),
        2754,
        "25598ff7610d3a9b",
        "a0cf69d68071ca5b",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_pools_of_a_seed_stay_as_they_were(name):
    space, count, everything, some = GOLDEN[name]
    pools = draw_pool(space, 5), draw_pool(space, 5, 40)
    assert (len(pools[0]), pools[0][:40]) == (count, pools[1])
    assert [hashlib.sha256(repr(pool).encode()).hexdigest()[:16] for pool in pools] == [everything, some]


@dataclass(frozen=True)
class Costly(SearchSpace):
    """6^6 codes, some of them twins or excluded, and a record of those that were checked."""

    checked: list
    options: tuple = (6,) * 6
    is_costly_to_list = True

    @property
    def choices(self):
        return self.options

    def is_valid(self, arch):
        self.checked.append(arch)
        return sum(arch) % 3 > 0

    def canonical(self, arch):
        return (*arch[:-2], *sorted(arch[-2:]))

    def build(self, arch, task):
        raise NotImplementedError


def test_a_sample_of_a_costly_space_is_checked_as_it_is_drawn():
    space = Costly([])
    assert pool_size(space, 40) == 40
    assert up_to(space, 40) == 40
    assert space.checked == []
    pool = draw_pool(space, 3, 40)
    assert 40 <= len(space.checked) < 120  # two of three are within
    assert len(set(space.checked)) == len(space.checked)
    assert [a for a in space.checked if sum(a) % 3] == pool
    assert all(type(option) is int for arch in pool for option in arch)
    assert draw_pool(space, 3, 20) == pool[:20] == draw_up_to(space, 3, 20)
    assert draw_pool(space, 4, 40) != pool


def test_networks_of_a_costly_space_are_drawn_alike():
    """Of the codes of two options, 00, 01 and 11 are networks: 01 has two codes, and is first as often as 00."""

    @dataclass(frozen=True)
    class Pair(Costly):
        options: tuple = (2, 2)

        def is_valid(self, arch):
            return True

    first = [draw_pool(Pair([]), seed, 1)[0] for seed in range(600)]
    assert {code: first.count(code) for code in set(first)} == pytest.approx(
        dict.fromkeys([(0, 0), (0, 1), (1, 1)], 200), abs=45
    )


def test_a_costly_space_that_holds_fewer_is_listed_and_says_so():
    space = Costly([], (2, 2, 2))  # 000 and 111 sum to multiples of 3; 010 and 110 are twins of 001 and 101
    everything = draw_pool(space, 0)
    assert sorted(everything) == [(0, 0, 1), (0, 1, 1), (1, 0, 0), (1, 0, 1)]
    assert draw_up_to(space, 0, 100) == everything == draw_pool(space, 0, 4)
    assert pool_size(space) == 4
    with pytest.raises(SettingError, match="`1 <= sample <= 4` must hold in Costly, but got 5"):
        draw_pool(space, 0, 5)
    with pytest.raises(SettingError, match="`1 <= sample <= 8` must hold in Costly, but got 9"):
        pool_size(space, 9)
    with pytest.raises(SettingError, match="`sample >= 1` must hold, but got 0"):
        pool_size(space, 0)


@pytest.mark.parametrize(
    ("ask", "label", "total"),
    [
        (lambda space, told: pool_size(space, None, told), "Costly: codes checked", 6**4),
        (lambda space, told: draw_pool(space, 0, None, told), "Costly: networks drawn", 6**4),
        (lambda space, told: draw_pool(space, 0, 30, told), "Costly: networks drawn", 30),
    ],
)
def test_a_long_count_says_how_far_it_is(ask, label, total, monkeypatch):
    told, now = [], [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now.__setitem__(0, now[0] + 0.05) or now[0])
    ask(Costly([], (6,) * 4), lambda *report: told.append(report))
    assert {(label, total)} == {(name, most) for name, _, most in told}
    done = [done for _, done, _ in told]
    assert done == sorted(done)
    assert done[-1] == total
    assert done[0] > 5  # nothing in the first second
    assert len(done) <= total / 2  # and no more than five a second
    monkeypatch.undo()
    quick = []
    ask(Costly([], (2,) * 5 if total != 30 else (6,) * 4), lambda *report: quick.append(report))
    assert quick == []


def test_drawing_of_a_space_too_large_to_list_says_how_far_it_is(monkeypatch):
    told, now = [], [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now.__setitem__(0, now[0] + 0.05) or now[0])
    assert draw_pool(DARTS(), 0, 200, lambda *report: told.append(report)) == draw_pool(DARTS(), 0, 200)
    assert told[-1] == ("darts: networks drawn", 200, 200)
    assert len(told) > 10
