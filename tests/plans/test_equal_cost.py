"""What random search finds at equal cost: the exact expectation over all sets that could be drawn."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest

from archsieve.benchmarks.records import Table
from archsieve.errors import SettingError
from archsieve.plans.equal_cost import chances_of_choice, random_search_at

POOL = [(i,) for i in range(5)]
TRUTH = np.array([1.0, 5.0, 2.0, 4.0, 3.0])
SEEN = {"one": np.array([3.0, 2.0, 2.0, 1.0, 0.0]), "other": np.array([0.0, 9.0, 1.0, 2.0, 3.0])}
RECORDS = Table(tuple(POOL), {"truth": TRUTH, **SEEN})


@dataclass(frozen=True)
class Known:
    choosers: dict
    truth: str = "truth"


BENCHMARK = Known({"truth": ("one", "other")})


def average(column, networks):
    """Return the mean truth of the best of every set; where two tie, both for a half."""
    found = []
    for drawn in map(list, combinations(range(5), networks)):
        best = SEEN[column][drawn].max()
        found.append(np.mean([TRUTH[i] for i in drawn if SEEN[column][i] == best]))
    return np.mean(found)


@pytest.mark.parametrize(("cost", "networks"), [(0.5, 1), (20.0, 2), (39.9, 3), (50.0, 5), (80.0, 5)])
def test_it_is_the_average_over_all_sets(cost, networks):
    found = random_search_at(cost, 50.0, BENCHMARK, RECORDS, POOL)
    assert found.networks == networks
    assert found.value == pytest.approx((average("one", networks) + average("other", networks)) / 2)
    assert found.chosen_by == ("one", "other")


@pytest.mark.parametrize(
    ("cost", "exhaustive", "benchmark", "pool"),
    [
        (None, 50.0, BENCHMARK, POOL),
        (20.0, None, BENCHMARK, POOL),
        (20.0, 50.0, Known({}), POOL),
        (20.0, 50.0, BENCHMARK, [*POOL, (7,)]),
    ],
    ids=["no cost", "no cost of training all", "no single trainings", "a candidate that is not recorded"],
)
def test_where_it_cannot_be_known_it_is_none(cost, exhaustive, benchmark, pool):
    assert random_search_at(cost, exhaustive, benchmark, RECORDS, pool) is None


def test_chances_of_choice_by_hand():
    # Of four items, six pairs: the best is in three of them, the two equal ones are the best of two more between them
    # (with the last) and of one (together), the last of none.
    assert chances_of_choice([7.0, 3.0, 3.0, 1.0], 2).tolist() == pytest.approx([3 / 6, 1.5 / 6, 1.5 / 6, 0])
    assert chances_of_choice([7.0, np.nan, 3.0], 1).tolist() == pytest.approx([1 / 3] * 3)
    assert chances_of_choice([7.0, np.nan, 3.0], 3).tolist() == pytest.approx([1, 0, 0])


def test_chances_of_choice_are_those_of_all_sets():
    scores = [4.0, 2.0, 2.0, 9.0, 2.0, 1.0]
    counted = np.zeros(6)
    for drawn in combinations(range(6), 3):
        best = max(scores[i] for i in drawn)
        winners = [i for i in drawn if scores[i] == best]
        counted[winners] += 1 / len(winners)
    np.testing.assert_allclose(chances_of_choice(scores, 3), counted / 20)


@pytest.mark.parametrize("draws", [0, 4])
def test_chances_of_choice_need_as_many_items_as_are_drawn(draws):
    with pytest.raises(SettingError, match=f"`1 <= draws <= n` must hold, but got draws={draws}, n=3"):
        chances_of_choice([1.0, 2.0, 3.0], draws)
