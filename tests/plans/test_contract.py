"""A plan from pool to result, on a toy space with a made-up table whose numbers can be worked by hand."""

import json
import math
import re
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
import pytest

from archsieve._checksums import without_checksum
from archsieve.benchmarks.contract import networks_of
from archsieve.benchmarks.records import Surrogate
from archsieve.errors import EstimatorError, ScoringError, SettingError
from archsieve.estimators.combined.az_nas import AZNAS
from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.combined.swap_regularised import RegularisedSwap
from archsieve.estimators.combined.vote import Vote
from archsieve.estimators.lookup import Lookup, Replay
from archsieve.estimators.partial_training import PartialTraining
from archsieve.estimators.predictor import Predictor
from archsieve.estimators.size import PARAMS
from archsieve.estimators.supernet.one_shot import OneShot
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.plans.contract import Plan, Pool, forecast
from archsieve.plans.run import knowing_most, run_plan, tables_about, true_rank
from archsieve.plans.worth import worth_of
from archsieve.registry import BENCHMARKS
from archsieve.report.load import read_run
from archsieve.runs.effort import Ledger
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage
from archsieve.searchers.differential_evolution import differential_evolution
from archsieve.searchers.guided_searcher import Guided
from archsieve.searchers.random_search import random_search
from archsieve.searchers.regularized_evolution import regularized_evolution
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from plugins.toy import TASK, Counting, Failing, Raw, Toy, calls

pytest_plugins = ["plugins.fixtures"]

SPACE = Toy()  # 81 codes, 15 networks
ARCHS = list(enumerate_space(SPACE))
# As a number in base 3, the digits of the sorted code, least first: 0000 -> 0, 2222 -> 80, so that 2222 is the best.
ACCURACY = np.array([sum(3**i * option for i, option in enumerate(sorted(arch))) for arch in ARCHS], dtype=float)
ONES = np.array([float(arch.count(1)) for arch in ARCHS])


@pytest.fixture
def table(publish):
    publish(SPACE, {"accuracy": ACCURACY, "ones": ONES})


@pytest.fixture
def run(tmp_path, table):
    """Return a function that runs a plan in a new folder and returns its result and its session."""

    def run(stages, **settings):
        plan = Plan(SPACE, TASK, tuple(stages), **settings)
        session = Session(tmp_path / f"run{len(list(tmp_path.iterdir()))}", SPACE, TASK, seed=plan.seed)
        opened.append(session)
        return run_plan(plan, session), session

    opened = []
    yield run
    for session in opened:
        session.close()


def rank_of(space, task, arch):
    return true_rank(knowing_most(tables_about(space, task)[0], [arch]), arch, [arch])


def test_a_funnel_finds_what_its_stages_say(run):
    result, session = run([Stage(Lookup("ones"), top=5), Stage(Lookup("accuracy"), top=1)])
    # The most ones: 1111 (4), then 0111 and 1112 (3); of 0011, 0112, 1122 (2) the shuffle picks two.
    seen = [a for a in session.pool() if a.count(1) >= 2]
    assert len(seen) == 6
    assert result.code in {(1, 1, 2, 2), (1, 1, 1, 2)}
    assert [(s.label, s.candidates, s.kept, s.failures) for s in result.stages] == [
        ("ones", 15, 5, 0),
        ("accuracy", 5, 1, 0),
    ]
    assert (result.chosen_by, result.best, result.seed) == ("accuracy", "".join(map(str, result.code)), 0)
    assert result.best_score == ACCURACY[ARCHS.index(result.code)]


def test_a_stage_after_a_single_survivor_does_not_run(run):
    result, session = run([Stage(Lookup("accuracy"), top=1), Stage(Counting(), keep=0.5)])
    assert result.code == (2, 2, 2, 2)
    assert [s.label for s in result.stages] == ["accuracy"]
    assert calls(session, Counting()) == []


def test_a_pool_of_one_is_not_scored(run):
    result, session = run([Stage(Counting(), keep=0.5)], pool=Pool(sample=1))
    assert (result.code, result.best_score, result.chosen_by, result.stages) == (session.pool(1)[0], None, "", ())


def test_the_truth_of_the_winner(run):
    result, _ = run([Stage(Lookup("accuracy"), top=1)])
    assert asdict(result.truth) == {
        "benchmark": "made-up",
        "column": "accuracy",
        "value": 80.0,
        "rank": 1,
        "count": 15,
        "best": 80.0,
        "spread": None,
        "caution": "",
    }


