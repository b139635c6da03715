"""Everything that searches, on a space of 1e18 codes: nothing lists it, and a hundred thousand codes are few."""

import json

import numpy as np
import pytest

from archsieve import differential_evolution, random_search, regularized_evolution
from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.predictor import Predictor
from archsieve.estimators.size import MACS, PARAMS
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.plans.contract import Plan, Pool, forecast
from archsieve.plans.run import run_plan
from archsieve.report.run_page import run_page
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage
from archsieve.spaces import contract as space
from archsieve.spaces import sampling as pool
from archsieve.spaces.contract import check
from archsieve.spaces.darts.space import DARTS
from archsieve.tasks.synthetic import Synthetic
from plugins.commands import invoke

pytest_plugins = ["plugins.fixtures"]

SPACE = DARTS(width=2, layers=3)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=3, images=40, test_images=12, signal=1.0)
SIZES = (PARAMS(), MACS())


@pytest.fixture(autouse=True)
def _no_listing(monkeypatch):
    def listed(*_):
        raise AssertionError("the space is being listed")

    monkeypatch.setattr(space, "enumerate_space", listed)
    monkeypatch.setattr(pool, "_distinct", listed)


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a plan and returns its result and its rounds."""

    def run(stages, **settings):
        plan = Plan(SPACE, TASK, tuple(stages), **settings)
        forecast(plan)
        rounds = []
        with Session(tmp_path / "run", SPACE, TASK, seed=plan.seed) as session:
            return run_plan(plan, session, rounds.append), rounds

    return run


def test_a_whole_pipeline(run, tmp_path):
    vote = Vote((ZeroCost("l2_norm", 8), ZeroCost("nwot", 8), ZeroCost("zen", 8)), quantile=0.5, calibration=12)
    training = [Stage(PartialTraining(epochs=e, horizon=4, batch_size=16), keep=0.5) for e in (1, 2)]
    result, rounds = run(
        [
            Stage(Predictor(teacher=vote, above=1, samples=12), top=20),
            Stage(vote, above=1),
            Stage(OneShot(epochs=1, batch_size=18), top=4),
            *training,
        ],
        pool=Pool(sample=300),
        final=PartialTraining(epochs=1, horizon=1, split="test", batch_size=16),
    )
    assert [len(r.archs) for r in rounds[:2]] == [300, 20]
    assert [(s.candidates, s.kept) for s in result.stages[-2:]] == [(4, 2), (2, 1)]
    assert all(s.failures == 0 for s in result.stages)
    assert result.final_score is not None
    assert SPACE.parse(result.best) == result.code
    assert result.truth is None
    # The twelve that taught are the first of the pool, and what the vote said of them is known.
    assert np.isin(rounds[0].scores[:12], [2.0, -1.0]).all()
    assert SPACE.describe(result.code) in str(run_page(tmp_path / "run"))


def test_an_evolution_as_a_pool(run):
    result, rounds = run(
        [Stage(MACS(), keep=0.2), Stage(ZeroCost("nwot", 8), top=1)],
        pool=Pool(evolve=PARAMS(), budget=300, population=20, tournament=20),
    )
    met = [tuple(map(int, code)) for code in rounds[0].archs]
    assert 150 < len(met) == len({SPACE.canonical(arch) for arch in met}) <= 300
    drawn = pool.draw_pool(SPACE, 0, 100)
    assert np.mean([SPACE.params(a, TASK) for a in met]) > np.mean([SPACE.params(a, TASK) for a in drawn]) + 200
    assert result.stages[0].kept == rounds[1].archs.shape[0]


def test_a_predictor_that_looks_at_the_pool_in_rounds(run):
    _, rounds = run([Stage(Predictor(teacher=PARAMS(), samples=90, rounds=3), top=10)], pool=Pool(sample=1000))
    archs = [tuple(map(int, code)) for code in rounds[0].archs]
    sizes = np.array([SPACE.params(arch, TASK) for arch in archs])
    # What it was taught is predicted too: of 90 out of 1e18, the kept are predictions, and not the largest of the 90.
    assert sizes[rounds[0].kept].mean() > np.quantile(sizes, 0.6)


def test_a_reference_drawn_from_the_space(run):
    """A vote's thresholds, and ranks, over a sample that is no part of what is scored."""
    _, rounds = run(
        [Stage(Vote(SIZES, quantile=0.9, calibration=500), above=1)],
        pool=Pool(
            sample=2000,
        ),
    )
    share = np.mean(rounds[0].scores == 2)
    assert 0.04 < share <= 0.13
    _, rounds = run([Stage(MeanRank(SIZES), top=3)], pool=Pool(sample=2000))
    assert len(rounds[0].kept) == 3


@pytest.mark.parametrize("search", [random_search, regularized_evolution, differential_evolution])
def test_every_searcher_beats_chance(search):
    def evaluate(archs):
        return np.array([SPACE.params(arch, TASK) for arch in archs], dtype=float)

    found = search(SPACE, evaluate, budget=300, rng=np.random.default_rng(0))
    assert check(SPACE, found.best) == found.best
    assert found.best_score >= np.quantile(evaluate(pool.draw_pool(SPACE, 1, 200)), 0.95)


PLAN = """
space = { name = "darts", width = 2, layers = 3 }
task = { name = "synthetic", shape = [3, 8, 8], num_outputs = 3, images = 40, test_images = 12, signal = 1.0 }
pool = { sample = 500 }
final = { name = "partial_training", epochs = 1, horizon = 1, batch_size = 16, split = "test" }

[[stage]]
estimator = "params"
keep = 0.1

[[stage]]
estimator = { name = "nwot", batch_size = 8 }
top = 1
"""


@pytest.mark.usefixtures("restored")
def test_a_design_and_the_search_it_gives(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    options = ("--pilot-size", "12", "--out", tmp_path / "designed.toml", "--json")
    designed = invoke("design", "darts", "--estimators", tmp_path / "plan.toml", *options)
    assert designed.exit_code == 0, designed.stderr
    found = invoke("search", tmp_path / "designed.toml", "--dry-run", "--no-timing")
    assert found.exit_code == 0
    result = json.loads(invoke("search", tmp_path / "plan.toml", "--out", tmp_path / "run", "--json").stdout)
    assert [(s["candidates"], s["kept"]) for s in result["stages"]] == [(500, 50), (50, 1)]


@pytest.mark.slow
def test_a_hundred_thousand_codes(run, tmp_path):
    vote = Vote(SIZES, quantile=0.99, calibration=200)
    result, rounds = run(
        [Stage(Predictor(teacher=vote, above=1), top=2000), Stage(vote, above=1), Stage(PARAMS(), top=1)],
        pool=Pool(sample=100_000),
    )
    assert [s.candidates for s in result.stages[:2]] == [100_000, 2000]
    sizes = [SPACE.params(tuple(map(int, code)), TASK) for code in rounds[0].archs]
    assert SPACE.params(result.code, TASK) >= np.quantile(sizes, 0.99)
    assert len(json.loads((tmp_path / "run" / "result.json").read_text())["code"]) == 24
