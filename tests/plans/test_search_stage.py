"""Plans whose stages search: reading, writing, forecast, running, going on after kills, and the report."""

import json
import os
import signal
import sqlite3
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from archsieve.errors import EstimatorError, PlanError, SettingError, UnknownNameError
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.size import Size
from archsieve.plans.contract import Plan, Pool, forecast
from archsieve.plans.read import load_plan
from archsieve.plans.run import run_plan
from archsieve.plans.write import plan_text
from archsieve.report.load import read_run
from archsieve.report.run_page import run_page
from archsieve.runs.session import Session
from archsieve.runs.store import Store
from archsieve.searchers.contract import Stage
from archsieve.searchers.differential_evolution import DifferentialEvolution
from archsieve.searchers.random_search import RandomSearch
from archsieve.searchers.regularized_evolution import RegularizedEvolution
from archsieve.spaces.attentivenas.space import AttentiveNAS
from archsieve.tasks.synthetic import Synthetic
from plugins.commands import TINY, finish, invoke, start, wait_for
from plugins.toy import TASK, Counting, Failing, Toy, calls

SPACE = Toy(length=6)  # 729 codes, 28 networks
EVOLUTION = RegularizedEvolution(population=5, tournament=3)
HEAD = 'space = "nasbench201"\ntask = "synthetic"\n'
STAGE = '[[stage]]\nestimator = "l2_norm"\ntop = 3\n'
EVOLVING = STAGE + 'search = { name = "regularized_evolution", population = 20 }\nbudget = 500\n'


@pytest.fixture
def read(tmp_path):
    def read(text, **settings):
        path = tmp_path / "plan.toml"
        path.write_text(text)
        return load_plan(path, **settings)

    return read


def test_a_stage_with_a_search_is_read_and_written(read):
    plan = read(HEAD + EVOLVING)
    assert plan.stages[0].search == RegularizedEvolution(population=20)
    assert plan.stages[0].budget == 500
    assert plan.is_open
    assert 'name = "regularized_evolution"' in plan_text(plan)
    assert read(plan_text(plan)) == plan
    assert read(HEAD + EVOLVING.replace("regularized_", "regularized-")) == plan  # the spelling of before
    other = read(HEAD + STAGE + 'search = "random_search"\nbudget = 7\n')
    assert other.stages[0].search == RandomSearch()
    assert read(plan_text(other)) == other
    assert not read(HEAD + "pool = { sample = 9 }\n" + EVOLVING).is_open


@pytest.mark.parametrize(
    ("stage", "error", "message"),
    [
        (
            STAGE + 'search = "random_search"\n',
            PlanError,
            "stage 1: A stage needs both `search` and `budget`, or neither",
        ),
        (EVOLVING.replace("500", "19"), PlanError, "`budget >= population` must hold for a search"),
        (EVOLVING.replace("500", '"9"'), PlanError, "budget must be a whole number"),
        (EVOLVING.replace("population", "populatoin"), PlanError, "Did you mean 'population'"),
        (EVOLVING.replace("evolution", "evoltion"), UnknownNameError, "no searcher 'regularized_evoltion'. Did you"),
        (EVOLVING.replace("= 20", "= 2"), PlanError, "tournament <= population"),
        (
            EVOLVING.replace('"l2_norm"', '{ name = "vote", parts = ["zen"] }'),
            PlanError,
            "stage 'vote' scores networks",
        ),
    ],
)
def test_wrong_searches_are_refused(read, stage, error, message):
    with pytest.raises(error, match=message):
        read(HEAD + stage)