def predicted(archs):
    """Two members that are a point too low and a point too high: their mean is the accuracy."""
    return np.array([[ACCURACY[ARCHS.index(arch)] + error for arch in archs] for error in (-1.0, 1.0)])


def test_where_truth_is_predicted_the_winner_ranks_in_the_pool(tmp_path, publish):
    publish(SPACE, Surrogate({"guess": predicted}), truth="guess", caution="A guess.")
    publish(SPACE, {"ones": ONES}, truth=None, name="ones")
    stages = (Stage(Lookup("guess"), top=3), Stage(Lookup("ones"), top=1))
    with Session(tmp_path, SPACE, TASK) as session:
        plan = Plan(SPACE, TASK, stages, pool=Pool(sample=7))
        result, pool = run_plan(plan, session), session.pool(7)
    values = sorted((ACCURACY[ARCHS.index(arch)] for arch in pool), reverse=True)
    own = ACCURACY[ARCHS.index(result.code)]
    assert asdict(result.truth) == {
        "benchmark": "made-up",
        "column": "guess",
        "value": own,
        "rank": values.index(own) + 1,
        "count": 7,
        "best": values[0],
        "spread": 1.0,
        "caution": "A guess.",
    }
    assert values.index(own) < 3
    assert read_run(tmp_path).fates[0].truth == values[0]


def test_the_truth_is_that_of_who_knows_the_winner_and_most_of_the_others(publish):
    few = [(2, 2, 2, 2), (0, 0, 0, 0)]
    publish(SPACE, {"few": np.array([9.0, 1.0])}, truth="few", archs=few, name="few")
    publish(SPACE, Surrogate({"guess": predicted}), truth="guess", name="model")
    publish(SPACE, {"accuracy": ACCURACY}, name="all")
    known = partial(knowing_most, list(tables_about(SPACE, TASK)[0]))
    assert known([(2, 2, 2, 2), (0, 0, 0, 0)])[0].name == "few"  # the first of those that know both
    assert known([(2, 2, 2, 2), (0, 0, 0, 1)])[0].name == "model"
    assert known([(0, 0, 0, 1), *few])[0].name == "model"
    assert knowing_most([], few) is None


def test_a_winner_that_nobody_knows_leaves_the_others_their_truth(publish):
    publish(SPACE, {"few": np.array([9.0])}, truth="few", archs=[(2, 2, 2, 2)])
    known = knowing_most(tables_about(SPACE, TASK)[0], [(0, 0, 0, 0), (2, 2, 2, 2)])
    assert known[0].name == "made-up"
    assert true_rank(known, (0, 0, 0, 0), [(2, 2, 2, 2)]) is None


def test_ties_share_the_better_rank(publish):
    publish(SPACE, {"ones": ONES}, truth="ones")
    # the order of the options does not count: one network has four ones, 2 have three, 3 two, 4 one, and 5 none
    ranks = {4: 1, 3: 2, 2: 4, 1: 7, 0: 11}
    for arch in ARCHS:
        assert rank_of(SPACE, TASK, arch).rank == ranks[arch.count(1)]


def test_codes_without_a_truth_do_not_count(publish):
    values = np.where(ONES == 1, np.nan, ONES)
    publish(SPACE, {"ones": values}, truth="ones")
    found = rank_of(SPACE, TASK, (0, 0, 0, 0))
    assert (found.rank, found.count, found.best) == (7, 11, 4.0)  # networks
    assert rank_of(SPACE, TASK, (0, 0, 0, 1)) is None


@pytest.mark.parametrize(
    "settings",
    [{"task": "another"}, {"truth": None}, {"space": Toy(5)}],
    ids=["of another task", "without truth", "of another space"],
)
def test_a_table_about_something_else_says_nothing(publish, settings):
    space = settings.pop("space", SPACE)
    archs = list(enumerate_space(space))
    publish(space, {"accuracy": np.arange(len(archs), dtype=float)}, archs=archs, **settings)
    assert rank_of(SPACE, TASK, (2, 2, 2, 2)) is None


def test_a_table_that_is_not_here_is_passed_over(publish, monkeypatch):
    publish(SPACE, {"accuracy": ACCURACY}, name="absent")
    monkeypatch.setattr(BENCHMARKS["absent"], "is_present", lambda: False)
    publish(SPACE, {"ones": ONES}, truth="ones", name="present")
    assert rank_of(SPACE, TASK, (1, 1, 1, 1)).benchmark == "present"


