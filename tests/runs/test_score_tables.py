"""Score tables: what they answer for, what a session takes from them, and what the shipped ones say of themselves."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from archsieve.benchmarks.contract import task_of
from archsieve.errors import DataError, MissingDataError
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.fingerprints import identity
from archsieve.registry import BENCHMARKS, PROXIES, TASKS
from archsieve.report.load import read_run
from archsieve.runs.score_tables import CODES, Card, Recorded, ScoreTable, read_card, shipped, whole_tables
from archsieve.runs.session import Session
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.spaces.text import encode
from archsieve.tasks.synthetic import Synthetic
from archsieve.verifying.verify import verify
from plugins.commands import invoke

SPACE = NASBenchMacro(stem_width=4, widths=(6,), stages=(2,), head_width=8)
TASK = Synthetic(shape=(3, 8, 8), num_outputs=4, images=40)
ARCHS = list(enumerate_space(SPACE))
KNOWN = ARCHS[:6]
NWOT_AS_SHIPPED = ZeroCost("nwot")
NWOT, SNIP = ZeroCost("nwot", batch_size=8), ZeroCost("snip", batch_size=8)


@pytest.fixture
def table(tmp_path):
    """Scores nobody could compute, of 6 of 9 codes."""
    path = tmp_path / "made-up.npz"
    scores = np.arange(6.0) + 1000
    scores[2] = np.nan
    np.savez_compressed(path, **{CODES: np.array(KNOWN, dtype=np.int8), "nwot": scores})
    card = Card(
        space=identity(SPACE),
        task=identity(TASK),
        seed=3,
        estimators={"nwot": identity(NWOT)},
        population="sample",
        count=6,
        command="none",
        seconds=0.0,
        versions={},
        processor="",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        failures={"nwot": {encode(KNOWN[2]): "it was too odd"}},
    )
    path.with_suffix(".json").write_text(json.dumps(asdict(card)))
    assert read_card(path.with_suffix(".json")) == card
    return ScoreTable(path, card)


def open_session(tmp_path, table, **settings):
    return Session(tmp_path / "run", SPACE, TASK, **{"seed": 3, "tables": [table], **settings})


def test_a_session_takes_what_the_table_knows_and_computes_the_rest(table, tmp_path):
    with Session(tmp_path / "without", SPACE, TASK, seed=3, tables=()) as session:
        computed = session.scores([NWOT, SNIP], ARCHS)
    with open_session(tmp_path, table) as session:
        scores = session.scores([NWOT, SNIP], ARCHS)
        assert session.failures(NWOT, ARCHS) == {KNOWN[2]: "it was too odd"}
        again = session.scores([NWOT, SNIP], ARCHS)
    np.testing.assert_array_equal(scores, again)
    np.testing.assert_array_equal(scores[:6, 0], [1000, 1001, np.nan, 1003, 1004, 1005])
    np.testing.assert_array_equal(scores[6:, 0], computed[6:, 0])
    np.testing.assert_array_equal(scores[:, 1], computed[:, 1])


def test_the_run_folder_says_what_was_looked_up(table, tmp_path):
    with open_session(tmp_path, table) as session:
        session.scores([NWOT], KNOWN)
    (row,) = read_run(tmp_path / "run").estimators
    assert (row.estimator, row.scored, row.failures, row.seconds) == ("nwot", 5, 1, 0)


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 4},
        {"space": replace(SPACE, head_width=9)},
        {"task": replace(TASK, images=41)},
    ],
)
def test_it_answers_for_one_space_task_and_seed(table, changed):
    asked = {"space": SPACE, "task": TASK, "seed": 3}
    assert table.knows(**asked)
    assert not table.knows(**{**asked, **changed})


def test_it_answers_for_one_setting_and_version(table, monkeypatch):
    assert table.column_of(NWOT) == "nwot"
    assert table.column_of(ZeroCost("nwot", batch_size=9)) is None
    assert table.column_of(ZeroCost("nwot", batch_size=8, options={"activations": "relu"})) is None
    assert table.column_of(SNIP) is None
    monkeypatch.setitem(PROXIES._entries, "nwot", replace(PROXIES["nwot"], version=2))
    assert table.column_of(NWOT) is None


def test_a_table_that_is_not_the_cards_is_refused(table, tmp_path):
    table.path.write_bytes(table.path.read_bytes() + b"x")
    with (
        open_session(tmp_path, table) as session,
        pytest.raises(DataError, match="does not match its card: reinstall archsieve"),
    ):
        session.scores([NWOT], KNOWN)


# The shipped ones


@pytest.fixture(params=shipped(), ids=lambda table: table.name)
def any_table(request):
    return request.param


def test_shipped_tables_are_whole_and_still_valid(any_table):
    card = any_table.card
    assert any_table.path.stat().st_size < 1_000_000
    assert len(any_table.archs) == card.count
    for name, settings in card.estimators.items():
        estimator = ZeroCost(**{key: value for key, value in settings.items() if key not in ("type", "version")})
        assert any_table.column_of(estimator) == name  # else it is never consulted: make it anew
        scores = any_table.get(name, any_table.archs)
        reasons = {encode(arch): why for arch, (score, why) in scores.items() if np.isnan(score)}
        assert reasons == card.failures.get(name, {})
        assert not any(np.isposinf(score) for score, _ in scores.values())


def test_the_task_of_a_table_has_its_identity_and_no_pictures(any_table):
    task = Recorded(any_table.name)
    assert identity(task) == any_table.card.task
    shape = {"cifar10": (3, 32, 32), "digits": (1, 8, 8)}[task.name]
    assert (task.input_shape, task.num_outputs) == (shape, 10)
    with pytest.raises(MissingDataError, match=f"The images of {task.name} are missing"):
        task.batches("train", batch_size=1)


def test_a_whole_space_is_found_by_its_estimators(any_table):
    if any_table.card.population != "all":
        return
    space = next(b.space for name in BENCHMARKS if identity((b := BENCHMARKS[name]).space) == any_table.card.space)
    recorded = any_table.card.estimators.values()
    members = [ZeroCost(kept["proxy"], options=tuple(map(tuple, kept["options"]))) for kept in recorded]
    (found,) = whole_tables(space, members[:2], any_table.card.seed)
    assert found.card.count == any_table.card.count
    assert whole_tables(space, [*members, ZeroCost("nwot", batch_size=7)], any_table.card.seed) == ()


def test_several_tables_of_one_task_may_hold_a_whole_space_together():
    found = whole_tables(BENCHMARKS["nasbench201-analog"].space, [ZeroCost("grasp"), NWOT_AS_SHIPPED], 0)
    assert [table.name for table in found] == ["nasbench201-cifar10-grasp", "nasbench201-cifar10"]
    assert whole_tables(BENCHMARKS["nasbench201-analog"].space, [ZeroCost("zico")], 0) == ()  # a sample knows it


def test_measuring_without_pictures_uses_the_table(monkeypatch):
    if not BENCHMARKS["nasbench201-analog"].is_present():
        pytest.skip("the package analog-nasbench is not installed")
    monkeypatch.delenv("ARCHSIEVE_DATA", raising=False)
    monkeypatch.setattr("archsieve.tasks.cifar.CIFAR10.is_present", lambda self: False)
    options = ("measure", "nasbench201", "--benchmark", "nasbench201-analog", "--proxy", "synflow", "--proxy", "params")
    result = invoke(*options, "--json")
    assert result.exit_code == 0
    assert result.stderr == (
        "The images of cifar10 are missing: the scores come from the shipped table nasbench201-cifar10, computed on a "
        "copy of cifar10 (JPEG pictures, content 8061bec3).\n"
    )
    synflow, params, *_ = json.loads(result.stdout)
    assert (synflow["count"], synflow["failures"]) == (15_625, 0)
    assert synflow["tau"] == pytest.approx(0.585, abs=0.02)
    assert params["tau"] == pytest.approx(0.5676, abs=1e-4)


@pytest.mark.slow
@pytest.mark.data
def test_random_rows_are_what_the_card_says(any_table):
    card = any_table.card
    benchmark = next(b for name in BENCHMARKS if identity((b := BENCHMARKS[name]).space) == card.space)
    if benchmark.task == "cifar10" and not TASKS["cifar10"]().is_present():
        pytest.skip("the pictures of cifar10 are not there: see `archsieve data`")
    if identity(task_of(benchmark)) != card.task:
        pytest.skip("the pictures are not those of the card")
    found = verify(any_table.name, fraction=min(1.0, 20 / card.count))
    assert found.compared > 0
    assert found.outside == 0, found.deviations
