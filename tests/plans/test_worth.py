"""What a search was worth in trainings of random search: by hand, by listing every order, and after a search."""

from dataclasses import dataclass
from itertools import permutations
from typing import ClassVar

import numpy as np
import pytest

from archsieve.benchmarks.records import Surrogate, Table
from archsieve.errors import SettingError
from archsieve.estimators.lookup import Lookup
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.run import run_plan
from archsieve.plans.worth import _population, bound_of, draws_between, expected_draws, greatest_share
from archsieve.report.load import read_run
from archsieve.report.outcome import worth_lines
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage
from archsieve.searchers.random_search import RandomSearch
from archsieve.tasks.digits import Digits
from plugins.line import Given, Line
from plugins.toy import TASK, Counting

pytest_plugins = ["plugins.fixtures"]

LINE = Line(8)
TRUTH = np.array([50.0, 90.0, 70.0, 90.0, 60.0, 80.0, 10.0, 20.0])  # two of the eight are best


def first_draws(count, as_good):
    """Return the first draw that is as good, in every order of the items."""
    return [1 + next(i for i, item in enumerate(order) if item < as_good) for order in permutations(range(count))]


@pytest.mark.parametrize(("count", "as_good"), [(1, 1), (5, 1), (6, 2), (6, 6), (7, 3)])
def test_expected_draws_are_those_of_all_orders(count, as_good):
    draws = first_draws(count, as_good)
    assert expected_draws(count, as_good) == pytest.approx(np.mean(draws))
    low, high = draws_between(count, as_good, 0.8)
    assert low == np.quantile(draws, 0.1, method="inverted_cdf")
    assert high == np.quantile(draws, 0.9, method="inverted_cdf")


@pytest.mark.parametrize(("audited", "least"), [(0, 1.0), (12, 4.5), (30, 10.5), (60, 20.5)])
def test_what_audited_networks_say_when_none_is_as_good(audited, least):
    assert bound_of(greatest_share(0, audited), 10**7) == pytest.approx(least, abs=0.05)


def test_the_greatest_share_is_where_so_few_hits_have_a_probability_of_a_twentieth():
    share = greatest_share(1, 10)
    assert (1 - share) ** 10 + 10 * share * (1 - share) ** 9 == pytest.approx(0.05)
    assert greatest_share(10, 10) == 1


def test_a_bound_for_few_candidates_knows_the_winner_among_them():
    assert bound_of(0.0, 9) == 5.0  # nothing else is as good
    assert bound_of(1.0, 9) == 1.0


@pytest.mark.parametrize("numbers", [(5, 0), (5, 6)])
def test_impossible_counts_are_refused(numbers):
    with pytest.raises(SettingError, match="as_good"):
        expected_draws(*numbers)
    with pytest.raises(SettingError, match="hits"):
        greatest_share(3, 2)


def search(folder, *, scores=TRUTH, space=LINE, **settings):
    plan = Plan(space, TASK, (Stage(Given(tuple(scores)), top=1),), **settings)
    with Session(folder, space, TASK) as session:
        return run_plan(plan, session)


def test_where_a_table_knows_the_truth_it_is_exact_and_ties_count(tmp_path, publish):
    publish(LINE, {"accuracy": TRUTH})
    worth = search(tmp_path).worth
    assert (worth.source, worth.count, worth.as_good) == ("truth", 8, 2)
    assert worth.networks == pytest.approx(9 / 3)
    assert (worth.low, worth.high) == (1, 7)
    assert read_run(tmp_path).result["worth"]["networks"] == pytest.approx(3)


def test_a_worse_winner_is_worth_less(tmp_path, publish):
    publish(LINE, {"accuracy": TRUTH})
    assert search(tmp_path, scores=-TRUTH).worth.networks == pytest.approx(9 / 9)


def test_of_a_sample_it_is_that_of_the_sample(tmp_path, publish):
    publish(LINE, {"accuracy": TRUTH})
    result = search(tmp_path, pool=Pool(sample=3))
    assert result.worth.count == 3
    with Session(tmp_path, LINE, TASK) as session:
        drawn = [TRUTH[arch[0]] for arch in session.pool(3)]
    assert result.worth.as_good == sum(value >= max(drawn) for value in drawn)