def test_the_final_estimator_scores_the_winner_alone(run):
    result, session = run([Stage(Lookup("accuracy"), top=1)], final=Counting(3))
    assert calls(session, Counting(3)) == ["2-2-2-2"]
    assert (result.final_estimator, result.final_score) == ("counting", session.scores([Counting(3)], [(2,) * 4])[0, 0])


@pytest.mark.parametrize("how", ["nan", "-inf", "scoring"])
def test_a_final_score_that_is_no_number_is_none(run, how):
    result, session = run([Stage(Lookup("accuracy"), top=1)], final=Failing(how))
    assert result.final_score is None
    assert result.final_estimator == f"failing[{how}]"
    read_strictly(session.folder / "result.json")


def test_the_result_is_in_the_folder_as_it_was_returned(run):
    result, session = run([Stage(Lookup("ones"), keep=0.5), Stage(Failing("nan"), keep=0.0)], final=Counting(), seed=4)
    read = read_strictly(session.folder / "result.json")
    assert read == json.loads(json.dumps(asdict(result)))
    assert read["seed"] == 4
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", read["provenance"]["versions"]["archsieve"])
    assert read["metric"] == "accuracy in percent"
    assert read["seconds"] >= sum(s["seconds"] for s in read["stages"]) - 0.01


def test_failures_are_counted_and_rank_last(run):
    result, _ = run([Stage(Failing("scoring"), keep=1.0), Stage(Failing("nan"), top=14)])
    assert [(s.failures, s.kept) for s in result.stages] == [(1, 15), (1, 14)]
    assert result.code != (2, 2, 2, 2)


def test_where_nothing_can_be_scored_there_is_no_best(run, table, publish):
    publish(SPACE, {"nothing": np.full(81, np.nan)}, truth=None, name="void")
    stages = [Stage(Lookup("ones"), keep=0.5), Stage(Lookup("nothing"), top=3, label="void"), Stage(Counting(), top=1)]
    result, session = run(stages, final=Counting(1))
    assert (result.best, result.code, result.best_score, result.final_score, result.chosen_by) == (None,) * 4 + ("",)
    assert [(s.candidates, s.kept, s.failures) for s in result.stages] == [(15, 7, 0), (7, 0, 7)]
    assert result.failure == (
        "The search ends in the stage 'void' without a best network. The estimator 'nothing' could score none of 7 "
        "architectures; the first reason: nothing returned nan."
    )
    read = read_strictly(session.folder / "result.json")
    assert (read["best"], read["code"], read["failure"]) == (None, None, result.failure)
    assert read_run(session.folder).result == read


def test_a_final_estimator_that_fails_says_why(run, table):
    result, _ = run([Stage(Lookup("ones"), keep=0.5)], final=Lookup("accuracy", "made-up"))
    assert result.failure == ""
    bad = run([Stage(Raw(2), top=1)], final=Given("scoring"))[0]
    assert bad.best is not None
    assert bad.final_score is None
    assert bad.failure == "The estimator 'given' could score none of 1 architectures; the first reason: never."


@dataclass(frozen=True)
class Given:
    """Scores nothing."""

    why: str
    name: ClassVar[str] = "given"
    version: ClassVar[int] = 1

    def score(self, archs, ctx):
        raise ScoringError("never")


def test_a_composite_says_how_many_had_a_part_that_failed(run, table):
    result, _ = run([Stage(Failing("nan"), top=14)])
    assert [(s.failures, s.failed_parts) for s in result.stages] == [(1, 0)]
    vote = Vote((Counting(), Failing("scoring")), quantile=0.5)
    result, session = run([Stage(vote, keep=1.0)])
    assert [(s.failures, s.failed_parts) for s in result.stages] == [(0, 1)]
    assert read_strictly(session.folder / "result.json")["stages"][0]["failed_parts"] == 1
    guided = Stage(Counting(), search=Guided((Counting(), Failing("scoring"))), budget=15, top=1)
    result, session = run([guided])
    assert [(s.candidates, s.failures, s.failed_parts) for s in result.stages] == [(15, 0, 1)]


