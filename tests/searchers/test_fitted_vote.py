"""The fitted vote: which networks it asks for first, how it weighs its features, and what it does afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from archsieve.errors import SettingError
from archsieve.searchers.contract import Candidates
from archsieve.searchers.fitted_vote import FittedVote

from .conftest import Toy

SPACE = Toy((40,))
ARCHS = [(i,) for i in range(40)]
TRUTH = np.arange(40.0)
NAN = float("nan")


def search(columns, archs=ARCHS, seed=0, **settings):
    """Return a search among candidates whose features are these columns, by code."""
    table = np.array(columns, dtype=float).T
    candidates = Candidates(SPACE, archs, lambda asked: np.array([table[arch[0]] for arch in asked]))
    return FittedVote(("nwot",) * table.shape[1], **settings).begin(candidates, np.random.default_rng(seed))


def drive(running, count, truth=TRUTH, at_once=99):
    asked = []
    while len(asked) < count and (archs := running.ask(min(at_once, count - len(asked)))):
        asked += archs
        running.tell(archs, np.array([truth[arch[0]] for arch in archs]))
    return [arch[0] for arch in asked]


def test_the_first_network_is_the_best_by_equal_weights():
    # Places by the first feature 0..39, by the second 39..0 but for 20, which is best in it: its mean rank leads.
    second = TRUTH[::-1].copy()
    second[20] = 99
    assert drive(search([TRUTH, second]), 1) == [20]


def test_a_feature_that_ranks_backwards_gets_a_negative_weight():
    """Best by one feature is the worst network: the vote turns it round, and then follows the truth."""
    asked = drive(search([-TRUTH], explored=4, population=2), 8)
    assert asked[0] == 0  # by the weight 1
    assert asked[1] == 39
    assert asked[2:] == [38, 37, 36, 35, 34, 33]


@pytest.mark.parametrize("draw", range(4))
def test_what_tells_nothing_loses_its_weight(draw):
    """One feature of four is the truth: after twelve networks the order is mostly its, without weights it is not."""
    columns = [TRUTH, *np.random.default_rng(draw).random((3, 40))]
    fitted = drive(search(columns, explored=12, seed=2), 20)
    equal = drive(search(columns, explored=1, population=1, drawn=1), 20)
    assert 39 in fitted
    assert np.mean(fitted[12:]) > 27 > np.mean(equal[12:])


def test_no_network_is_asked_for_twice_and_in_the_end_all_were():
    found = drive(search([TRUTH, TRUTH[::-1], np.roll(TRUTH, 7)], explored=10), 99)
    assert sorted(found) == list(range(40))


@pytest.mark.parametrize("at_once", [1, 2, 99])
def test_how_many_are_asked_for_at_once_changes_nothing(at_once):
    columns = [TRUTH, np.roll(TRUTH, 11), TRUTH[::-1]]
    assert drive(search(columns), 30, at_once=at_once) == drive(search(columns), 30)


def test_the_scale_of_a_feature_changes_nothing():
    columns = np.array([TRUTH, np.roll(TRUTH, 11)])
    assert drive(search(columns), 30) == drive(search([np.exp(columns[0] / 9), columns[1] - 1e6]), 30)


def test_candidates_and_features_that_fail():
    truth = np.where(TRUTH % 3 == 0, NAN, TRUTH)
    feature = np.where(TRUTH < 5, NAN, TRUTH)
    found = drive(search([feature, np.ones(40)]), 40, truth)
    assert sorted(found) == list(range(40))
    assert drive(search([TRUTH], [(3,)]), 5) == [3]
    assert search([TRUTH], []).ask(3) == []


def test_more_candidates_than_may_be_listed_are_refused():
    with pytest.raises(SettingError, match="ranks all candidates, but there are more than listed=39"):
        search([TRUTH], listed=39)
    with pytest.raises(SettingError, match="there are more than listed=39 of them"):
        FittedVote(("nwot",), listed=39).begin(Candidates(SPACE), np.random.default_rng(0))


def test_the_candidates_may_be_more_than_are_summed_at_a_time(monkeypatch):
    """The first network by each vector is the same, in whatever parts the sums are made."""
    columns = np.random.default_rng(0).random((3, 40))
    whole = drive(search(columns, explored=8, drawn=50), 12)
    monkeypatch.setattr("archsieve.searchers.fitted_vote._SUMS", 150)  # three candidates by 50 vectors
    assert drive(search(columns, explored=8, drawn=50), 12) == whole


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"features": ()}, "needs at least one feature"),
        ({"deviations": NAN}, "`deviations` must be a finite number"),
        ({"explored": 0}, "explored"),
        ({"drawn": 0}, "drawn"),
        ({"drawn": 100_001}, "`drawn <= 100,000` must hold, but got drawn=100001"),
    ],
    ids=["no feature", "NaN", "nothing explored", "no weights", "too many weights"],
)
def test_settings_that_cannot_be(settings, sentence):
    with pytest.raises(SettingError, match=sentence):
        FittedVote(**settings)
    assert FittedVote().describes(10, 6590) == 6590