def test_a_search_of_the_open_space_is_compared_with_the_whole_table(tmp_path, publish):
    publish(LINE, {"accuracy": TRUTH})
    stage = Stage(Given(tuple(TRUTH)), top=1, search=RandomSearch(), budget=2)
    with Session(tmp_path, LINE, TASK) as session:
        worth = run_plan(Plan(LINE, TASK, (stage,)), session).worth
    assert worth.count == 8


def test_candidates_without_a_truth_are_left_out(tmp_path, publish):
    publish(LINE, {"accuracy": np.where(TRUTH < 30, np.nan, TRUTH)})
    assert search(tmp_path).worth.count == 6


def test_without_a_truth_nothing_is_claimed(tmp_path):
    worth = search(tmp_path).worth
    assert (worth.source, worth.networks, worth.low, worth.audited) == ("audit", None, 1.0, 0)
    lines = worth_lines(read_run(tmp_path).result)
    assert lines[0].startswith("Worth: unknown")
    assert "archsieve audit" in lines[1]


def test_predictions_of_a_large_space_give_a_bound(tmp_path, publish):
    large = Line(10**6 + 5)
    publish(large, Surrogate({"accuracy": lambda archs: np.array([[float(a[0]) for a in archs]])}))
    stage = Stage(Counting(), top=1, search=RandomSearch(), budget=4)
    with Session(tmp_path, large, TASK) as session:
        worth = run_plan(Plan(large, TASK, (stage,)), session).worth
    assert (worth.source, worth.networks, worth.high) == ("predictions", None, None)
    share = (worth.as_good + 1) / 1001
    assert 0.5 / share < worth.low < 1 / share


@pytest.mark.parametrize("final", [True, None], ids=["a figure of the winner", "no final training"])
def test_what_a_search_paid_is_in_trainings_by_its_recipe(tmp_path, publish, final):
    publish(LINE, {"accuracy": TRUTH, "half": TRUTH}, task="digits", name="other")
    stages = (
        Stage(Lookup("half", "other", epochs_behind=2), top=2),
        Stage(Lookup("accuracy", "other", epochs_behind=4), top=1),
    )
    free = Lookup("accuracy", "other")
    plan = Plan(LINE, Digits(), stages, final=final and free)
    with Session(tmp_path, LINE, Digits()) as session:
        result = run_plan(plan, session)
    assert result.cost.network_epochs == 8 * 2 + 2 * 4
    assert result.worth.paid == pytest.approx(24 / 4)
    assert "paid for 6 trainings" in worth_lines(read_run(tmp_path).result)[0]


@dataclass(frozen=True)
class Folded(Line):
    """A line whose codes are two by two one network; it counts how often it is asked which."""

    asked: ClassVar[list[object]] = []

    def canonical(self, arch):
        self.asked.append(arch)
        return (arch[0] - arch[0] % 2,)


@dataclass(frozen=True, eq=False)
class ByNetwork(Table):
    by_network: ClassVar[bool] = True


@pytest.mark.parametrize(("kind", "asked"), [(Table, 9), (ByNetwork, 0)])  # 8 codes and the winner
def test_networks_of_a_table_are_told_apart_only_where_it_has_several_codes_of_one(kind, asked):
    plan = Plan(Folded(8), TASK, (Stage(Given(tuple(TRUTH)), top=1, search=RandomSearch(), budget=2),))
    codes = tuple((place,) for place in (range(8) if kind is Table else range(0, 8, 2)))
    Folded.asked.clear()
    table = kind(codes, {"accuracy": np.arange(len(codes), dtype=float)})
    networks, is_listed = _population(plan, table, [], (0,))
    assert list(networks) == [(0,), (2,), (4,), (6,)]
    assert is_listed
    assert len(Folded.asked) == asked


def test_the_winner_stands_for_its_network_in_a_table_with_a_row_for_each_network():
    plan = Plan(Folded(8), TASK, (Stage(Given(tuple(TRUTH)), top=1, search=RandomSearch(), budget=2),))
    codes = tuple((place,) for place in range(0, 8, 2))
    table = ByNetwork(codes, {"accuracy": np.arange(len(codes), dtype=float)})
    assert list(_population(plan, table, [], (5,))[0]) == [(0,), (2,), (5,), (6,)]  # (4,) and (5,) are one network