@pytest.mark.parametrize(
    "estimator",
    [
        Vote((Counting(),)),
        MeanRank((Counting(),)),
        AZNAS(),
        RegularisedSwap(),
        RegularisedSwap(mu=1e6),
        MeanRank((Vote((Counting(),)), Counting()), calibration=20),
        MeanRank((MeanRank((Vote((Counting(),)),), calibration=9),), calibration=20),
        Predictor(Counting(), samples=10, rounds=2),
        MeanRank((Predictor(Counting(), samples=10, rounds=2),), calibration=20),
    ],
)
def test_an_evolution_by_what_is_relative_to_its_pool_is_refused(tmp_path, estimator):
    sentence = rf"one by one, but the scores of '{estimator.name}' are relative to the networks scored with them"
    with pytest.raises(SettingError, match=rf"^An evolution scores networks {sentence}.* a `calibration`"):
        Pool(evolve=estimator)
    with Session(tmp_path, SPACE, TASK) as session:
        for name, search in (("Regularized", regularized_evolution), ("Differential", differential_evolution)):
            with pytest.raises(SettingError, match=rf"^{name} evolution scores networks {sentence}"):
                search(
                    SPACE,
                    lambda archs: session.scores([estimator], archs)[:, 0],
                    budget=60,
                    rng=np.random.default_rng(0),
                )


@pytest.mark.parametrize(
    "estimator",
    [
        Counting(),
        Vote((Counting(),), calibration=9),
        RegularisedSwap(mu=1e6, sigma=1e12),
        MeanRank((Vote((Counting(),), calibration=9), Counting()), calibration=20),
        Predictor(Vote((Counting(),)), samples=10),
        Predictor(Predictor(Vote((Counting(),)), samples=10, rounds=2), samples=10),
    ],
)
def test_an_evolution_by_what_can_be_compared_is_not(estimator):
    assert Pool(evolve=estimator).evolve == estimator


