"""What a run costs, in its three currencies, by hand; its seconds are those of the store, however often it ran."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from archsieve.estimators.contract import Outcome
from archsieve.estimators.lookup import Lookup
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.run import run_plan
from archsieve.report.load import read_run
from archsieve.runs.effort import in_macs, total
from archsieve.runs.session import Session
from archsieve.runs.store import Key, Store
from archsieve.searchers.contract import Stage
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from plugins.line import Given, Line
from plugins.toy import TASK, Counting, Learner, Slow, Toy

pytest_plugins = ["plugins.fixtures"]

SMALL = NASBenchMacro(stem_width=4, widths=(6,), stages=(2,), head_width=8)
IMAGES = Synthetic(shape=(3, 8, 8), num_outputs=4, images=60)  # 54 to train on
UP = Given(tuple(map(float, range(8))))


def run(folder, *stages, space=Toy(), task=TASK, **settings):  # noqa: B008 - frozen
    with Session(folder, space, task) as session:
        return run_plan(Plan(space, task, stages, **settings), session)


def seconds(folder):
    """Return the seconds that a folder's store holds, by estimator."""
    found = {}
    for e in read_run(folder).estimators:
        found[e.estimator] = found.get(e.estimator, 0) + e.seconds + e.learning_seconds
    return found


# Seconds of workers


def test_seconds_are_counted_once_however_often_a_run_goes_on(tmp_path):
    stages = Stage(Slow(seconds=0.01), top=4), Stage(Slow(1, seconds=0.02), top=1)
    found = [run(tmp_path, *stages, final=Slow(2, seconds=0.03)) for _ in range(2)]
    assert found[0].cost == found[1].cost
    assert found[0].stages == found[1].stages
    first, second = (stage.seconds for stage in found[0].stages)
    assert first >= 15 * 0.01
    assert second >= 4 * 0.02
    assert found[0].cost.seconds - first - second >= 0.03 - 0.002
    assert found[1].cost.seconds == pytest.approx(seconds(tmp_path)["slow"], abs=0.005)
    assert found[1].seconds < found[0].seconds


def test_what_an_earlier_stage_scored_costs_nothing_again(tmp_path):
    slow = Slow(seconds=0.01)
    stages = run(tmp_path, Stage(slow, keep=1.0), Stage(slow, top=3), Stage(Slow(1, seconds=0.01), top=1)).stages
    assert stages[0].seconds >= 0.15
    assert stages[1].seconds == 0
    assert stages[2].seconds >= 0.03


def test_an_evolution_is_paid_before_the_stages(tmp_path):
    slow = Slow(seconds=0.01)
    found = run(tmp_path, Stage(slow, top=3), Stage(UP8, top=1), pool=Pool(evolve=slow, budget=5))
    assert [stage.seconds for stage in found.stages] == [0, pytest.approx(0, abs=0.005)]
    assert found.cost.seconds >= found.stages[0].candidates * 0.01


UP8 = Counting(8)


def test_another_plan_in_the_same_session_is_counted_alone(tmp_path):
    slow, quick = Slow(seconds=0.02), Slow(1, seconds=0.0)
    plans = [Plan(Toy(2), TASK, (Stage(estimator, top=1),)) for estimator in (slow, quick, slow)]
    with Session(tmp_path, Toy(2), TASK) as session:
        first, second, third = (run_plan(plan, session) for plan in plans)
    assert first.cost == third.cost
    assert second.cost.seconds < 0.1 < first.cost.seconds == first.stages[0].seconds


@dataclass(frozen=True)
class SlowLearner(Learner):
    """Learns for a while, from a teacher that takes its time too."""

    name: ClassVar[str] = "slow learner"

    def fit(self, pool, ctx, scores):
        import time

        time.sleep(0.1)
        super().fit(pool, ctx, scores)


def test_learning_counts_and_so_does_what_it_learns_from(tmp_path):
    for _ in range(2):
        found = run(tmp_path, Stage(SlowLearner(teacher=Slow(seconds=0.02)), top=1), space=Toy(2))
        store = seconds(tmp_path)
        assert 0.1 <= store["slow learner"] < 0.2  # the teacher's 0.12 are its own
        assert found.cost.seconds == pytest.approx(sum(store.values()), abs=0.005)
        assert found.cost.seconds == found.stages[0].seconds >= 0.1 + 6 * 0.02


class Held:
    """A table that holds all scores of one estimator."""

    def knows(self, space, task, seed):
        return True

    def column_of(self, estimator):
        return "held" if estimator == Slow() else None

    def get(self, column, codes):
        return {code: Outcome(float(sum(code))) for code in codes}


def test_what_is_looked_up_takes_no_time(tmp_path):
    with Session(tmp_path, Toy(), TASK, tables=[Held()]) as session:
        stages = run_plan(Plan(Toy(), TASK, (Stage(Slow(), top=3), Stage(Slow(1), top=1))), session).stages
    assert stages[0].seconds == 0
    assert stages[1].seconds >= 0.15


