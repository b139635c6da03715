"""Several objectives: the estimator, searches that are told both, the front in the result, and export by a bound."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import pytest

from archsieve import Session
from archsieve.errors import ArchsieveError, RunFolderError, SettingError
from archsieve.estimators.combined.objectives import Lower, Objectives
from archsieve.estimators.measured.latency import Latency
from archsieve.fronts import fronts_of, hypervolume
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.finished import code_of_rank
from archsieve.plans.front import rank_under
from archsieve.plans.read import plan_of
from archsieve.plans.run import run_plan
from archsieve.plans.write import plan_text
from archsieve.registry import ESTIMATORS, SEARCHERS
from archsieve.report.front_chart import front_charts
from archsieve.report.load import read_run
from archsieve.report.outcome import front_lines
from archsieve.runs.results import Objective, Trade
from archsieve.searchers.contract import Stage
from archsieve.searchers.scalarised import scalarised
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from plugins.commands import TINY, invoke

pytest_plugins = ["plugins.fixtures"]

SPACE = NASBenchMacro(stem_width=4, widths=(4, 4), stages=(1, 2), head_width=8)  # 27 codes
HUGE = NASBenchMacro(stem_width=4, widths=(4, 4, 4), stages=(4, 4, 4), head_width=8)
LARGE = NASBenchMacro(stem_width=4, widths=(4, 4), stages=(3, 3), head_width=8)  # 729 codes
TASK = Synthetic(shape=(3, 8, 8), num_outputs=3, images=8, test_images=4)


@dataclass(frozen=True)
class Quality:
    """More steps are better, and steps at odd places a little more so; one network cannot be scored."""

    name: ClassVar[str] = "quality"
    version: ClassVar[int] = 1
    uses_device: ClassVar[bool] = False

    def score(self, archs, ctx):
        weights = np.array([1.0 + 0.1 * (i % 2) for i in range(len(archs[0]))])
        values = np.array(archs) @ weights
        return np.where([all(option == 1 for option in arch) for arch in archs], np.nan, values)


@dataclass(frozen=True)
class Time:
    """A millisecond, and for each step the square of it."""

    name: ClassVar[str] = "time"
    version: ClassVar[int] = 1
    uses_device: ClassVar[bool] = False
    measure: ClassVar = Latency.measure

    def score(self, archs, ctx):
        return np.array([-(1.0 + sum(option**2 for option in arch)) for arch in archs])


BOTH = Objectives((Quality(), Time()))


def run(folder, stage, *, pool=None, space=SPACE, seed=0):
    plan = Plan(space, TASK, (stage,), pool or Pool(), seed=seed)
    with Session(folder, space, TASK, seed=seed) as session:
        return run_plan(plan, session)


@dataclass(frozen=True)
class Kept:
    """Quality by a training that goes on: it remembers what it is told to forget."""

    name: ClassVar[str] = "kept"
    version: ClassVar[int] = 1
    uses_device: ClassVar[bool] = False
    forgotten: ClassVar[list] = []

    @property
    def lineage(self):
        return self

    def score(self, archs, ctx):
        return np.array([float(sum(arch)) for arch in archs])

    def forget(self, archs, ctx):
        self.forgotten.extend(archs)


def test_the_weights_of_the_whole_front_are_kept(tmp_path):
    Kept.forgotten.clear()
    front = run(tmp_path, Stage(Objectives((Kept(), Time())), top=1)).front
    best = {network.code for network in front.networks if network.is_best}
    assert len(best) > 3
    assert set(Kept.forgotten) == {network.code for network in front.networks} - best


def test_the_score_is_the_front_and_the_place_by_the_first_objective():
    columns = np.array([[3.0, 1.0], [1.0, 3.0], [2.0, 0.5], [2.0, 2.0], [float("nan"), 9.0]])
    scores = BOTH.combine(columns, columns)
    assert [math.floor(score) for score in scores[:4]] == [0, 0, -1, 0]
    assert scores[0] > scores[3] > scores[1] > scores[2]
    assert np.isnan(scores[4])


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((Quality(),), "two or more"),
        ((Quality(), Quality()), "two or more different"),
        ((Quality(), ESTIMATORS["macs"]()), "'macs' favours large networks: write '-macs'"),
    ],
)
def test_objectives_are_two_different_ones_that_mean_what_they_say(parts, said):
    with pytest.raises(SettingError, match=said):
        Objectives(parts)


def test_a_pool_is_scored_by_all_and_the_front_is_that_of_the_definition(tmp_path):
    result = run(tmp_path, Stage(BOTH, top=1))
    front = result.front
    assert [(o.estimator, o.title, o.higher_is_better) for o in front.objectives] == [
        ("quality", "quality", True),
        ("time", "latency in ms", False),
    ]
    assert len(front.networks) == 26  # one has no quality
    values = {network.code: network.values for network in front.networks}
    for network in front.networks:
        quality, time = network.values
        dominated = any(q >= quality and t <= time and (q, t) != (quality, time) for q, t in values.values())
        assert network.is_best == (not dominated)
        assert code_of_rank(tmp_path, network.rank) == network.code
    best = [network for network in front.networks if network.is_best]
    assert front.networks[: len(best)] == tuple(best)
    assert result.code == best[0].code == (2, 2, 2)
    report = read_run(tmp_path)
    assert report.result["front"]["networks"][0]["values"] == list(best[0].values)
    lines = front_lines(report.result)
    assert lines[0] == f"Front: {len(best)} of 26 networks are not dominated in quality, latency in ms"
    assert lines[1] == "    222: 6.2, 13"


@pytest.mark.parametrize(
    ("count", "best", "said"),
    [(1, 1, "1 of 1 network is"), (500, 1, "1 of 500 networks is"), (1200, 500, "500 of 1,200 networks are")],
)
def test_a_front_of_one_and_of_many_is_a_sentence(count, best, said):
    objectives = [asdict(Objective("q", "quality", True)), asdict(Objective("t", "latency in ms", False))]
    networks = [
        asdict(Trade(f"{place:04}", (place,), (float(-place), float(count - place)), place < best, place + 1))
        for place in range(count)
    ]
    result = {"front": {"objectives": objectives, "networks": networks}}
    lines = front_lines(result)
    assert lines[0] == f"Front: {said} not dominated in quality, latency in ms"
    assert len(lines) == 1 + min(best, 12) + (best > 12)
    (chart,) = front_charts(result)
    assert chart.caption.startswith(f"{best} of {count:,} networks {said.split()[-1]} not dominated: ")


def volume_of(result):
    return hypervolume([(network.values[0], -network.values[1]) for network in result.front.networks], (0.0, -50.0))


@pytest.mark.parametrize(
    ("name", "settings", "budget"),
    [
        ("optuna", {"sampler": "nsga2", "population": 10, "batch": 10}, 100),
        ("guided", {"features": (), "population": 15, "batch": 9}, 50),
    ],
)
def test_searches_are_told_both_and_beat_chance(name, settings, budget, tmp_path):
    if name == "optuna":
        pytest.importorskip("optuna")

    stage = Stage(BOTH, top=1, search=SEARCHERS[name](**settings), budget=budget)
    result = run(tmp_path / "a", stage, space=HUGE)
    assert len(result.front.networks) + result.stages[0].failures == budget
    chance = Stage(BOTH, top=1, search=SEARCHERS["random_search"](), budget=budget)
    assert volume_of(result) > 1.02 * volume_of(run(tmp_path / "chance", chance, space=HUGE))
    assert run(tmp_path / "a", stage, space=HUGE).front == result.front


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("optuna", {"sampler": "nsga2", "population": 6, "batch": 6}),
        ("optuna", {"sampler": "tpe", "population": 6, "batch": 3}),
        ("guided", {"features": (), "population": 6, "batch": 3}),
        ("guided", {"features": ("params",), "population": 6, "batch": 3, "listed": 100, "sample": 20, "screened": 10}),
        ("random_search", {}),
    ],
)
def test_the_same_seed_meets_the_same_networks_and_a_killed_search_goes_on(name, settings, tmp_path):
    if name == "optuna":
        pytest.importorskip("optuna")
    search = SEARCHERS[name](**settings)
    whole = run(tmp_path / "a", Stage(BOTH, top=1, search=search, budget=15), space=LARGE)
    run(tmp_path / "b", Stage(BOTH, top=1, search=search, budget=9), space=LARGE)  # as one that ended early
    assert run(tmp_path / "b", Stage(BOTH, top=1, search=search, budget=15), space=LARGE).front == whole.front
    assert len(whole.front.networks) + whole.stages[0].failures == 15


def test_weights_decide_which_objective_counts():
    values = np.array([[9.0, 1.0], [5.0, 5.0], [1.0, 9.0], [4.0, 4.0]])
    assert scalarised(values, np.array([0.95, 0.05])).argmax() == 0
    assert scalarised(values, np.array([0.05, 0.95])).argmax() == 2
    even = scalarised(values, np.array([0.5, 0.5]))
    assert even.argmax() == 1
    assert even[3] < even[1]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("regularized_evolution", {"population": 5, "tournament": 2}),
        ("guided", {"features": (), "warm_start": True}),
        ("optuna", {"sampler": "gp", "population": 5}),
    ],
)
def test_a_search_of_one_objective_says_which_take_several(name, settings):
    if name == "optuna":
        pytest.importorskip("optuna")
    stage = Stage(BOTH, top=1, search=SEARCHERS[name](**settings), budget=20)
    with pytest.raises(SettingError, match=r"takes one objective.*nsga2.*guided.*random_search"):
        Plan(SPACE, TASK, (stage,))


TABLE = {
    "space": {"name": "nasbench-macro"},
    "task": "synthetic",
    "objectives": ["partial_training", "latency", "-macs"],
    "stage": [{"search": {"name": "optuna", "sampler": "nsga2"}, "budget": 60, "top": 1}],
}


def test_a_plan_names_its_objectives():
    pytest.importorskip("optuna")
    plan = plan_of(TABLE)
    assert plan.stages[0].estimator.parts == (
        ESTIMATORS["partial_training"](),
        Latency(),
        Lower(ESTIMATORS["macs"]()),
    )
    assert plan_of(tomllib.loads(plan_text(plan))) == plan


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stage": [{"estimator": "params", "top": 1}]}, "leave `estimator` out"),
        ({"objectives": "latency"}, "list of estimators"),
        ({"objectives": ["latency"]}, "two or more"),
        ({"objectives": ["latenci", "-macs"]}, "latency"),
        ({"objectives": ["-latenci", "macs"]}, "latency"),
        ({"objective": ["latency", "-macs"]}, "Did you mean 'objectives'"),
    ],
)
def test_what_is_wrong_is_said(changes, said):
    stage = [{"top": 1}]
    with pytest.raises(ArchsieveError, match=said):
        plan_of({**TABLE, "stage": stage, **changes})


@pytest.fixture
def finished(tmp_path):
    run(tmp_path, Stage(BOTH, top=1))
    return tmp_path


@pytest.mark.parametrize(
    ("bound", "most"),
    [("8ms", 8.0), (" 0.009 s", 9.0), ("13000us", 13.0), ("1 ms", 1.0), ("13e3 \u00b5s", 13.0), ("8.ms", 8.0)],
)
def test_a_bound_chooses_the_best_by_the_first_objective_within_it(finished, bound, most):
    networks = json.loads((finished / "result.json").read_text())["front"]["networks"]
    expected = max((n for n in networks if n["values"][1] <= most), key=lambda n: n["values"][0])
    assert code_of_rank(finished, rank_under(finished, bound)) == tuple(expected["code"])


@pytest.mark.parametrize(
    ("bound", "said"),
    [
        ("0.5ms", r"No network of .* is under 0.5ms: the lowest has 1 ms"),
        ("8", "a number with a unit"),
        ("ms", "a number with a unit"),
        ("8MB", "latency in ms"),
        ("8,5ms", "a number with a unit"),
        ("-8ms", "a number with a unit"),
        ("nan ms", "a number with a unit"),
        ("8ms onnxruntime", "latency in ms"),
        ("8 quality", "latency in ms"),
    ],
)
def test_a_bound_that_cannot_choose_says_why(finished, bound, said):
    with pytest.raises(SettingError, match=said):
        rank_under(finished, bound)


def test_two_objectives_in_one_unit_are_told_apart(tmp_path):
    slow = ESTIMATORS["latency"](runtime="onnxruntime").name

    @dataclass(frozen=True)
    class Other(Time):
        name: ClassVar[str] = slow

        def score(self, archs, ctx):
            return super().score(archs, ctx) - 10

    front = run(tmp_path, Stage(Objectives((Quality(), Time(), Other())), top=1)).front
    titles = ["quality", "latency in ms, time", f"latency in ms, {slow}"]
    assert [objective.title for objective in front.objectives] == titles
    for network in front.networks:
        assert network.values[2] == network.values[1] + 10
    with pytest.raises(SettingError, match=r"may be of 2 objectives .*add a word .*'19 ms onnxruntime'"):
        rank_under(tmp_path, "19 ms")
    lower, higher = (code_of_rank(tmp_path, rank_under(tmp_path, f"19 ms {word}")) for word in ("onnxruntime", "time"))
    taken = {network.code: network.values for network in front.networks}
    assert taken[lower][2] <= 19 < taken[higher][2]
    assert taken[higher][1] <= 19


def test_three_objectives_have_the_front_of_the_definition():
    points = np.random.default_rng(0).integers(0, 6, (500, 3)).astype(float)
    points[7] = np.nan
    for columns in (points, points[:, :2]):
        fronts = fronts_of(columns)
        for place, point in enumerate(columns):
            dominating = (columns >= point).all(axis=1) & (columns > point).any(axis=1)
            expected = -1 if np.isnan(point).any() else max(fronts[dominating], default=-1) + 1
            assert fronts[place] == expected


def test_without_objectives_a_bound_says_what_else_chooses(tmp_path):
    run(tmp_path, Stage(Quality(), top=1))
    with pytest.raises(RunFolderError, match=r"no `objectives`.*--rank"):
        rank_under(tmp_path, "8ms")


@pytest.mark.usefixtures("restored")
def test_the_command_exports_that_network(tmp_path):
    plan = tmp_path / "plan.toml"
    head = TINY.replace('task = "digits"', 'task = "digits"\nobjectives = ["params", "-macs"]')
    plan.write_text(head + "[[stage]]\ntop = 1\n")
    refused = invoke("search", plan, "--out", tmp_path / "run")
    assert "write '-params'" in refused.stderr
    plan.write_text(plan.read_text().replace('"params"', '"nwot"'))
    done = invoke("search", plan, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.stderr
    assert "networks are not dominated in nwot, macs" in done.stdout
    front = json.loads(invoke("report", tmp_path / "run", "--json").stdout)["result"]["front"]
    lowest = min(front["networks"], key=lambda network: network["values"][1])
    words = ["export", tmp_path / "run", "--under", f"{lowest['values'][1]}macs", "--to", tmp_path / "out"]
    words += ["--format", "plain"]
    assert "give one of them" in invoke(*words, "--rank", "2").stderr
    result = invoke(*words)
    assert result.exit_code == 0, result.stderr
    facts = json.loads((tmp_path / "out" / "architecture.json").read_text())
    assert facts["digits"] == lowest["architecture"]
