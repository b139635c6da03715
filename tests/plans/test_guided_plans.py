"""Plans with the guided search, and the baselines of mean rank: they run, and a kill changes nothing."""

import re
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from archsieve import BENCHMARKS
from archsieve.estimators.contract import Price
from archsieve.estimators.lookup import Replay
from archsieve.plans.contract import Plan, Pool
from archsieve.plans.plan_files import about_plans, find_plan, plan_names
from archsieve.plans.read import load_plan
from archsieve.plans.run import run_plan
from archsieve.plans.write import plan_text
from archsieve.registry import estimator_named
from archsieve.report.run_page import run_page
from archsieve.runs.executors import Processes, Serial
from archsieve.runs.session import Session
from archsieve.runs.store import Store
from archsieve.searchers import guided_searcher
from archsieve.searchers.contract import Stage
from archsieve.searchers.guided_searcher import Guided
from plugins.toy import TASK, Counting, Toy


@dataclass(frozen=True)
class Trained(Counting):
    """Costs an epoch a network."""

    name: ClassVar[str] = "trained"

    def price(self, n, space, task):
        return Price(float(n), 0.0)


DEMO = load_plan("demo")
SPACE = Toy(length=7)
PROXIES = ("swap", "jacov")
SHORT, LONG = Replay(3), Replay(20)
CHAIN = Plan(
    DEMO.space,
    DEMO.task,
    (
        Stage(SHORT, keep=1, search=Guided(PROXIES, batch=2), budget=24),
        Stage(LONG, top=1, search=Guided((*PROXIES, SHORT), population=4, batch=2, earlier=1), budget=10),
    ),
    pool=Pool(sample=200),
)


def without_seconds(result):
    kept = asdict(result)
    for part in (kept, kept["cost"], *kept["stages"]):
        part["seconds"] = 0
    del kept["provenance"]
    return kept


def asks(session):
    return session._store._db.execute("SELECT search, place, architecture FROM asks ORDER BY 1, 2").fetchall()


def test_a_chain_of_guided_stages_pays_for_short_trainings_once(tmp_path):
    with Session(tmp_path, CHAIN.space, CHAIN.task) as session:
        result = run_plan(CHAIN, session)
    assert [(stage.candidates, stage.kept) for stage in result.stages] == [(24, 24), (10, 1)]
    proxies = 200 * 64 / 300 * (1 / 3 + 2 / 3)  # swap, and jacov; 300 items are an epoch
    assert result.cost.network_epochs == pytest.approx(24 * 3 + 10 * (20 - 3) + proxies)
    assert result.truth.value > np.mean(BENCHMARKS["nasbench-macro-digits"].load().columns["test_acc"]) + 5


OPEN = Plan(
    SPACE,
    TASK,
    (
        Stage(
            Trained(1),
            top=1,
            search=Guided((Trained(),), listed=99, sample=12, screened=6, population=4, batch=1),
            budget=14,
        ),
    ),
)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("plan", [CHAIN, OPEN], ids=["chain", "open"])
def test_killed_at_twenty_points_it_asks_for_the_same(tmp_path, monkeypatch, plan, workers):
    monkeypatch.setattr(guided_searcher, "_DRAWN", 60)
    with Session(tmp_path / "whole", plan.space, plan.task) as session:
        expected, asked = without_seconds(run_plan(plan, session)), asks(session)
    ask, kills = Store.ask, 0

    def dying(self, search, archs):
        nonlocal kills
        archs = list(archs)
        if kills < 20:
            kills += 1
            if kills % 2:
                ask(self, search, archs)
            raise KeyboardInterrupt
        ask(self, search, archs)

    monkeypatch.setattr(Store, "ask", dying)
    executor = Processes(workers) if workers else Serial()
    for _ in range(21):
        with Session(tmp_path / "killed", plan.space, plan.task, executor=executor) as session:
            try:
                found = without_seconds(run_plan(plan, session))
            except KeyboardInterrupt:
                continue
            assert asks(session) == asked
            break
    assert kills == 20
    assert found == expected


def warm(**settings):
    return Plan(
        CHAIN.space,
        CHAIN.task,
        (Stage(LONG, top=1, search=Guided(PROXIES, warm_start=True, batch=2, **settings), budget=10),),
        pool=CHAIN.pool,
    )


def scored_before(folder, count):
    """Score networks of the pool before a search begins, and return the session's folder."""
    with Session(folder, CHAIN.space, CHAIN.task) as session:
        pool = session.pool(200)
        session.scores([LONG], pool[:count])
    return folder


