"""Draws steered towards limits, on spaces whose networks within can be listed by hand."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from archsieve import space_of
from archsieve.errors import ArchitectureError, SettingError
from archsieve.spaces.contract import SearchSpace
from archsieve.spaces.form import Form
from archsieve.spaces.limits import Limits
from archsieve.spaces.sampling import draw_pool, draw_up_to
from archsieve.spaces.steering import Drawn, draw, learn, uniform
from archsieve.spaces.within import Within
from plugins import own_nets

FORM = Form((1,), 2)


@dataclass(frozen=True)
class Digits(SearchSpace):
    """Codes whose size is the sum of their options, each times its place from 1; counting them is costly."""

    length: int = 8
    is_costly_to_list = True

    @property
    def choices(self):
        return (4,) * self.length

    def build(self, arch, task):
        raise NotImplementedError

    def macs(self, arch, task):
        return 1 + sum(place * option for place, option in enumerate(arch, 1))


def within(most, length=8):
    return Within(Digits(length), FORM, Limits(max_macs=most))


def listed(most, length=8):
    """Return the codes of at most so many macs."""
    sizes = {code: 1 + sum(p * o for p, o in enumerate(code, 1)) for code in product(range(4), repeat=length)}
    return [code for code, size in sizes.items() if size <= most]


def test_steered_samples_are_uniform_where_one_of_thousands_is_within():
    everything = listed(14)
    assert 4**8 / len(everything) > 250  # a plain draw meets one in so many
    space, rng = within(14), np.random.default_rng(0)
    assert space.is_tight
    count = 4 * len(everything)
    counts = Counter(space.sample(rng) for _ in range(count))
    assert set(counts) <= set(everything)
    shares = np.array([counts[code] for code in everything]) / count
    assert 0.5 * np.abs(shares - 1 / len(everything)).sum() < 0.26  # 0.19 of uniform draws, so many


def test_steered_samples_depend_on_the_generator_alone():
    space = within(9)
    first = [space.sample(np.random.default_rng(3)) for _ in range(2)]
    assert first == [within(9).sample(np.random.default_rng(3))] * 2
    assert draw_pool(space, 5, 20) == draw_pool(within(9), 5, 20) == draw_pool(space, 5, 30)[:20]


def test_few_sizes_are_counted_for_a_pool_within_a_tight_limit():
    space = within(9)
    pool = draw_pool(space, 0, 12)
    assert len(set(pool)) == 12
    assert all(space.is_valid(code) for code in pool)
    # Plain draws would count 12 * 65,536 / 93 = 8,456 and more.
    assert space._remembered.cache_info().misses < 1000


def test_where_many_are_within_draws_are_those_of_the_space():
    space, rng = within(50), np.random.default_rng(1)
    assert not space.is_tight
    drawn = [space.space.sample(rng) for _ in range(60)]
    kept = [code for code in drawn if space.macs(code, FORM) <= 50]
    rng = np.random.default_rng(1)
    assert [space.sample(rng) for _ in kept] == kept


def test_fewer_networks_within_than_asked_for_is_one_sentence():
    space = within(3)
    assert listed(3) == sorted(draw_up_to(space, 0, 100))
    with pytest.raises(SettingError, match=r"`1 <= sample <= 4` must hold in Digits, but got 5"):
        draw_pool(space, 0, 5)


def test_a_limit_that_nothing_meets_is_a_sentence_with_the_nearest():
    with pytest.raises(
        ArchitectureError, match=r"No architecture of Digits with macs <= 0\.5 was found: the nearest has 1 "
    ):
        draw_pool(within(0.5), 0, 5)


def test_ratios_by_hand():
    rng = np.random.default_rng(0)
    for _ in range(30):
        one = draw(Digits(1), ((4.0, 2.0, 1.0, 1.0),), rng)
        assert one.log_ratio == pytest.approx(math.log(0.25 / [0.5, 0.25, 0.125, 0.125][one.arch[0]]))
        assert one.asked == (0,)


def test_an_own_space_is_drawn_by_weights_of_what_comes_up():
    own = space_of(own_nets.Convolutions, explore=20)
    names = [decision.name for decision in own.decisions]
    weights = [list(options) for options in uniform(own.choices)]
    weights[names.index("depth")] = [1.0, 0.0, 0.0]
    weights[names.index("width")] = [3.0, 0.5, 0.5]
    rng = np.random.default_rng(0)
    for _ in range(20):
        one = own.draw_weighted(tuple(map(tuple, weights)), rng)
        assert isinstance(one, Drawn)
        assert [names[place] for place in one.asked] == ["width", "depth", "Block0.kernel", "Block0.act"]
        width = {0: 0.75, 1: 0.125, 2: 0.125}[one.arch[names.index("width")]]
        assert one.log_ratio == pytest.approx(math.log(1 / 3 / width) + math.log(1 / 3))


def test_learning_says_how_near_it_came():
    space = Digits()
    steering, nearest = learn(space, lambda code: float(sum(code)) + 1)
    assert steering is None
    assert sum(nearest) <= 2