def test_a_searcher_of_a_plugin(tmp_path, read, monkeypatch):
    examples = Path(__file__).parents[2] / "examples"
    monkeypatch.syspath_prepend(examples)
    plan = tmp_path / "own.toml"
    stage = '[[stage]]\nestimator = "params"\ntop = 1\nbudget = 5\nsearch = { name = "climber", batch = 2 }\n'
    plan.write_text(TINY.replace("[space]", f"{stage}[space]"))
    result = invoke("search", plan, "--out", tmp_path / "run", "--plugin", examples / "my_searcher.py", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["stages"][0]["candidates"] == 5
    own = STAGE + 'search = { name = "my_searcher:Climber", batch = 3 }\nbudget = 3\n'
    plan_of_module = read(HEAD + own, plugins=["my_searcher"])
    assert plan_of_module.stages[0].search.batch == 3
    assert read(plan_text(plan_of_module)) == plan_of_module
    with pytest.raises(PlanError, match=r"add --plugin my_searcher\.py"):
        read(HEAD + own)


def test_the_forecast_counts_the_budget():
    stages = (Stage(Size("params"), keep=0.5, search=RandomSearch(), budget=41), Stage(Size("macs"), top=1))
    huge = Plan(AttentiveNAS(), Synthetic(), stages)
    assert [(row.candidates, row.kept) for row in forecast(huge)] == [(41, 20), (20, 1)]
    few = Plan(SPACE, TASK, stages, pool=Pool(sample=11))
    assert [(row.candidates, row.kept) for row in forecast(few)] == [(11, 5), (5, 1)]


def test_a_dry_run_says_the_budget(tmp_path):
    plan = tmp_path / "own.toml"
    plan.write_text(HEAD + EVOLVING)
    result = invoke("search", plan, "--dry-run", "--no-timing", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)[0]["candidates"] == 500


def plan_of(*stages, **settings):
    return Plan(SPACE, TASK, stages, **settings)


@pytest.mark.parametrize("seed", range(5))
def test_evolved_pools_are_those_of_before_searchers_could_be_asked(tmp_path, seed):
    recorded = json.loads(Path(__file__).with_name("evolved_pools.json").read_text(encoding="utf-8"))[str(seed)]
    with Session(tmp_path, SPACE, TASK, seed=seed) as session:
        drawn = Pool(evolve=Counting(), budget=40, population=8, tournament=3).draw(session)
    assert [tuple(map(int, code)) for code in recorded.split()] == drawn


def compact(result):
    kept = asdict(result)
    for part in (kept, kept["cost"], *kept["stages"]):
        part["seconds"] = 0
    del kept["provenance"]
    return kept


@pytest.mark.parametrize("searcher", [EVOLUTION, RandomSearch(batch=4), DifferentialEvolution(population=5)])
def test_only_what_was_scored_is_kept_and_nothing_is_scored_twice(tmp_path, searcher):
    plan = plan_of(Stage(Counting(), top=6, search=searcher, budget=14), Stage(Counting(1), top=1))
    rounds = []
    with Session(tmp_path, SPACE, TASK) as session:
        result = run_plan(plan, session, rounds.append)
        scored = calls(session, Counting())
    assert [(stage.candidates, stage.kept) for stage in result.stages] == [(14, 6), (6, 1)]
    assert len(scored) == len(set(scored)) == 14
    assert {"-".join(map(str, code)) for code in rounds[0].archs.tolist()} == set(scored)
    views = read_run(tmp_path)
    assert [stage["candidates"] for stage in views.result["stages"]] == [14, 6]
    run_page(tmp_path).write(tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 1000


def test_a_later_stage_searches_among_survivors(tmp_path):
    stages = Stage(Counting(), top=12), Stage(Counting(1), top=1, search=EVOLUTION, budget=7)
    rounds = []
    with Session(tmp_path, SPACE, TASK) as session:
        result = run_plan(plan_of(*stages), session, rounds.append)
        assert len(calls(session, Counting(1))) == result.stages[1].candidates == 7
    survivors = {tuple(rounds[0].archs[i].tolist()) for i in rounds[0].kept}
    assert {tuple(code) for code in rounds[1].archs.tolist()} < survivors


def test_a_search_that_can_score_nothing_says_so(tmp_path):
    class Never(Failing):
        def score(self, archs, ctx):
            raise ZeroDivisionError("never")

    with Session(tmp_path, SPACE, TASK) as session:
        stage = Stage(Never(), top=2, search=RandomSearch(), budget=4)
        result = run_plan(plan_of(stage), session)
    assert result.best is None
    assert "could score none of 4 architectures" in result.failure


def test_scores_that_are_relative_are_refused():
    vote = Vote((Counting(), Counting(1)), quantile=0.5)
    with pytest.raises(SettingError, match="The search of the stage 'vote' scores networks one by one"):
        plan_of(Stage(vote, top=1, search=EVOLUTION, budget=9))
    plan_of(Stage(Vote(vote.parts, quantile=0.5, calibration=9), top=1, search=EVOLUTION, budget=9))


@pytest.mark.parametrize("searcher", [EVOLUTION, RegularizedEvolution(6, 3, batch=2)])
def test_killed_at_twenty_points_it_ends_as_if_nothing_had_happened(tmp_path, monkeypatch, searcher):
    plan = plan_of(Stage(Counting(), top=5, search=searcher, budget=22), Stage(Counting(1), top=1))
    with Session(tmp_path / "whole", SPACE, TASK) as session:
        expected, scored = run_plan(plan, session), calls(session, Counting())
        asked = dict(session._store._db.execute("SELECT place, architecture FROM asks").fetchall())
    put, kills = Store.put, 0

    def dying(self, rows):
        rows = list(rows)
        put(self, rows)
        if rows:
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, "put", dying)
    while True:
        with Session(tmp_path / "killed", SPACE, TASK) as session:
            try:
                result = run_plan(plan, session)
                break
            except KeyboardInterrupt:
                kills += 1
            if kills == 20:
                monkeypatch.setattr(Store, "put", put)
    with Session(tmp_path / "killed", SPACE, TASK) as session:
        assert calls(session, Counting()) == scored  # nothing was computed twice
        assert dict(session._store._db.execute("SELECT place, architecture FROM asks").fetchall()) == asked
    assert kills >= 10
    assert compact(result) == compact(expected)


def test_an_exception_ends_the_run_and_the_journal_stays(tmp_path, monkeypatch):
    plan = plan_of(Stage(Counting(), top=5, search=EVOLUTION, budget=9))

    def broken(self, archs, ctx):
        raise EstimatorError("broken")

    with Session(tmp_path, SPACE, TASK) as session:
        with monkeypatch.context() as patch:
            patch.setattr(Counting, "score", broken)
            with pytest.raises(EstimatorError, match="broken"):
                run_plan(plan, session)
        assert run_plan(plan, session).stages[0].candidates == 9


def test_failures_may_be_tried_again_and_the_search_then_takes_another_way(tmp_path):
    estimator = Failing("exception")
    plan = plan_of(Stage(estimator, top=5, search=EVOLUTION, budget=20))
    with Session(tmp_path, SPACE, TASK) as session:
        first = run_plan(plan, session)
    with Session(tmp_path, SPACE, TASK, retry_failed=True) as session:
        assert session._store._db.execute("SELECT COUNT(*) FROM asks").fetchone() == (0,)
        assert compact(run_plan(plan, session)) == compact(first)


def test_the_journal_is_another_one_where_scores_have_other_keys(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        journal = session.guide().journal
        here = journal("search", [Counting()])
        assert journal("search", [Counting()]) == here
        assert len({here.name, journal("search", [Counting(1)]).name, journal("other", [Counting()]).name}) == 3
        vote = Vote((Counting(), Size("params")), calibration=9)
        of_both, of_sizes = journal("search", [vote]), journal("search", [Size("params")])
        session._keys = replace(session._keys, device="cuda")
        assert journal("search", [Counting()]) != here  # scores of another device may lead elsewhere
        assert journal("search", [vote]) != of_both
        assert journal("search", [Size("params")]) == of_sizes
        assert journal("search", [Size("params"), Counting()]) != of_sizes  # a feature leads elsewhere too


@pytest.mark.slow
def test_killed_by_the_system_it_goes_on(tmp_path):
    plan = tmp_path / "own.toml"
    plan.write_text(
        TINY.replace("[1, 1]", "[2, 2]").replace(
            "[space]",
            '[[stage]]\nestimator = { name = "partial_training", epochs = 1 }\ntop = 1\nbudget = 12\n'
            'search = { name = "regularized_evolution", population = 4, tournament = 2 }\n[space]',
        )
    )

    def stored(folder):
        if not (folder / "results.sqlite").exists():
            return 0
        db = sqlite3.connect(folder / "results.sqlite", timeout=30)
        try:
            return db.execute("SELECT COUNT(*) FROM results").fetchone()[0]
        finally:
            db.close()

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = start("search", plan, "--out", killed)
    wait_for(lambda: stored(killed) >= 5 or process.poll() is not None)
    os.kill(process.pid, signal.SIGKILL)
    finish(process)
    assert not (killed / "result.json").exists()
    results = []
    for folder in (killed, whole):
        answer = invoke("search", plan, "--out", folder, "--json")
        assert answer.exit_code == 0, answer.stderr
        results.append(json.loads(answer.stdout))
    assert stored(killed) == stored(whole) == 12
    assert results[0]["code"] == results[1]["code"]
    assert results[0]["best_score"] == results[1]["best_score"]
