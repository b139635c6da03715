"""The catalogue of searchers: the numbers of the functions of before, names and settings.

The laws of ask and tell are in `archsieve.testing.searchers`, which `test_searcher_laws.py` applies to each searcher.
"""

import json
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


def drive(search, count, at_once=10**6):
    """Return the first codes that a search asks for."""
    asked = []
    while len(asked) < count and (archs := search.ask(min(at_once, count - len(asked)))):
        asked += archs
        search.tell(archs, np.array([lumpy(arch) for arch in archs]))
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
def test_a_score_of_what_it_did_not_ask_for_is_refused(name):
    search = SEARCHERS[name]().begin(Candidates(RECORDED_ON), np.random.default_rng(3))
    with pytest.raises(SettingError, match=r"got a score for \(3, 2, 4, 1, 5\), which it did not ask for"):
        search.tell([(3, 2, 4, 1, 5)], [1.0])


@pytest.mark.parametrize("name", OWN)
def test_names_and_settings(name):
    searcher = SEARCHERS[name]()
    assert isinstance(searcher, Searcher)
    assert searcher.name == name
    assert SEARCHERS[name.replace("_", "-")] is SEARCHERS[name]  # the spelling of before
    assert name.replace("_", "-") in SEARCHERS
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
