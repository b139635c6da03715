"""Tables made on another copy of the pictures: when they answer, what is said of them, and how a folder keeps them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image

from archsieve.errors import DataError, SettingError
from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.estimators.predictor import Predictor
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.fingerprints import fingerprint, identity
from archsieve.plans.contract import Plan
from archsieve.plans.run import run_plan
from archsieve.report.load import read_run
from archsieve.report.run_page import run_page
from archsieve.report.stored import read_rows
from archsieve.runs.folder import write_json
from archsieve.runs.recorded_scores import RecordedScores
from archsieve.runs.score_tables import CODES, Card, ScoreTable, shipped
from archsieve.runs.session import Session
from archsieve.searchers.contract import Stage
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.nasbench_macro.space import NASBenchMacro
from archsieve.tasks.synthetic import Synthetic
from plugins.commands import invoke

SPACE = NASBenchMacro(stem_width=4, widths=(6,), stages=(2,), head_width=8)
ARCHS = list(enumerate_space(SPACE))
NWOT, SNIP, ZEN = (ZeroCost(name, batch_size=8) for name in ("nwot", "snip", "zen"))


@dataclass(frozen=True)
class Photographs(Synthetic):
    """A task that tells copies by their content."""

    content: str = "1a2b3c4d5e6f"


MINE = Photographs(shape=(3, 8, 8), num_outputs=4, images=40)
THEIRS = replace(MINE, content="9f8e7d6c5b4a", data_seed=1)


def made(tmp_path, name="their-table", task=None, archs=ARCHS, seed=0, **columns):
    """Return a table of scores that nobody could compute, by estimator."""
    columns = columns or {"nwot": 1000.0, "zen": 2000.0}
    path, kinds = tmp_path / f"{name}.npz", {"nwot": NWOT, "snip": SNIP, "zen": ZEN}
    scores = {column: np.arange(len(archs)) + start for column, start in columns.items()}
    np.savez_compressed(path, **{CODES: np.array(archs, dtype=np.int8)}, **scores)
    card = Card(
        space=identity(SPACE),
        task=identity(MINE) | {"content": THEIRS.content} if task is None else identity(task),
        seed=seed,
        estimators={column: identity(kinds[column]) for column in columns},
        population="all" if len(archs) == len(ARCHS) else "sample",
        count=len(archs),
        command="none",
        seconds=0.0,
        versions={},
        processor="",
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        failures={},
    )
    return ScoreTable(path, card)


def opened(tmp_path, *tables, **settings):
    return Session(tmp_path / "run", SPACE, MINE, tables=tables, **settings)


def test_a_whole_space_answers_for_another_copy_and_the_session_says_so(tmp_path):
    with opened(tmp_path, made(tmp_path)) as session:
        assert session.pictures() == ()  # nothing was asked for
        scores = session.scores([NWOT, SNIP, ZEN], ARCHS)
        assert session.pictures() == (
            "nwot: scores of the table their-table, made on another copy of synthetic (content 9f8e7d6c), not on "
            "yours. To compute them on yours: --recompute (in Python: tables=()).",
            "zen: scores of the table their-table. They do not depend on the pictures.",
        )
        assert session.pictures(SNIP) == ()
        assert session.pictures(MeanRank((SNIP, NWOT))) == session.pictures(NWOT) == session.pictures()[:1]
    assert scores[:, 0].tolist() == [1000 + i for i in range(9)]
    assert scores[:, 2].tolist() == [2000 + i for i in range(9)]
    assert not np.isin(scores[:, 1], scores[:, [0, 2]]).any()


@pytest.mark.parametrize(
    ("changed", "mine"),
    [
        ({"archs": ARCHS[:6]}, MINE),
        ({"seed": 1}, MINE),
        ({"task": replace(MINE, content="other", images=41)}, MINE),
        ({"task": replace(MINE, content="other", validation_fraction=0.5)}, MINE),
        ({}, Synthetic(shape=(3, 8, 8), num_outputs=4, images=40)),  # which says nothing of its content
    ],
    ids=["sample", "seed", "images", "split", "no content"],
)
def test_what_differs_in_more_than_its_pictures_does_not_answer(tmp_path, changed, mine):
    table = made(tmp_path, **changed)
    assert RecordedScores.of([table], SPACE, mine, 0) == RecordedScores()
    assert RecordedScores.of([made(tmp_path)], SPACE, MINE, 0).others


def test_own_pictures_go_before_others_even_where_they_are_few(tmp_path):
    """And what the sample lacks is computed on the same pictures, not filled up from others."""
    own = made(tmp_path, "mine", MINE, ARCHS[:3], nwot=5.0)
    with opened(tmp_path, made(tmp_path), own) as session:
        scores = session.scores([NWOT], ARCHS)[:, 0]
        assert session.pictures() == ()
    assert scores[:3].tolist() == [5, 6, 7]
    assert not np.isin(scores[3:], 1000 + np.arange(9)).any()


def test_a_folder_keeps_both_apart(tmp_path):
    """Resumed with the tables it gives theirs; recomputed, those of the user's pictures, whatever it holds."""
    table = made(tmp_path)
    with Session(tmp_path / "alone", SPACE, MINE, tables=()) as session:
        computed = session.scores([NWOT], ARCHS)
    for tables, wanted in [
        ((table,), "theirs"),
        ((table,), "theirs"),
        ((), "mine"),
        ((table,), "theirs"),
        ((), "mine"),
    ]:
        with opened(tmp_path, *tables) as session:
            scores = session.scores([NWOT], ARCHS)
            assert bool(session.pictures()) == (wanted == "theirs")
        if wanted == "theirs":
            assert scores[:, 0].tolist() == [1000 + i for i in range(9)]
        else:
            np.testing.assert_array_equal(scores, computed)
    tasks = {row.score >= 1000: row.key.task for row in read_rows(tmp_path / "run")}
    assert tasks == {True: fingerprint(table.card.task), False: fingerprint(MINE)}
    told = [(e.estimator, e.scored, e.pictures) for e in read_run(tmp_path / "run").estimators]
    assert sorted(told) == [("nwot", 9, ""), ("nwot", 9, "another copy")]