def test_a_random_search_asks_once_and_so_may_ask_for_what_is_relative(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        vote = Vote((Counting(), Counting(1)), quantile=0.5)
        found = random_search(
            SPACE, lambda archs: session.scores([vote], archs)[:, 0], budget=20, rng=np.random.default_rng(0)
        )
        assert found.best_score == 2


def test_an_evolution_by_a_predictor_may_teach_it_by_what_is_relative(tmp_path):
    predictor = Predictor(Vote((Counting(), Counting(1)), quantile=0.5), above=1, samples=10)
    with Session(tmp_path, SPACE, TASK) as session:
        assert Pool(evolve=predictor, budget=12, population=4).draw(session)


def test_an_evolution_that_can_score_nothing_is_loud(tmp_path):
    with Session(tmp_path, SPACE, TASK) as session:
        with pytest.raises(EstimatorError, match=r"'given' could score none of .*; the first reason: never\.$"):
            Pool(evolve=Given("x"), budget=12, population=4).draw(session)
        assert Pool(evolve=Failing("exception"), budget=12, population=4).draw(session)


def test_rounds_are_told_as_they_end(tmp_path, table):
    seen = []
    plan = Plan(SPACE, TASK, (Stage(Lookup("ones"), keep=0.5, label="a"), Stage(Lookup("accuracy"), top=1)))
    with Session(tmp_path, SPACE, TASK) as session:
        run_plan(plan, session, on_round=lambda r: seen.append((r.label, len(r.archs), len(r.kept))))
    assert seen == [("a", 15, 7), ("accuracy", 7, 1)]  # ceil(0.5 * 14) = 7


def test_a_run_continued_gives_the_same_result(tmp_path, table):
    plan = Plan(SPACE, TASK, (Stage(Counting(), keep=0.5), Stage(Counting(1), keep=0.0)), final=Counting(2))
    results = []
    for _ in range(2):
        with Session(tmp_path, SPACE, TASK) as session:
            results.append(run_plan(plan, session))
            assert calls(session, Counting()) == sorted("-".join(map(str, a)) for a in session.pool())
    one, other = ({**asdict(r), "seconds": 0, "stages": [s.kept for s in r.stages]} for r in results)
    assert one == other


# Pools


def test_a_sampled_pool_is_the_sessions(run):
    result, session = run([Stage(Counting(), keep=1.0)], pool=Pool(sample=4))
    assert result.stages[0].candidates == 4
    assert calls(session, Counting()) == sorted("-".join(map(str, a)) for a in session.pool(4))


@pytest.mark.parametrize("budget", [1, 10, 60])
def test_an_evolved_pool_is_what_the_evolution_visits(tmp_path, table, budget):
    pool = Pool(evolve=Counting(), budget=budget)
    with Session(tmp_path, SPACE, TASK, seed=3) as session:
        drawn = pool.draw(session)
        assert 1 <= len(drawn) <= min(budget, 15)
        assert len(set(drawn)) == len(drawn)
        assert all(SPACE.canonical(a) == a for a in drawn)
        assert calls(session, Counting()) == sorted("-".join(map(str, a)) for a in drawn)
        assert pool.draw(session) == drawn
    assert pool.count(SPACE) == budget


@pytest.mark.parametrize("numbers", [{"sample": 0}, {"sample": -3}, {"budget": 0}])
def test_a_pool_of_nothing_is_refused(numbers):
    (name,) = numbers
    with pytest.raises(SettingError, match=rf"`{name} >= 1` must hold for a pool"):
        Pool(**numbers)


def test_a_plan_without_stages_is_refused():
    with pytest.raises(SettingError, match="A plan needs at least one stage"):
        Plan(SPACE, TASK, ())


# What a dry run says


def counts(plan):
    return [(row.label, row.candidates, row.kept) for row in forecast(plan)]


@pytest.mark.parametrize("pool", [Pool(), Pool(sample=9), Pool(sample=1)])
@pytest.mark.parametrize(
    "keeps", [(0.5, 0.5), (1.0, 0.41), (0.0, 0.5), (0.9, 0.8, 0.7, 0.6, 0.5, 0.4), (0.07,), (0.15, 0.5, 1.0)]
)
def test_a_dry_run_counts_what_happens(run, pool, keeps):
    stages = [Stage(Counting(i), keep=keep, label=f"stage {i}") for i, keep in enumerate(keeps)]
    result, _ = run(stages, pool=pool)
    counted = counts(Plan(SPACE, TASK, tuple(stages), pool=pool))
    happened = [(s.label, s.candidates, s.kept) for s in result.stages]
    assert counted == happened


def test_counts_by_hand():
    stages = (Stage(Counting(), keep=0.5), Stage(Counting(1), top=3), Stage(Counting(2), above=0.0, label="by score"))
    # 15 -> ceil(0.5 * 14) = 7 -> 3 -> unknown, at most 3
    counted = counts(Plan(SPACE, TASK, (*stages, Stage(Counting(3), keep=0.0))))
    assert counted == [("counting", 15, 7), ("counting", 7, 3), ("by score", 3, None), ("counting", 3, 1)]


def test_counts_say_at_once_what_a_search_would_refuse():
    with pytest.raises(SettingError, match=r"`1 <= sample <= 15` must hold in toy, but got 16"):
        forecast(Plan(SPACE, TASK, (Stage(Counting(), keep=0.5),), pool=Pool(sample=16)))
    with pytest.raises(SettingError, match="too many to score them all: use a sample"):
        forecast(Plan(Toy(13), TASK, (Stage(Counting(), keep=0.5),)))
    assert forecast(Plan(Toy(13), TASK, (Stage(Counting(), keep=0.5),), pool=Pool(sample=5)))[0].candidates == 5


def test_costs_by_hand():
    # 54 items to train on, 6 to validate on, 10 to test: an epoch of one network is 1, scoring 6 items 6 / (3 * 54).
    task = Synthetic(shape=(3, 8, 8), num_outputs=4, images=60, test_images=10)
    space = NASBenchMacro(stem_width=4, widths=(6,), stages=(3,), head_width=8)
    vote = Vote((ZeroCost("nwot", 27), ZeroCost("snip", 27), ZeroCost("l2_norm", 27)), quantile=0.5, calibration=2)
    stages = (
        Stage(Predictor(ZeroCost("snip", 54), samples=9), top=10),
        Stage(vote, top=4),
        Stage(OneShot(epochs=5, sampling="fair"), top=3),
        Stage(OneShot(epochs=5, sampling="fair", scoring_items=3), keep=1.0),
        Stage(PartialTraining(epochs=1), keep=1.0),
        Stage(PartialTraining(epochs=3), top=2),
        Stage(Lookup("accuracy", epochs_behind=12), top=2),
        Stage(Replay(4), top=2),
        Stage(Replay(6), top=2),
        Stage(Counting(), top=1),
    )
    plan = Plan(space, task, stages, final=PartialTraining(epochs=7, split="test"))
    found = forecast(plan)
    n = found[0].candidates
    assert n == len({space.canonical(a) for a in enumerate_space(space)})
    scoring = 6 / 162
    assert [row.network_epochs for row in found[1:]] == [
        pytest.approx(12 * (1 / 6 + 1 / 2)),  # 10 and the 2 of the calibration; nwot's forward is a third
        pytest.approx(15 + 4 * scoring),
        pytest.approx(3 * scoring / 2),  # by the same supernet
        pytest.approx(3 * (1 + scoring)),
        pytest.approx(3 * (2 + scoring)),
        24,
        8,
        4,
        None,
        pytest.approx(7 - 3 + 10 / 162),
    ]
    assert found[0].network_epochs == 9
    evolution = Pool(evolve=vote.parts[1], budget=50)
    evolved = forecast(Plan(space, task, (Stage(vote.parts[1], top=1),), pool=evolution, stands_for=task))
    assert [(r.candidates, r.kept, r.network_epochs) for r in evolved] == [(50, None, 25.0), (50, 1, 0.0)]


def test_what_is_shared_is_paid_once():
    task = Synthetic(shape=(3, 8, 8), num_outputs=4, images=60)  # 54 to train on
    space = NASBenchMacro(stem_width=4, widths=(6,), stages=(3,), head_width=8)
    snip, supernet = ZeroCost("snip", 54), OneShot(epochs=5, scoring_items=54)
    vote = Vote((snip,), calibration=6)

    def costs(*estimators):
        ledger = Ledger(space, task)
        return [ledger.pay(estimator, 9) for estimator in estimators]

    assert costs(Predictor(vote, above=0, samples=6), vote, vote) == [6, 9, 0]  # the 6 are the same sample
    recalibrated = replace(supernet, batch_norm="recalibrated", recalibration_batches=1)
    assert costs(MeanRank((supernet, PARAMS())), recalibrated) == pytest.approx([5 + 9 / 3, 9 * (54 + 64) / 162])
    assert costs(PartialTraining(epochs=3), PartialTraining(epochs=1), PartialTraining(epochs=4)) == pytest.approx(
        [27 + 1 / 3, 1 / 3, 9 + 1 / 3]
    )
    assert costs(Predictor(snip, samples=10_000)) == [len({space.canonical(a) for a in enumerate_space(space)})]
    assert costs(Counting(), Predictor(Counting(), samples=2), MeanRank((snip, Counting()))) == [None, None, None]


def read_strictly(path):
    """Read JSON, which knows neither NaN nor infinities; what its checksum is of."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return without_checksum(json.loads(path.read_text(), parse_constant=refuse))


def test_the_strict_reader_is_strict(tmp_path):
    (tmp_path / "x").write_text(json.dumps(math.nan))
    with pytest.raises(AssertionError, match="no JSON"):
        read_strictly(tmp_path / "x")


@pytest.mark.parametrize("setting", ["budget", "population", "tournament"])
def test_a_pool_without_evolution_refuses_what_goes_with_one(setting):
    with pytest.raises(SettingError, match=f"A pool's {setting} needs `evolve`, but got {setting}=7 without"):
        Pool(**{setting: 7})


def test_rank_and_worth_count_the_same_networks_of_a_part_of_a_table(publish):
    """Twins of a part of a table are one network, the first of them where the canonical code is missing."""
    part = [(2, 1, 0, 0), (0, 0, 1, 2), (1, 0, 0, 0), (0, 1, 0, 0), (2, 2, 2, 2)]
    publish(SPACE, {"accuracy": np.array([9.0, 7.0, 5.0, 6.0, 8.0])}, archs=part, name="part")
    known = knowing_most(tables_about(SPACE, TASK)[0], part)
    truth = true_rank(known, (1, 0, 0, 0), part)
    assert (truth.rank, truth.count) == (3, 3)  # 0012 has 7, 2222 has 8, and 1000 itself 5
    plan = Plan(SPACE, TASK, (Stage(Lookup("accuracy"), top=1),))
    networks = networks_of(known[1], SPACE, (2, 2, 2, 2))
    worth = worth_of(plan, None, None, known, networks, (2, 2, 2, 2))
    assert (worth.count, worth.as_good) == (3, 1)
    truths = [true_rank(known, code, part) for code in part]  # twins of the winner do not compete with it
    assert [(truth.rank, truth.count) for truth in truths] == [(1, 3), (2, 3), (3, 3), (3, 3), (1, 3)]
    assert worth_of(plan, None, None, known, networks_of(known[1], SPACE, part[3]), part[3]).count == 3