def test_a_warm_start_learns_from_what_was_there_when_the_stage_began(tmp_path, monkeypatch):
    found = {}
    for count in (0, 30, 60):
        with Session(scored_before(tmp_path / f"{count}", count), CHAIN.space, CHAIN.task) as session:
            found[count] = without_seconds(run_plan(warm(), session)), asks(session)
    assert found[0][1] != found[30][1] != found[60][1]
    with Session(tmp_path / "0" / "cold", CHAIN.space, CHAIN.task) as session:
        stage = replace(warm().stages[0], search=replace(warm().stages[0].search, warm_start=False))
        cold = without_seconds(run_plan(replace(warm(), stages=(stage,)), session))
    assert cold["code"] == found[0][0]["code"]
    ask, kills = Store.ask, 0

    def dying(self, search, archs):
        nonlocal kills
        ask(self, search, archs)
        kills += 1
        raise KeyboardInterrupt

    folder = scored_before(tmp_path / "killed", 30)
    monkeypatch.setattr(Store, "ask", dying)
    for more in (45, 60, 80, 100, 120):
        with Session(folder, CHAIN.space, CHAIN.task) as session:
            try:
                result = without_seconds(run_plan(warm(), session))
            except KeyboardInterrupt:
                session.scores([LONG], session.pool(200)[:more])  # what comes later changes nothing
                continue
            assert (result, asks(session)) == found[30]
            break
    assert kills == 3


def test_a_guided_stage_is_written_as_a_plan(tmp_path):
    plan = load_plan("guided-nasbench201")
    first, second = (stage.search for stage in plan.stages)
    assert [one.name for one in second.features] == ["nwot", "swap", "synflow_log", "jacov", "val_acc_12"]
    assert second.features[-1] == plan.stages[0].estimator
    assert first.features == tuple(estimator_named(name)() for name in Guided().features)
    path = tmp_path / "plan.toml"
    path.write_text(plan_text(plan))
    assert load_plan(path) == plan


@pytest.mark.data
@pytest.mark.parametrize("space", ["nasbench-macro", "nasbench201"])
@pytest.mark.parametrize(("kind", "rank"), [("mean-rank", 10), ("guided", 10)])
def test_recommended_plans_on_tables(tmp_path, space, kind, rank):
    plan = load_plan(f"{kind}-{space}")
    with Session(tmp_path, plan.space, plan.task) as session:
        result = run_plan(plan, session)
    assert result.truth.rank <= rank


def test_every_pipeline_says_what_it_is_known_to_find():
    told = about_plans()
    assert list(told) == plan_names()
    for name in told:
        if name[:2] in ("a-", "b-", "c-") and "topformer" not in name:
            assert load_plan(find_plan(name)).finds, name
            assert load_plan(find_plan(name)).finds in told[name]


SMALLER = {
    r"width = 8\b": "width = 4",
    r"layers = 5\b": "layers = 3",
    r'name = "cifar10"\n(\w+ = .*\n)*': 'name = "digits"\n',
    r"sample = 500\b": "sample = 5",
    r"(top|budget) = (40|8)\b": lambda found: f"{found[1]} = {4 if found[2] == '40' else 2}",
    r"(horizon|epochs) = (3|10)\b": lambda found: f"{found[1]} = {1 if found[2] == '3' else 2}",
    r'name = "guided"\nfeatures': 'name = "guided"\npopulation = 2\nbatch = 1\nsample = 5\nscreened = 2\nfeatures',
    r"population = 4\nbatch = 2\n": "population = 2\nbatch = 1\n",
}


@pytest.mark.slow  # each trains a few networks of DARTS
@pytest.mark.parametrize("name", ["mean-rank-darts-cpu", "guided-darts-cpu"])
def test_plans_of_darts_run_to_the_report_at_a_smaller_scale(tmp_path, name):
    text = find_plan(name).read_text()
    for pattern, smaller in SMALLER.items():
        text = re.sub(pattern, smaller, text)
    (tmp_path / "plan.toml").write_text(text)
    plan = load_plan(tmp_path / "plan.toml")
    with Session(tmp_path / "run", plan.space, plan.task) as session:
        result = run_plan(plan, session)
    counts = [(4, 4), (2, 1)] if "guided" in name else [(5, 4), (4, 2), (2, 1)]
    assert [(stage.candidates, stage.kept) for stage in result.stages] == counts
    assert [stage.failures for stage in result.stages] == [0] * len(counts)
    assert 0 <= result.final_score <= 100
    page = run_page(tmp_path / "run").html()
    assert result.digits in page