def test_what_was_taught_by_such_scores_is_not_taken_for_what_was_not(tmp_path):
    """Nor is the lesson that a predictor keeps in the folder."""
    learner = Predictor(NWOT, samples=5)
    with Session(tmp_path / "alone", SPACE, MINE, tables=()) as session:
        alone = session.scores([learner], ARCHS)
    with opened(tmp_path, made(tmp_path)) as session:
        taught = session.scores([learner], ARCHS)
        assert session.pictures() == session.pictures(learner) != ()
    with opened(tmp_path) as session:
        np.testing.assert_array_equal(session.scores([learner], ARCHS), alone)
        assert session.pictures() == ()
    with opened(tmp_path, made(tmp_path)) as session:
        np.testing.assert_array_equal(session.scores([learner], ARCHS), taught)
        assert session.pictures() != ()  # although nothing was learnt this time
        assert session.work_seconds() < sum(row.seconds for row in read_rows(tmp_path / "run"))
    assert len({row.key.estimator for row in read_rows(tmp_path / "run") if row.name == "predictor"}) == 2


def test_a_table_that_lacks_a_network_of_its_space_is_refused(tmp_path):
    table = made(tmp_path, archs=ARCHS[:8])
    table = replace(table, card=replace(table.card, population="all"))
    with (
        opened(tmp_path, table) as session,
        pytest.raises(DataError, match=r"has no score for \(2, 2\)\. .*--recompute"),
    ):
        session.scores([NWOT], ARCHS)


def test_a_search_says_it_everywhere(tmp_path):
    plan = Plan(SPACE, MINE, (Stage(NWOT, top=4), Stage(SNIP, top=1)))
    with opened(tmp_path, made(tmp_path)) as session:
        result = run_plan(plan, session)
    (sentence,) = result.pictures
    assert sentence.startswith("nwot: scores of the table their-table, made on another copy of synthetic (content 9f")
    assert read_run(tmp_path / "run").result["pictures"] == [sentence]
    page = run_page(tmp_path / "run")
    assert sentence in page.lead
    stored = next(table for table in page.tables if table.title == "Stored scores")
    assert [row[0] for row in stored.rows] == ["nwot (another copy of the pictures)", "snip"]
    shown = invoke("report", tmp_path / "run").stdout
    assert sentence in shown
    assert "another copy" in shown.partition(sentence)[2]
    header, *rows = invoke("report", tmp_path / "run", "--csv").stdout.splitlines()
    assert header.endswith(",task")
    assert {(r.split(",")[0], r.rpartition(",")[2]) for r in rows} == {
        ("nwot", fingerprint(made(tmp_path).card.task)),
        ("snip", fingerprint(MINE)),
    }


