"""What holds for every searcher of the catalogue: ask and tell, with the numbers of the functions of before."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import archsieve
from archsieve.errors import SettingError
from archsieve.registry import SEARCHERS
from archsieve.searchers.batches import Batches
from archsieve.searchers.contract import Candidates, Searcher

from .conftest import Recorder, Toy

ASKED = json.loads(Path(__file__).with_name("asked.json").read_text(encoding="utf-8"))
"""What the functions evaluated, 200 codes for each of five seeds, before they were written on the protocol."""
RECORDED_ON = Toy((4, 3, 5, 2, 6), 12)
OWN = list(ASKED)
NAN = float("nan")


def lumpy(arch):
    return NAN if sum(arch) % 7 == 3 else (7 * arch[0] + 3 * arch[-1] + sum(arch)) % 11


def codes(text):
    return [tuple(map(int, code)) for code in text.split()]


def drive(search, count, at_once=10**6, order=1):
    """Return the first codes that a search asks for, told in either order."""
    asked = []
    while len(asked) < count and (archs := search.ask(min(at_once, count - len(asked)))):
        asked += archs
        search.tell(archs[::order], np.array([lumpy(arch) for arch in archs[::order]]))
    return asked


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("seed", range(5))
def test_the_numbers_are_those_of_before(name, seed):
    expected = codes(ASKED[name][str(seed)])
    assert len(expected) == 200
    evaluate = Recorder(lumpy)
    getattr(archsieve, name)(RECORDED_ON, evaluate, budget=200, rng=np.random.default_rng(seed))
    assert evaluate.asked == expected
    for at_once in (10**6, 3, 1):
        search = SEARCHERS[name]().begin(Candidates(RECORDED_ON), np.random.default_rng(seed))
        assert drive(search, 200, at_once) == expected


@pytest.mark.parametrize("name", OWN)
def test_asking_again_gives_the_same_and_the_order_of_tells_is_free(name):
    def begin():
        return SEARCHERS[name](batch=4).begin(Candidates(RECORDED_ON), np.random.default_rng(1))

    search = begin()
    assert search.ask(5) == search.ask(5) == search.ask(9)[:5]
    assert search.ask(0) == []
    first = drive(search, 150)
    assert drive(begin(), 150, order=-1) == first
    assert drive(begin(), 150, at_once=3, order=-1) == first


@pytest.mark.parametrize("name", OWN)
def test_told_what_it_asked_for_it_goes_on_from_there(name):
    """After a kill nothing is asked again: the codes asked for are told in their order, and the next ones follow."""
    expected = codes(ASKED[name]["3"])
    for done in (1, 7, 50, 120, 199):
        search = SEARCHERS[name]().begin(Candidates(RECORDED_ON), np.random.default_rng(3))
        search.tell(expected[:done], [lumpy(arch) for arch in expected[:done]])
        assert drive(search, 200 - done) == expected[done:]
    with pytest.raises(SettingError, match=r"got a score for \(3, 2, 4, 1, 5\), which it did not ask for"):
        search.tell([(3, 2, 4, 1, 5)], [1.0])


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize("left", [3, 40])
def test_in_a_later_stage_only_survivors_are_asked_for(name, left):
    survivors = list(islice(dict.fromkeys(codes(ASKED["random_search"]["4"])), left))
    search = SEARCHERS[name]().begin(Candidates(RECORDED_ON, survivors), np.random.default_rng(0))
    asked = drive(search, 120)
    assert len(asked) == 120
    assert set(asked) <= set(survivors)
    assert len(set(asked)) > 2


@pytest.mark.parametrize("name", OWN)
def test_names_and_settings(name):
    searcher = SEARCHERS[name]()
    assert isinstance(searcher, Searcher)
    assert searcher.name == name
    assert SEARCHERS[name.replace("_", "-")] is SEARCHERS[name]  # the spelling of before
    assert name.replace("_", "-") in SEARCHERS
    assert hash(searcher) == hash(SEARCHERS[name]())
    for wrong in (0, 1.5, True):
        with pytest.raises(SettingError, match="batch"):
            SEARCHERS[name](batch=wrong)


def test_a_search_may_end():
    def twice():
        yield [(0,), (0,)]

    search = Batches(twice())
    assert search.ask(1) == [(0,)]
    assert search.ask(5) == [(0,), (0,)]
    search.tell([(0,)], [NAN])
    assert search.ask(5) == [(0,)]
    search.tell([(0,)], [NAN])
    assert search.ask(5) == search.ask(5) == []


def test_features_are_the_space_s_or_one_hot_unless_answered():
    space = Toy((2, 3))
    assert Candidates(space).features([(1, 2)]).tolist() == [[0, 1, 0, 0, 1]]
    assert Candidates(space, answers=lambda archs: np.ones((len(archs), 1))).features([(1, 2)]).tolist() == [[1]]
