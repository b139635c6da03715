"""The embedded benchmark: whole, reliable, about one task only, and good for funnels that replay it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from archsieve import Session, Stage
from archsieve.benchmarks.digits import CURVES, DIGITS, EPOCHS, FILE, TEST_IMAGES, TRUTHS, VALIDATION_IMAGES
from archsieve.errors import DataError, MissingDataError
from archsieve.estimators.lookup import Lookup, Replay
from archsieve.plans.contract import Plan, forecast
from archsieve.plans.plan_files import find_plan
from archsieve.plans.read import load_plan
from archsieve.plans.run import knowing_most, run_plan, tables_about, true_rank
from archsieve.runs.effort import Ledger
from archsieve.spaces.contract import enumerate_space
from archsieve.tasks.contract import count_items
from archsieve.tasks.digits import Digits

TASK = Digits(**DIGITS.task_settings)


@pytest.fixture(scope="module")
def table():
    return DIGITS.load()


def rank_of(space, task, arch):
    return true_rank(knowing_most(tables_about(space, task)[0], [arch]), arch, [arch])


def test_the_file_is_the_known_one_and_small():
    assert DIGITS.source.state(check=True) == "present"
    assert DIGITS.source.require().stat().st_size < 1_000_000


def test_it_holds_every_code_and_shares_of_whole_pictures(table):
    assert sorted(table.archs) == sorted(enumerate_space(DIGITS.space))
    assert set(table.columns) == set(DIGITS.columns)
    truths = np.stack([table.columns[f"test_acc_{i}"] for i in range(1, TRUTHS + 1)])
    curves = np.stack([table.columns[f"{c}_{e}"] for c in ("curve", "curve2") for e in range(1, EPOCHS + 1)])
    for values, pictures in ((truths, TEST_IMAGES), (curves, VALIDATION_IMAGES)):
        counts = values * pictures / 100
        assert np.allclose(counts, np.rint(counts))
        assert values.min() > 0
        assert values.max() < 100
    np.testing.assert_allclose(table.columns["test_acc"], truths.mean(axis=0))
    sums = np.rint(truths * TEST_IMAGES / 100).sum(axis=0)
    assert len(set(table.columns["test_acc"])) == len(set(sums))  # what is equal is not told apart by rounding
    np.testing.assert_allclose(table.columns["test_acc_std"], truths.std(axis=0, ddof=1))


def test_its_truth_is_reliable(table):
    truths = np.stack([table.columns[f"test_acc_{i}"] for i in range(1, TRUTHS + 1)])
    between = np.corrcoef(truths)[np.triu_indices(TRUTHS, 1)]
    assert between.min() > 0.9
    mean = between.mean()
    assert TRUTHS * mean / (1 + (TRUTHS - 1) * mean) > 0.97  # Spearman-Brown


def test_no_curve_is_of_a_seed_of_the_truth(table):
    with np.load(DIGITS.source.require(), allow_pickle=False) as arrays:
        validation = arrays["validation"]
    assert len(validation) == TRUTHS + CURVES
    for curve, counts in zip(("curve", "curve2"), validation[TRUTHS:], strict=True):
        np.testing.assert_allclose(table.columns[f"{curve}_20"], counts[:, -1] / 5)
        assert not any(np.array_equal(counts, of_truth) for of_truth in validation[:TRUTHS])


def test_its_task_has_the_pictures_it_counts():
    assert [count_items(TASK, split) for split in ("train", "validation", "test")] == [300, VALIDATION_IMAGES, 997]


def test_it_is_about_its_own_task_alone(table):
    best = table.archs[int(np.argmax(table.columns["test_acc"]))]
    found = rank_of(DIGITS.space, TASK, best)
    assert (found.benchmark, found.rank, found.count) == ("nasbench-macro-digits", 1, 729)
    assert rank_of(DIGITS.space, Digits(), best) is None
    assert rank_of(DIGITS.space, replace(TASK, split_seed=1), best) is None


def test_the_demo_is_about_it():
    plan = load_plan(find_plan("demo"))
    assert plan.space == DIGITS.space
    assert rank_of(plan.space, plan.task, (0,) * 6) is not None


def test_the_demo_costs_less_than_a_tenth_of_training_all_and_has_no_stage_that_cuts_nothing():
    plan = load_plan(find_plan("demo"))
    rows = forecast(plan)[: len(plan.stages)]
    whole = Ledger(plan.space, plan.task).pay(plan.final, 729)
    assert sum(row.network_epochs for row in rows) < 0.1 * whole
    assert all(row.kept < row.candidates for row in rows)
    assert rows[-1].kept == 1


def test_a_search_on_it_says_what_chance_finds_at_its_cost(tmp_path, table):
    final = Lookup("test_acc", epochs_behind=20)
    plan = Plan(DIGITS.space, TASK, (Stage(Replay(1), top=9), Stage(Replay(20), top=1)), final=final)
    with Session(tmp_path, plan.space, plan.task) as session:
        found = run_plan(plan, session).random_search
    assert found.networks == int((729 + 9 * 19 + 20) / 20)
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(4000):
        some = rng.choice(729, found.networks, replace=False)
        seen = table.columns[rng.choice(("curve_20", "curve2_20"))][some]
        drawn.append(table.columns["test_acc"][some[rng.choice(np.flatnonzero(seen == seen.max()))]])
    assert found.value == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 4000**0.5)


def test_a_funnel_replays_it(tmp_path, table):
    """What the stages see is what the columns say, no network kept is below one cut, each epoch is paid for once."""
    stages = [Stage(Replay(epochs), keep=keep) for epochs, keep in ((5, 0.5), (10, 0.2), (20, 0.1))]
    plan = Plan(DIGITS.space, TASK, (*stages, Stage(Lookup("test_acc", epochs_behind=20), top=1)))
    rounds = []
    with Session(tmp_path, plan.space, plan.task) as session:
        result = run_plan(plan, session, on_round=rounds.append)
    for found, column in zip(rounds, ("curve_5", "curve_10", "curve_20", "test_acc"), strict=True):
        archs = [tuple(code) for code in found.archs.tolist()]
        np.testing.assert_array_equal(found.scores, table.lookup(column, archs))
        kept = np.isin(np.arange(len(archs)), found.kept)
        assert found.scores[kept].min() >= found.scores[~kept].max()
    assert [s.kept for s in result.stages] == [364, 73, 8, 1]  # ceil(keep * (n - 1))
    assert [s.network_epochs for s in result.stages] == [729 * 5, 364 * 5, 73 * 10, 8 * 20]
    assert result.truth.value == result.best_score


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no zip", f"{FILE} is damaged: reinstall archsieve"),
        ({"codes": np.zeros((2, 6))}, f"{FILE} is damaged: reinstall archsieve"),
        (
            {name: np.zeros((2, 6)) for name in ("codes", "validation", "test")},
            "is not of this version: it should hold counts of the shape \\(5, 2, 20\\)",
        ),
    ],
    ids=["other bytes", "arrays missing", "other shape"],
)
def test_a_package_that_is_not_whole(tmp_path, monkeypatch, content, sentence):
    path = tmp_path / FILE
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.savez(path, **content)
    monkeypatch.setattr("archsieve.benchmarks.digits.files", lambda package: tmp_path)
    with pytest.raises(DataError, match=sentence):
        DIGITS.load()
    path.unlink()
    with pytest.raises(MissingDataError, match=r"of the package itself .* is missing: reinstall archsieve"):
        DIGITS.load()
