"""Hours of a plan, by a clock that goes only where something is done."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.contract import Price
from archsieve.estimators.lookup import Lookup, Replay
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.predictor import Predictor
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.forecast import hours_of
from archsieve.searchers.contract import Stage
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic

SPACE = NASBenchMacro(stem_width=4, widths=(6, 8), stages=(1, 1), head_width=8)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=60)  # 54 to train on, 6 to validate on
POOL = Pool(sample=4)


class Clock:
    """Goes on when told, and by `tick` each time it is read."""

    def __init__(self, tick=0.0):
        self.now, self.tick = 0.0, tick

    def __call__(self):
        self.now += self.tick
        return self.now


CLOCK = Clock()


@dataclass(frozen=True)
class Works:
    """Takes so many seconds a network, and the first time so many more."""

    seconds: float = 1.0
    warm_up: float = 0.0
    number: int = 0
    name: ClassVar[str] = "works"
    version: ClassVar[int] = 1
    calls: ClassVar[list] = []

    def price(self, n, space, task):
        return Price(0.0, float(n))

    def score(self, archs, ctx):
        CLOCK.now += self.seconds * len(archs) + self.warm_up * (self not in self.calls)
        self.calls.append(self)
        return np.ones(len(archs))


@dataclass(frozen=True)
class Fails(Works):
    def score(self, archs, ctx):
        raise RuntimeError("no memory")


@dataclass(frozen=True)
class Learns(Works):
    learns_from_pool: ClassVar[bool] = False

    def fit(self, pool, ctx, scores):
        raise AssertionError("nothing is taught while it is timed")


class Plain(NASBenchMacro):
    """Has no multiply-adds in closed form."""

    macs = None


SAME = Plain(stem_width=4, widths=(6, 8), stages=(1, 1), head_width=8)


@pytest.fixture(autouse=True)
def _anew():
    CLOCK.now = 0.0
    Works.calls.clear()


def hours(*stages, space=SAME, task=TASK, pool=POOL, final=None, **settings):
    clock = settings.pop("clock", CLOCK)
    return hours_of(Plan(space, task, stages, pool=pool, final=final), clock=clock, **settings)


def test_scores_take_what_a_network_takes():
    found = hours(Stage(Works(0.5), top=3), Stage(Works(0.25, number=1), top=1))
    assert found == pytest.approx([4 * 0.5 / 3600, 3 * 0.25 / 3600])


def test_workers_share_the_networks():
    assert hours(Stage(Works(0.5), top=1), workers=2) == pytest.approx([2 * 0.5 / 3600])
    assert hours(Stage(Works(0.5), top=1), workers=9) == pytest.approx([0.5 / 3600])  # no more than there are


def test_the_first_network_warms_up():
    assert hours(Stage(Works(0.1, warm_up=3.0), top=1)) == pytest.approx([4 * 0.1 / 3600])


def test_a_composite_takes_what_its_parts_take():
    found = hours(Stage(MeanRank((Works(0.5), Works(0.1, number=1)), calibration=5), top=1))
    assert found == pytest.approx([(4 + 5) * 0.6 / 3600])
    Works.calls.clear()
    found = hours(Stage(MeanRank((Works(0.5), Works(0.1, number=1)), calibration=4), top=1))
    assert found == pytest.approx([(4 + 4) * 0.6 / 3600])


def test_timing_ends():
    slow = [Stage(Works(9.0, number=i), keep=1.0) for i in range(8)]
    found = hours(*slow, seconds=20.0)
    assert CLOCK.now < 20 + 9
    assert found[0] == pytest.approx(4 * 9 / 3600)
    assert found[-1] is None


def test_a_training_is_timed_where_other_estimators_took_all_the_time():
    training = PartialTraining(epochs=1, batch_size=3)
    slow = Stage(Works(30.0), keep=1.0)
    found = hours(slow, Stage(training, top=1), clock=Clock(tick=1.0), seconds=1.0)
    assert found[0] is None
    assert found[1] is not None
    assert found[1] > 0


@dataclass(frozen=True)
class MostlyOverhead(PartialTraining):
    """Takes 5 seconds, and 2 more for each epoch."""

    def score(self, archs, ctx):
        CLOCK.now += (5 + 2 * self.epochs) * len(archs)
        return np.ones(len(archs))


def test_what_a_training_takes_beside_its_steps_is_timed_too(monkeypatch):
    monkeypatch.setattr(CLOCK, "tick", 1e-4)  # of a step
    training = MostlyOverhead(epochs=4, horizon=4, batch_size=8)
    found = hours(Stage(training, top=1), seconds=60.0)
    assert found[0] * 3600 == pytest.approx(4 * (4 * 2 + 5), rel=0.01)
    assert hours(Stage(training, top=1), seconds=60.0, by_steps=True)[0] * 3600 < 1
    two = hours(Stage(training, top=1), seconds=60.0, workers=2)
    assert two[0] * 3600 == pytest.approx(2 * (4 * 2 + 5), rel=0.01)


def test_errors_of_what_cannot_be_timed_are_told():
    told = []
    stages = (Stage(Fails(), top=1),)
    assert hours_of(Plan(SPACE, TASK, stages, POOL), clock=CLOCK, on_failure=told.append) == [None]
    assert len(told) == 1
    assert isinstance(told[0], Exception)


def test_what_cannot_be_timed_is_unknown():
    stages = Stage(Works(1.0), keep=1.0), Stage(Fails(), keep=1.0), Stage(Learns(), top=1)
    assert hours(*stages) == pytest.approx([4 / 3600, None, None])
    assert hours(Stage(MeanRank((Works(1.0), Fails())), top=1)) == [None]


def test_looking_up_takes_nothing():
    assert hours(Stage(Lookup("accuracy", epochs_behind=12), top=2), Stage(Replay(4), top=1)) == [0, 0]


def test_a_predictor_takes_what_teaches_it():
    assert hours(Stage(Predictor(Works(2.0), samples=3), top=1)) == pytest.approx([3 * 2 / 3600])


def test_networks_weigh_what_they_do():
    """Seconds that go by multiply-adds are those of the mean network, whichever was timed."""

    @dataclass(frozen=True)
    class ByWeight(Works):
        def score(self, archs, ctx):
            CLOCK.now += sum(SPACE.macs(arch, TASK) for arch in archs) * 1e-6
            return np.ones(len(archs))

    from archsieve.randomness import generator

    rng = generator(0, "sample", "timing")
    mean = np.mean([SPACE.macs(SPACE.canonical(SPACE.sample(rng)), TASK) for _ in range(32)])
    assert hours(Stage(ByWeight(), top=1), space=SPACE) == pytest.approx([4 * mean * 1e-6 / 3600])


def test_training_takes_what_its_steps_take():
    # A step of 3 items takes a second: an epoch of 54 items 18, scoring 6 items a third of that for each.
    found = hours(
        Stage(PartialTraining(epochs=1, batch_size=3), keep=1.0),
        Stage(PartialTraining(epochs=3, batch_size=3), top=1),
        final=PartialTraining(epochs=4, batch_size=3, split="test"),
        pool=Pool(sample=4),
        clock=Clock(tick=1.0),
        seconds=1000,
    )
    scoring = 6 / 54 / 3
    assert found[:2] == pytest.approx([4 * (1 + scoring) * 18 / 3600, 4 * (2 + scoring) * 18 / 3600])
    assert found[2] == pytest.approx((1 + 200 / 54 / 3) * 18 / 3600)


def test_a_large_batch_is_timed_by_a_part_of_it():
    found = hours(Stage(PartialTraining(epochs=1, batch_size=50), top=1), clock=Clock(tick=1.0), seconds=1000)
    assert found == pytest.approx([4 * (1 + 6 / 54 / 3) * 54 / 4 / 3600])  # a second for four items


def test_a_supernet_is_trained_by_one_worker():
    # A fair step of 3 items goes through three paths.
    found = hours(
        Stage(OneShot(epochs=5, batch_size=3, sampling="fair"), top=1),
        workers=2,
        clock=Clock(tick=1.0),
        seconds=1000,
    )
    assert found == pytest.approx([(5 * 18 + 4 * 6 / 54 / 3 * 18 / 3 / 2) / 3600])


def test_data_that_are_not_here_are_noise():
    class Absent(Synthetic):
        def is_present(self):
            return False

        def totals(self):
            return 60, 200

        def load(self):
            raise AssertionError("they are not here")

    found = hours(
        Stage(PartialTraining(epochs=1, batch_size=3), top=1),
        task=Absent(**{name: getattr(TASK, name) for name in ("shape", "num_outputs", "images")}),
        clock=Clock(tick=1.0),
        seconds=1000,
    )
    assert found == pytest.approx([4 * (1 + 6 / 54 / 3) * 18 / 3600])


def test_looking_up_and_closed_forms_need_no_torch():
    code = """
import sys
from archsieve.plans.read import plan_of
from archsieve.plans.forecast import hours_of
plan = plan_of({
    "space": "nasbench201", "task": "cifar10",
    "stage": [{"estimator": {"name": "lookup", "column": "acc"}, "keep": 0.5}, {"estimator": "params", "top": 1}],
})
found = hours_of(plan)
sys.exit(0 if found[0] == 0 and found[1] is not None and "torch" not in sys.modules else str(found))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_quick_step_is_timed_by_a_whole_batch():
    # Of tiny networks a step of four items takes as long as one of fifty: its time is that of calls.
    found = hours(Stage(PartialTraining(epochs=1, batch_size=50), top=1), clock=Clock(tick=0.01), seconds=1000)
    assert found == pytest.approx([4 * (1 + 6 / 54 / 3) * 54 / 50 * 0.01 / 3600])
