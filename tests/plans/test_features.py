"""Searchers that learn from scores of estimators: what they are told, what is stored, and what it costs."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from archsieve.errors import SettingError, UnknownNameError
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.contract import Price
from archsieve.estimators.size import Size
from archsieve.plans.contract import Plan, Pool, estimators_of, forecast
from archsieve.plans.read import load_plan
from archsieve.plans.run import run_plan
from archsieve.plans.write import plan_text
from archsieve.registry import SEARCHERS
from archsieve.runs.session import Session
from archsieve.runs.store import Store
from archsieve.searchers.batches import Batches
from archsieve.searchers.contract import Candidates, Stage
from archsieve.searchers.features import features_of
from archsieve.searchers.funnel import funnel_search
from archsieve.searchers.guided import Guide
from archsieve.searchers.history import maximise
from plugins.toy import TASK, Counting, Failing, Toy, calls

SPACE = Toy(length=5)  # 243 codes, 21 networks


@dataclass(frozen=True)
class Greedy:
    """Asks for the networks whose first feature is highest, of ten drawn; notes what it was told."""

    features: tuple[Any, ...] = field(default=(), metadata={"catalogue": "estimator"})
    batch: int = 2
    told: ClassVar[list] = []

    def begin(self, candidates, rng):
        return Batches(self.steps(candidates, rng))

    def steps(self, candidates, rng):
        while True:
            drawn = [candidates.sample(rng) for _ in range(10)]
            table = candidates.features(drawn)
            self.told.append((drawn, table))
            order = np.argsort(-np.nan_to_num(table[:, 0]), kind="stable")
            yield [drawn[i] for i in order[: self.batch]]


@dataclass(frozen=True)
class Describing(Greedy):
    def describes(self, budget, count):
        return 3 * budget


@dataclass(frozen=True)
class Trained(Counting):
    """One epoch a network."""

    name: ClassVar[str] = "trained"

    def price(self, n, space, task):
        return Price(float(n), 0.0)


@pytest.fixture(autouse=True)
def _nothing_told():
    Greedy.told.clear()


def plan_of(searcher, budget=6, **settings):
    return Plan(SPACE, TASK, (Stage(Counting(), top=1, search=searcher, budget=budget),), **settings)


def test_features_are_the_scores_of_the_declared_estimators(tmp_path):
    features = Counting(3), Failing("partial")
    with Session(tmp_path, SPACE, TASK) as session:
        run_plan(plan_of(Greedy(features)), session)
        asked = [arch for archs, _ in Greedy.told for arch in archs]
        scored = calls(session, features[0])
        assert len(scored) == len(set(scored)) == len({SPACE.canonical(arch) for arch in asked})  # stored, once each
        for archs, table in Greedy.told:
            np.testing.assert_array_equal(table, session.scores(features, archs))
        assert calls(session, features[0]) == scored
    column = np.concatenate([table[:, 1] for _, table in Greedy.told])
    starts_with_two = np.array([SPACE.canonical(arch)[0] == 2 for arch in asked])
    np.testing.assert_array_equal(np.isnan(column), starts_with_two)


def test_what_features_cost_is_counted(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        result = run_plan(plan_of(Greedy((Trained(),))), session)
        networks = {SPACE.canonical(arch) for archs, _ in Greedy.told for arch in archs}
        assert result.cost.network_epochs is None  # nobody says what Counting costs
        assert session.work_seconds() > 0
    with Session(tmp_path / "priced", SPACE, TASK) as session:
        stage = Stage(Trained(1), top=1, search=Greedy((Trained(),)), budget=6)
        result = run_plan(Plan(SPACE, TASK, (stage,)), session)
        assert len(networks) > 6
        assert result.cost.network_epochs == len(networks) + 6


def test_the_forecast_counts_what_a_searcher_says_that_it_describes():
    def epochs(searcher, pool=None):
        stage = Stage(Trained(1), top=1, search=searcher, budget=4)
        return forecast(Plan(SPACE, TASK, (stage,), pool=pool or Pool()))[0].network_epochs

    assert epochs(Greedy()) == 4
    assert epochs(Greedy((Trained(),))) is None
    assert epochs(Describing((Trained(),))) == 12 + 4
    assert epochs(Describing((Trained(),)), Pool(sample=7)) == 7 + 4


def test_a_killed_search_is_told_the_same_features(tmp_path, monkeypatch):
    plan = plan_of(Greedy((Counting(3),)))
    with Session(tmp_path / "whole", SPACE, TASK) as session:
        expected, whole = run_plan(plan, session), list(Greedy.told)
    put, kills = Store.put, 0

    def dying(self, rows):
        rows = list(rows)
        put(self, rows)
        if rows:
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, "put", dying)
    while True:
        Greedy.told.clear()
        with Session(tmp_path / "killed", SPACE, TASK) as session:
            try:
                found = run_plan(plan, session)
                break
            except KeyboardInterrupt:
                kills += 1
    assert kills >= 5
    assert (found.code, found.best_score) == (expected.code, expected.best_score)
    assert len(Greedy.told) == len(whole)
    for (archs, table), (archs_before, table_before) in zip(Greedy.told, whole, strict=True):
        assert archs == archs_before
        np.testing.assert_array_equal(table, table_before)


def test_names_stand_for_estimators_and_a_plan_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setitem(SEARCHERS._entries, "greedy", Greedy)
    assert [one.name for one in features_of(Greedy(("params", "nwot")))] == ["params", "nwot"]
    with pytest.raises(UnknownNameError, match=r"no estimator or proxy 'nwto'\. Did you mean 'nwot'"):
        features_of(Greedy(("nwto",)))
    with pytest.raises(SettingError, match="must be a tuple of estimators or names, but are 'params'"):
        features_of(Greedy("params"))
    path = tmp_path / "plan.toml"
    path.write_text(
        'space = "nasbench201"\ntask = "synthetic"\n[[stage]]\nestimator = "params"\ntop = 1\nbudget = 5\n'
        'search = { name = "greedy", features = ["nwot", { name = "vote", parts = ["params"], calibration = 9 }] }\n'
    )
    plan = load_plan(path)
    assert [one.name for one in estimators_of(plan)] == ["nwot", "vote", "params"]
    path.write_text(plan_text(plan))
    assert load_plan(path) == plan
    named = replace(plan, stages=(replace(plan.stages[0], search=Greedy(("params",))),))
    path.write_text(plan_text(named))
    assert load_plan(path).stages[0].search.features == (Size("params"),)


def test_without_declared_features_there_are_codes_and_with_them_the_codes_as_well():
    codes = Candidates(SPACE).encoding([(0, 1, 2, 0, 0)])
    np.testing.assert_array_equal(Candidates(SPACE).features([(0, 1, 2, 0, 0)]), codes)
    answering = Candidates(SPACE, answers=lambda archs: np.zeros((len(archs), 1)))
    np.testing.assert_array_equal(answering.encoding([(0, 1, 2, 0, 0)]), codes)


def test_features_need_a_session_and_scores_that_can_be_compared():
    with pytest.raises(SettingError, match="learns from scores of counting, which a session computes"):
        maximise(Greedy((Counting(),)), SPACE, len, budget=5, rng=np.random.default_rng(0))
    with pytest.raises(SettingError, match="The search of the stage 'counting' scores networks one by one"):
        plan_of(Greedy((Vote((Counting(), Counting(1))),)))
    stage = Stage(Counting(), top=1, search=Greedy((Counting(1), Counting(2))), budget=4)
    with pytest.raises(SettingError, match=r"must return 2 columns for the stage 'counting', shape \(10, 2\)"):
        funnel_search([stage], None, lambda e, archs: np.zeros((len(archs), 1)), guide=Guide(SPACE))


def test_a_search_that_asks_for_features_of_nothing_gets_an_empty_table(tmp_path):
    @dataclass(frozen=True)
    class Idle(Greedy):
        def steps(self, candidates, rng):
            self.told.append(candidates.features([]).shape)
            yield [candidates.sample(rng)]

    with Session(tmp_path, SPACE, TASK) as session:
        run_plan(plan_of(Idle((Counting(1), Counting(2))), budget=1), session)
    assert Greedy.told == [(0, 2)]