def test_the_store_adds_up_what_was_asked_for(tmp_path):
    from archsieve.runs.store import Row

    key = Key("space", "task", "estimator", 0)
    others = [Key(**{**vars(key), field: 1 if field == "seed" else "other"}) for field in vars(key)]
    store = Store(tmp_path / "results.sqlite")
    store.put(Row(k, (i, 12), "name", 0.0, 0.25 * 2**i, 0) for k in (key, *others) for i in range(4))
    assert store.seconds(key, [(0, 12), (3, 12), (9, 9)]) == 2.25
    assert store.seconds(key, []) == 0
    for k, learnt in ((key, 8.0), (others[0], 16.0), (key, 0.5)):
        store.learn(k, "name", learnt)
    assert store.seconds(key, [(1, 12)]) == 9
    assert store.seconds(key, iter([(1, 12), (1, 12)])) == 9
    assert store.seconds(others[1], [(0, 12)]) == 0.25
    store.close()


# Network-epochs and multiply-adds


def test_multiply_adds_by_hand(tmp_path):
    """An item forwards through a network takes its multiply-adds, backwards twice as many."""
    stages = Stage(ZeroCost("snip", 27), top=3), Stage(ZeroCost("nwot", 18), top=1)
    with Session(tmp_path, SMALL, IMAGES) as session:
        found = run_plan(Plan(SMALL, IMAGES, stages, final=ZeroCost("snip", 54), stands_for=IMAGES), session)
        pool = session.pool()
        snip = session.scores([stages[0].estimator], pool)[:, 0]
    left = [pool[i] for i in np.argsort(-snip)[:3]]
    weights = {arch: SMALL.macs(arch, IMAGES) for arch in pool}
    assert len(set(weights.values())) > 5
    first = sum(weights[arch] * 3 * 27 for arch in pool)
    second = sum(weights[arch] * 18 for arch in left)
    final = weights[found.code] * 3 * 54
    assert [stage.macs for stage in found.stages] == pytest.approx([first, second])
    assert found.cost.macs == pytest.approx(first + second + final)
    assert [stage.network_epochs for stage in found.stages] == pytest.approx([len(pool) / 2, 3 * 18 / 54 / 3])
    assert found.cost.network_epochs == pytest.approx(len(pool) / 2 + 1 / 3 + 1)
    assert found.exhaustive_network_epochs == pytest.approx(len(pool))
    again = run(tmp_path, *stages, space=SMALL, task=IMAGES, final=ZeroCost("snip", 54), stands_for=IMAGES)
    assert again.cost == found.cost  # as if nothing had been stored


def test_a_cost_in_multiply_adds():
    light, heavy = (0, 0), (2, 2)
    mean = (SMALL.macs(light, IMAGES) + SMALL.macs(heavy, IMAGES)) / 2
    assert in_macs(2.0, [light, heavy], SMALL, IMAGES) == pytest.approx(2 * 3 * 54 * mean)
    assert in_macs(0.0, [light], SMALL, IMAGES) == 0


def test_what_is_unknown_is_none(publish, tmp_path):
    assert in_macs(1.0, [(0, 0)], SMALL, object()) is None  # a task without a count
    assert in_macs(1.0, [(0,)], Line(), IMAGES) is None  # a space without a closed form
    assert total([1.0, None, 2.0]) is None
    assert (total([1.0, 0.0, 2.0]), total([])) == (3.0, 0)
    publish(Line(), {"accuracy": np.arange(8.0)})
    priced = Lookup("accuracy", epochs_behind=12)
    found = run(tmp_path / "run", Stage(priced, top=4), Stage(UP, top=1), space=Line())
    assert [(s.network_epochs, s.macs) for s in found.stages] == [(96, None), (None, None)]
    assert (found.cost.network_epochs, found.cost.macs, found.exhaustive_network_epochs) == (None, None, None)


def test_a_run_on_a_task_without_a_count_tells_its_seconds_alone(tmp_path):
    @dataclass(frozen=True)
    class Uncounted:
        name: ClassVar[str] = "uncounted"
        input_shape: ClassVar[tuple[int, ...]] = (3, 8, 8)
        num_outputs: ClassVar[int] = 4

        def identity(self):
            return {"name": self.name}

    found = run(tmp_path, Stage(SNIP_BY_HAND, top=1), space=SMALL, task=Uncounted())
    assert (found.cost.network_epochs, found.cost.macs) == (None, None)
    assert found.cost.seconds >= 0
    assert found.metric == "score"


@dataclass(frozen=True)
class Priced:
    """Gives every network one score, at a price."""

    name: ClassVar[str] = "priced"
    version: ClassVar[int] = 1

    def price(self, n, space, task):
        raise AssertionError("a task without a count has no network-epochs")

    def score(self, archs, ctx):
        return np.ones(len(archs))


SNIP_BY_HAND = Priced()


def test_a_score_that_is_no_number_is_none(tmp_path):
    found = run(tmp_path, Stage(Given((math.nan,) * 8), top=1), space=Line(), final=replace(UP, values=(math.nan,) * 8))
    assert (found.best_score, found.final_score, found.stages[0].failures) == (None, None, 8)