def test_results_of_earlier_versions_say_nothing_of_pictures(tmp_path):
    with opened(tmp_path) as session:
        run_plan(Plan(SPACE, MINE, (Stage(NWOT, top=1),)), session)
    path = tmp_path / "run" / "result.json"
    told = json.loads(path.read_text())
    del told["pictures"]
    write_json(path, told)
    assert read_run(tmp_path / "run").result["pictures"] == []


# The shipped tables, and a CIFAR-10 of PNG images


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Three hundred coloured squares in ten classes, as PNG files in folders; a cache of their own."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(18)
    for split, count in (("train", 24), ("test", 6)):
        for label in range(10):
            (folder / split / f"class{label}").mkdir(parents=True)
            for i in range(count):
                square = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((32, 32))
                square.save(folder / split / f"class{label}" / f"{i:02}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCHSIEVE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield folder


NOT_YOURS = (
    "swap: scores of the table nasbench-macro-cifar10, made on another copy of cifar10 (JPEG pictures, content "
    "8061bec3), not on yours. To compute them on yours: --recompute (in Python: tables=())."
)


def test_png_images_meet_the_shipped_tables_and_recompute_leaves_them_aside(images):
    ask = ("score", "nasbench-macro", "22200000", "--proxy", "swap", "--proxy", "l2_norm")
    ask += ("--set", f"task.source={images}")
    table = next(t for t in shipped() if t.name == "nasbench-macro-cifar10")
    (recorded,) = (score for score, _ in table.get("swap", [(2, 2, 2, 0, 0, 0, 0, 0)]).values())
    met = invoke(*ask)
    assert met.exit_code == 0, met.stderr
    assert f"{recorded:.6g}" in met.stdout
    assert NOT_YOURS in met.stdout
    assert "l2_norm: scores of the table nasbench-macro-cifar10. They do not depend on the pictures." in met.stdout
    (row,) = json.loads(invoke(*ask, "--json").stdout)
    assert (row["swap"], row["pictures"]["swap"]) == (recorded, NOT_YOURS)
    again = invoke(*ask, "--recompute", "--json")
    (own,) = json.loads(again.stdout)
    assert "table" not in again.stdout + again.stderr
    assert own["swap"] != recorded
    assert own["l2_norm"] == pytest.approx(row["l2_norm"], rel=1e-6)


def test_a_study_may_leave_the_tables_aside(tmp_path, monkeypatch):
    def stop(session, estimators, **_):
        session.scores([ZeroCost("nwot")], [(0,) * 6])
        raise SettingError(f"{len(estimators)} are enough")

    monkeypatch.setattr("archsieve.cli.studying.mkr_study", stop)
    ask = ("study", "mkr", "nasbench-macro", "--benchmark", "nasbench-macro-digits", "--out")
    spent = []
    for name, more in (("tables", ()), ("aside", ("--recompute",))):
        assert invoke(*ask, tmp_path / name, *more).stderr.endswith("Error: 13 are enough\n")
        spent += [row.seconds > 0 for row in read_rows(tmp_path / name)]
    assert spent == [False, True]


@pytest.mark.data
def test_measuring_by_the_shipped_tables_needs_no_copy_of_theirs(images, monkeypatch):
    """And computes nothing: the scores of 6,561 codes are there at once."""
    monkeypatch.setattr(ZeroCost, "score_group", lambda *_: pytest.fail("computed"))
    ask = ("measure", "nasbench-macro", "--proxy", "swap", "--set", f"task.source={images}")
    shown = invoke(*ask)
    assert shown.exit_code == 0, shown.stderr
    assert NOT_YOURS in shown.stdout
    swap, params, *_ = json.loads(invoke(*ask, "--json").stdout)
    assert (swap["count"], swap["pictures"], params["pictures"]) == (6561, NOT_YOURS, "")
