"""A limit that is measured: lazily, twice near the edge, and what a search and a pool make of it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from archsieve import Session
from archsieve.errors import EstimatorError, PlanError, RunFolderError, SettingError
from archsieve.estimators.measured.command import Command
from archsieve.estimators.measured.latency import Latency
from archsieve.plans.ceiling import Ceiling, Gate
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.finished import code_of_rank
from archsieve.plans.front import rank_under
from archsieve.plans.read import plan_of
from archsieve.plans.run import run_plan
from archsieve.plans.write import plan_text
from archsieve.registry import ESTIMATORS, SEARCHERS
from archsieve.report.load import read_run
from archsieve.report.outcome import limit_lines
from archsieve.runs.folder import write_json
from archsieve.searchers.contract import Stage
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from plugins.commands import TINY

SPACE = NASBenchMacro(stem_width=4, widths=(4, 4), stages=(1, 2), head_width=8)  # 27 codes
TASK = Synthetic(shape=(3, 8, 8), num_outputs=3, images=8, test_images=4)


@dataclass(frozen=True)
class Stopwatch:
    """Takes 1 ms and another for each step of the digits, and is off by `drift` when it measures again."""

    drift: float = 0.0
    broken: tuple[int, ...] = ()
    repeat: int = 0
    version: ClassVar[int] = 1
    chunk_size: ClassVar[int] = 4
    uses_device: ClassVar[bool] = False
    measure: ClassVar = Latency.measure
    asked: ClassVar[list] = []

    @property
    def name(self):
        return f"stopwatch {self.repeat}"

    def score(self, archs, ctx):
        self.asked.extend((self.repeat, arch) for arch in archs)
        drift = self.drift * self.repeat
        return np.array([np.nan if arch[0] in self.broken else -(1.0 + sum(arch) + drift) for arch in archs])


@dataclass(frozen=True)
class Training:
    """What must not be spent on networks beyond the limit: larger is better."""

    name: ClassVar[str] = "training"
    version: ClassVar[int] = 1
    uses_device: ClassVar[bool] = False
    asked: ClassVar[list] = []

    def score(self, archs, ctx):
        self.asked.extend(archs)
        return np.array([float(sum(arch)) + 0.01 * arch[-1] for arch in archs])


@pytest.fixture(autouse=True)
def _fresh():
    Stopwatch.asked.clear()
    Training.asked.clear()


def run(folder, ceiling, *, pool=None, stage=None, space=SPACE):
    plan = Plan(space, TASK, (stage or Stage(Training(), top=1),), pool or Pool(), ceiling=ceiling)
    with Session(folder, space, TASK) as session:
        return run_plan(plan, session)


def measured(repeat=0):
    return [arch for count, arch in Stopwatch.asked if count == repeat]


def test_a_pool_of_all_is_measured_once_and_only_what_is_within_is_trained(tmp_path):
    result = run(tmp_path, Ceiling(3.5, Stopwatch()))
    assert len(measured()) == 27
    assert {sum(arch) for arch in Training.asked} == {0, 1, 2}
    assert sum(result.code) == 2
    limit = result.limit
    # Of three digits in 0..2 there are 1, 3, 6, 7, 6, 3, 1 with a sum of 0 to 6.
    assert (limit.measured, limit.within, limit.beyond, limit.not_measured) == (27, 10, 17, 0)
    assert limit.best == 3.0
    assert limit.edge == ()
    Stopwatch.asked.clear()
    assert run(tmp_path, Ceiling(3.5, Stopwatch())).limit == limit
    assert Stopwatch.asked == []


def test_a_bound_chooses_among_what_the_limit_measured(tmp_path):
    result = run(tmp_path, Ceiling(3.5, Stopwatch(broken=(2,))), stage=Stage(Training(), keep=1.0))
    assert result.limit.values["110"] == 3.0
    assert len(result.limit.values) == 18
    rank = rank_under(tmp_path, "2.5ms")
    assert rank > 1
    assert code_of_rank(tmp_path, rank) == (0, 0, 1)  # of three networks of 2 ms the best by what the stage scored
    assert rank_under(tmp_path, "0.0035 s") == 1
    with pytest.raises(SettingError, match=r"No network of .* is under 0.5ms: the lowest has 1 ms"):
        rank_under(tmp_path, "0.5ms")
    with pytest.raises(SettingError, match="--under must be a number with a unit"):
        rank_under(tmp_path, "3")
    stored = json.loads((tmp_path / "result.json").read_text())
    del stored["limit"]["values"]
    write_json(tmp_path / "result.json", stored)
    with pytest.raises(RunFolderError, match="does not say what each network takes: run the search again"):
        rank_under(tmp_path, "3ms")
    assert read_run(tmp_path).result["limit"]["values"] == {}


def test_a_bound_takes_a_single_candidate_too(tmp_path):
    result = run(tmp_path, Ceiling(1.0, Stopwatch(), edge=0.0), stage=Stage(Training(), top=1))
    assert result.stages == ()
    assert rank_under(tmp_path, "1 ms") == 1
    with pytest.raises(SettingError, match="the lowest has 1 ms"):
        rank_under(tmp_path, "0.9 ms")


def test_both_measurements_are_read_in_milliseconds(tmp_path):
    run(tmp_path, Ceiling(3.1, Stopwatch(drift=1.0), edge=0.05))
    values = {each.estimator: each.best_value for each in read_run(tmp_path).estimators}
    assert values["stopwatch 0"] == 1.0
    assert values["stopwatch 1"] == 4.0


def test_what_the_limit_takes_is_part_of_no_stage(tmp_path, monkeypatch):
    measured = Stopwatch.score
    monkeypatch.setattr(Stopwatch, "score", lambda *arguments: (time.sleep(0.02), measured(*arguments))[1])
    result = run(tmp_path, Ceiling(9.0, Stopwatch(), edge=0.0))
    assert result.stages[0].seconds < 0.1 < 0.14 <= result.cost.seconds  # seven chunks of four


def test_a_limit_in_another_unit_is_refused():
    assert Ceiling(8.0, Command("bench {digits}", "x")).most == 8.0
    with pytest.raises(SettingError, match="is in ms, but 'command\\[x\\]' has the unit 's'"):
        Ceiling(8.0, Command("bench {digits}", "x", unit="s"))


@pytest.mark.parametrize(("most", "within"), [(7.0, 27), (6.999, 26), (1.0, 1)])
def test_a_limit_that_all_or_one_satisfy(most, within, tmp_path):
    """A network of just the limit is within."""
    assert run(tmp_path, Ceiling(most, Stopwatch(), edge=0.0)).limit.within == within


def test_a_sample_is_measured_only_as_far_as_it_needs(tmp_path):
    result = run(tmp_path, Ceiling(6.5, Stopwatch()), pool=Pool(sample=6))
    assert result.stages[0].candidates == 6
    assert 6 <= len(measured()) <= 16  # two blocks; 26 of 27 are within
    with Session(tmp_path, SPACE, TASK) as session:
        first = [arch for arch in session.pool() if 1 + sum(arch) <= 6.5][:6]
    assert sorted(Training.asked) == sorted(first)


def test_near_the_limit_it_is_measured_again_and_marked(tmp_path):
    result = run(tmp_path, Ceiling(2.9, Stopwatch(drift=-0.2), edge=0.05))
    again = {sum(arch) for arch in measured(1)}
    assert again == {2}  # 3.0 ms; 2.0 and 4.0 are further than 5 % from 2.9
    assert {sum(arch) for arch in Training.asked} == {0, 1, 2}
    edge = result.limit.edge
    assert len(edge) == 6
    assert {(each.first, each.again, each.is_within) for each in edge} == {(3.0, 2.8, True)}
    stored = json.loads((tmp_path / "result.json").read_text())
    assert limit_lines(stored) == [
        "Limit: 2.9 ms by stopwatch 0: of 27 measured 10 are within, 17 beyond",
        "    The network found takes 3 ms, measured again 2.8 ms (near the limit)",
        "    Near the limit, and measured twice: 6 networks",
    ]


def test_what_comes_out_higher_again_stays_within(tmp_path):
    """The lower of both decides: what disturbs a measurement only makes it longer."""
    result = run(tmp_path, Ceiling(3.1, Stopwatch(drift=1.0), edge=0.05))
    assert {(each.first, each.again, each.is_within) for each in result.limit.edge} == {(3.0, 4.0, True)}


@pytest.mark.parametrize("name", ["random_search", "regularized_evolution", "guided", "optuna"])
def test_a_search_pays_only_for_what_is_within(name, tmp_path):
    if name == "optuna":
        pytest.importorskip("optuna")
    settings = {
        "guided": {"features": (), "population": 3, "batch": 2},
        "random_search": {},
        "optuna": {"sampler": "nsga2", "population": 3},
        "regularized_evolution": {"population": 3, "tournament": 2},
    }
    search = SEARCHERS[name](**settings[name])
    result = run(tmp_path, Ceiling(4.5, Stopwatch()), stage=Stage(Training(), top=1, search=search, budget=8))
    assert len(set(Training.asked)) == len(Training.asked) == 8
    assert max(map(sum, Training.asked)) <= 3
    assert result.limit.within == 8
    assert result.limit.measured == len(measured())
    assert result.limit.beyond == result.limit.measured - 8 > 0
    assert result.worth is None
    before = list(Training.asked)
    again = run(tmp_path, Ceiling(4.5, Stopwatch()), stage=Stage(Training(), top=1, search=search, budget=8))
    assert (again.code, again.limit) == (result.code, result.limit)
    assert Training.asked == before


def test_an_evolved_pool_keeps_within(tmp_path):
    pool = Pool(evolve=ESTIMATORS["macs"](), budget=20, population=5, tournament=2)
    result = run(tmp_path, Ceiling(4.5, Stopwatch()), pool=pool)
    assert max(map(sum, Training.asked)) <= 3
    assert result.limit.beyond > 0


def test_what_cannot_be_measured_is_not_within(tmp_path):
    result = run(tmp_path, Ceiling(3.5, Stopwatch(broken=(1,))))
    assert result.limit.not_measured == 9
    assert 1 not in {arch[0] for arch in Training.asked}


def test_where_nothing_can_be_measured_the_reason_is_given(tmp_path):
    with pytest.raises(EstimatorError, match="'stopwatch 0' could score none of 27"):
        run(tmp_path, Ceiling(3.5, Stopwatch(broken=(0, 1, 2))))


def test_a_limit_that_is_too_low_says_how_far(tmp_path):
    with pytest.raises(SettingError, match=r"max_latency_ms = 0.5: the lowest of 27 has 1. Raise the limit"):
        run(tmp_path, Ceiling(0.5, Stopwatch()))
    with pytest.raises(SettingError, match=r"Of 27 networks drawn, 1 are within max_latency_ms = 1.2"):
        run(tmp_path / "b", Ceiling(1.2, Stopwatch(), edge=0.0), pool=Pool(sample=2))
    large = NASBenchMacro(stem_width=4, widths=(4, 4), stages=(2, 4), head_width=8)
    stage = Stage(Training(), top=1, search=SEARCHERS["random_search"](), budget=8)
    with pytest.raises(SettingError, match=r"None of 6\d networks that were measured is within"):
        run(tmp_path / "c", Ceiling(0.5, Stopwatch()), stage=stage, space=large)


def test_a_gate_answers_in_the_order_asked_and_by_network(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        gate = Gate(Ceiling(3.5, Stopwatch()), session)
        assert gate([(2, 2, 2), (0, 0, 0), (2, 2, 2), (1, 1, 0)]).tolist() == [False, True, False, True]
    assert len(measured()) == 3


TABLE = {
    "space": {"name": "nasbench-macro"},
    "task": "synthetic",
    "stage": [{"estimator": "params", "top": 1}],
    "limits": {"max_latency_ms": 8, "max_params": 1e6, "latency_edge": 0.2},
}


def test_a_plan_has_it_and_keeps_it_when_it_is_written():
    plan = plan_of(TABLE)
    assert plan.ceiling == Ceiling(8.0, Latency(), 0.2)
    assert plan.space.limits.max_params == 1e6
    import tomllib

    assert plan_of(tomllib.loads(plan_text(plan))) == plan
    alone = plan_of({**TABLE, "limits": {"max_latency_ms": 8.0, "latency": {"name": "latency", "batch": 4}}})
    assert alone.ceiling.estimator == Latency(batch=4)
    assert not hasattr(alone.space, "limits")
    assert plan_of(tomllib.loads(plan_text(alone))) == alone


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_latency_m": 8}, "Did you mean 'max_latency_ms'"),
        ({"latency": "latency"}, "needs `max_latency_ms`"),
        ({"max_latency_ms": 0}, "above 0"),
        ({"max_latency_ms": "8"}, "must be a number"),
        ({"max_latency_ms": 8, "latency": "params"}, "needs an estimator that measures.*'params'"),
        ({"max_latency_ms": 8, "latency": "memory"}, "needs an estimator that measures"),
        ({"max_latency_ms": 8, "latency_edge": 1}, "latency_edge < 1"),
    ],
)
def test_what_is_wrong_is_said(limits, said):
    with pytest.raises((PlanError, SettingError), match=said):
        plan_of({**TABLE, "limits": limits})


def test_the_limit_can_be_changed_on_the_command_line(tmp_path):
    from archsieve.plans.read import load_plan

    path = tmp_path / "plan.toml"
    path.write_text(TINY + '[limits]\nmax_latency_ms = 8\n[[stage]]\nestimator = "params"\ntop = 1\n')
    assert load_plan(path, (), ["limits.max_latency_ms=5.5"]).ceiling.most == 5.5
