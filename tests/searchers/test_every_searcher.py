"""What holds for every function that searches with a budget."""

import math

import numpy as np
import pytest

import archsieve
from archsieve.errors import SettingError
from archsieve.searchers.contract import SearchResult

NAN = float("nan")
BY_BUDGET = ["random_search", "regularized_evolution", "differential_evolution"]
pytestmark = pytest.mark.parametrize("name", BY_BUDGET)


def run(name, space, evaluate, budget=75, seed=0, **settings):
    return getattr(archsieve, name)(space, evaluate, budget=budget, rng=np.random.default_rng(seed), **settings)


def lumpy(arch):
    return (7 * arch[0] + 3 * arch[-1] + sum(arch)) % 11


@pytest.mark.parametrize("budget", [50, 51, 120])
def test_the_budget_is_met_exactly_and_the_history_is_the_round(name, budget, toy, recorder):
    evaluate = recorder(lumpy)
    result = run(name, toy(), evaluate, budget)
    (history,) = result.rounds
    assert isinstance(result, SearchResult)
    assert len(evaluate.asked) == budget
    assert [tuple(arch) for arch in history.archs.tolist()] == evaluate.asked
    assert history.scores.tolist() == [lumpy(arch) for arch in evaluate.asked]
    assert history.seconds > 0


def test_the_answer_is_the_first_of_the_best(name, toy, recorder):
    evaluate = recorder(lumpy)
    result = run(name, toy(), evaluate)
    scores = [lumpy(arch) for arch in evaluate.asked]
    first = scores.index(max(scores))
    assert result.best == evaluate.asked[first]
    assert result.best_score == max(scores)
    assert result.rounds[0].kept.tolist() == [first]
    assert all(type(option) is int for option in result.best)


def test_the_generator_decides_everything(name, toy, recorder):
    asked = []
    for seed in (1, 1, 2):
        evaluate = recorder(lumpy)
        run(name, toy(), evaluate, seed=seed)
        asked.append(evaluate.asked)
    assert asked[0] == asked[1]
    assert asked[0] != asked[2]


def test_numpy_own_state_is_untouched(name, toy, recorder):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    run(name, toy(), recorder(lumpy))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_decisions_with_one_option_stay(name, toy, recorder):
    evaluate = recorder(lumpy)
    run(name, toy((1, 3, 1, 4)), evaluate)
    assert {(arch[0], arch[2]) for arch in evaluate.asked} == {(0, 0)}
    assert len({arch[1] for arch in evaluate.asked}) == 3


def test_a_constrained_space_is_never_left(name, toy, recorder):
    evaluate = recorder(sum)
    result = run(name, toy((4,) * 4, limit=3), evaluate, budget=300)
    assert max(map(sum, evaluate.asked)) == 3
    assert result.best_score == 3


def test_nan_is_worse_than_anything(name, toy, recorder):
    evaluate = recorder(lambda arch: NAN if arch[0] else -math.inf)
    result = run(name, toy(), evaluate)
    assert result.best[0] == 0
    assert result.best_score == -math.inf
    assert result.rounds[0].failures == sum(arch[0] != 0 for arch in evaluate.asked)


def test_if_nothing_could_be_scored_the_first_one_is_named_with_a_nan(name, toy, recorder):
    evaluate = recorder(lambda arch: NAN)
    result = run(name, toy(), evaluate)
    assert math.isnan(result.best_score)
    assert result.best == evaluate.asked[0]
    assert result.rounds[0].failures == 75


@pytest.mark.parametrize("budget", [0, -3])
def test_a_budget_below_one_is_refused(name, budget, toy, recorder):
    evaluate = recorder(sum)
    with pytest.raises(SettingError, match=rf"must hold, but got budget={budget}"):
        run(name, toy(), evaluate, budget)
    assert evaluate.batches == []


def test_scores_of_another_shape_are_refused(name, toy):
    with pytest.raises(SettingError, match=r"one score for each architecture, shape \(\d+,\), but returned shape"):
        run(name, toy(), lambda archs: np.zeros((len(archs), 2)))
