"""The funnel: what each stage sees, where it stops, how ties and failures fare."""

import math

import numpy as np
import pytest

from archsieve.errors import SettingError
from archsieve.searchers.contract import Stage
from archsieve.searchers.funnel import funnel_search, run_funnel

NAN = float("nan")
POOL = [(k,) for k in range(10)]


class Scoring:
    """An estimator here is a function of one code."""

    def __init__(self):
        self.calls = []

    def __call__(self, estimators, archs):
        self.calls.append((list(estimators), list(archs)))
        return np.array([[estimator(arch) for estimator in estimators] for arch in archs], dtype=float)


def first(arch):
    return arch[0]


def negative(arch):
    return -arch[0]


def flat(arch):
    return 1.0


def test_each_stage_scores_what_the_last_one_kept():
    scoring = Scoring()
    stages = [Stage(first, top=4, label="one"), Stage(negative, keep=0.5, label="two")]
    result = funnel_search(stages, POOL, scoring)
    assert scoring.calls == [([first], POOL), ([negative], [(6,), (7,), (8,), (9,)])]
    assert result.best == (6,)
    assert result.best_score == -6
    assert [r.label for r in result.rounds] == ["one", "two"]
    assert [r.kept.tolist() for r in result.rounds] == [[9, 8, 7, 6], [0, 1]]
    assert result.rounds[1].archs.tolist() == [[6], [7], [8], [9]]
    assert result.rounds[1].scores.tolist() == [-6, -7, -8, -9]
    assert all(r.seconds > 0 for r in result.rounds)


def test_it_stops_as_soon_as_one_is_left():
    scoring = Scoring()
    result = funnel_search([Stage(first, top=1), Stage(negative, top=1)], POOL, scoring)
    assert len(scoring.calls) == len(result.rounds) == 1
    assert (result.best, result.best_score) == ((9,), 9)


def test_of_a_pool_of_one_nothing_is_scored():
    scoring = Scoring()
    result = funnel_search([Stage(first, top=1)], [(3,)], scoring)
    assert scoring.calls == []
    assert result.best == (3,)
    assert math.isnan(result.best_score)
    assert result.rounds == ()


def test_ties_are_resolved_by_the_pool_and_not_by_an_earlier_stage():
    scoring = Scoring()
    result = funnel_search([Stage(first, top=3), Stage(flat, top=1)], POOL, scoring)
    assert result.best == (7,)
    backwards = funnel_search([Stage(first, top=3), Stage(flat, top=1)], POOL[::-1], scoring)
    assert backwards.best == (9,)


def test_if_more_than_one_is_left_the_best_of_the_last_stage_wins():
    result = funnel_search([Stage(first, top=5), Stage(negative, keep=1.0)], POOL, Scoring())
    assert (result.best, result.best_score) == ((5,), -5)
    assert len(result.rounds[-1].kept) == 5


def test_failures_rank_last_and_are_counted():
    def shaky(arch):
        return NAN if arch[0] > 2 else arch[0]

    result = funnel_search([Stage(shaky, top=2)], POOL, Scoring())
    assert result.best == (2,)
    assert result.rounds[0].failures == 7


def test_if_all_fail_nothing_goes_on_and_none_is_the_best():
    stages = [Stage(lambda arch: arch[0], top=4), Stage(lambda arch: NAN, top=2), Stage(lambda arch: 1 / 0, top=1)]
    result = funnel_search(stages, POOL, Scoring())
    assert result.best is None
    assert math.isnan(result.best_score)
    assert [(len(r.archs), len(r.kept), r.failures) for r in result.rounds] == [(10, 4, 0), (4, 0, 4)]


def test_the_published_trajectory_in_a_whole_run():
    drops = [0.75, 0.41, 0.46, 0.13, 0.26, 0.23, 0.05, 0.34, 0.07, 0.36, 0, 0.62, 0, 0]  # A's, epochs 1 to 14
    rng = np.random.default_rng(0)
    pool = [tuple(map(int, code)) for code in rng.permutation(120)[:, None]]
    pool += [(a, 0) for (a,) in pool] + [(a, 1) for (a,) in pool[:22]]
    assert len(pool) == 262
    width = [(*arch, 2)[:2] for arch in pool]
    values = dict(zip(width, rng.permutation(262).tolist(), strict=True))
    result = funnel_search([Stage(values.get, keep=1 - drop) for drop in drops], width, Scoring())
    trained = [len(r.archs) for r in result.rounds]
    assert trained == [262, 66, 39, 21, 18, 13, 10, 9, 6, 5, 3, 3]
    assert sum(trained) == 455
    assert values[result.best] == 261


@pytest.mark.parametrize(
    ("stages", "pool", "sentence"),
    [
        ([], POOL, "at least one stage, but got none"),
        ([Stage(first, top=1)], [], "the pool is empty"),
    ],
)
def test_nothing_to_do_is_refused(stages, pool, sentence):
    with pytest.raises(SettingError, match=sentence):
        funnel_search(stages, pool, Scoring())


def test_scores_of_another_shape_are_refused():
    with pytest.raises(SettingError, match=r"the stage 'x', shape \(10, 1\), but returned shape \(10,\)"):
        funnel_search([Stage(first, top=1, label="x")], POOL, lambda estimators, archs: np.zeros(len(archs)))


def test_a_funnel_is_its_stages_with_their_rounds_as_they_run():
    scoring = Scoring()
    stages = [Stage(first, top=4, label="one"), Stage(negative, keep=0.5, label="two"), Stage(flat, top=1)]
    run = run_funnel(stages, POOL, scoring)
    assert scoring.calls == []
    stage, latest = next(run)
    assert stage is stages[0]
    assert latest.kept.tolist() == [9, 8, 7, 6]
    assert len(scoring.calls) == 1
    assert [(stage.label, len(latest.archs)) for stage, latest in run] == [("two", 4), (stages[2].label, 2)]
    result, whole = run.result(), funnel_search(stages, POOL, Scoring())
    assert result.best == whole.best == (6,)
    assert [r.label for r in result.rounds] == ["one", "two", stages[2].label]


def test_a_stage_that_failed_is_no_end_of_the_funnel():
    def fails(arch):
        raise ZeroDivisionError("nothing")

    run = run_funnel([Stage(first, top=4), Stage(fails, top=1)], POOL, Scoring())
    next(run)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            next(run)
    with pytest.raises(ZeroDivisionError):
        run.result()


def test_the_result_of_version_0_1_is_there_with_a_warning():
    run = run_funnel([Stage(first, top=4), Stage(negative, top=1)], POOL, Scoring())
    for name in ("best", "best_score", "rounds"):
        with pytest.warns(DeprecationWarning, match=f"`{name}`.*call `funnel_search`") as caught:
            getattr(run, name)
        assert caught[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="funnel_search"):
        assert (run.best, run.best_score, len(run.rounds)) == ((6,), -6, 2)
    scoring, told = Scoring(), []
    with pytest.warns(DeprecationWarning, match="`on_round`") as caught:
        run = run_funnel([Stage(first, top=4), Stage(negative, top=1)], POOL, scoring, on_round=told.append)
    assert caught[0].filename == __file__
    assert len(scoring.calls) == 2
    assert tuple(told) == run.result().rounds
