"""A session whose folder goes keeps scores in memory: it answers as one with a results file does."""

import math
import sqlite3

import numpy as np
import pytest

from archsieve.estimators.chance import Chance
from archsieve.estimators.combined.mean_rank import MeanRank
from archsieve.runs.scratch import Scratch
from archsieve.runs.session import Session
from archsieve.runs.store import Key, Row, Store
from plugins.toy import TASK, Counting, Learner, Toy

KEY, OTHER = Key("space", "task", "estimator", 0), Key("space", "task", "another", 1)
ROWS = [
    Row(KEY, (2, 10), "name", 0.5, 0.25, 7),
    Row(KEY, (10, 2), "name", -math.inf, 0.5, 7),
    Row(KEY, (0, 0), "name", math.nan, 1.0, 8, "why"),
    Row(OTHER, (2, 10), "other", 3.0, 2.0, 0),
]


@pytest.fixture
def stores(tmp_path):
    stores = Store(tmp_path / "results.sqlite"), Scratch()
    for store in stores:
        store.put(ROWS)
        store.learn(KEY, "name", 4.0, {OTHER: [(2, 10)]})
    yield stores
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    "question",
    [
        lambda store: repr(sorted(store.get(KEY, [(2, 10), (9, 9), (0, 0)]).items())),
        lambda store: repr(store.all_of(KEY)),
        lambda store: store.errors(KEY, [(2, 10), (0, 0), (9, 9)]),
        lambda store: store.errors(OTHER, [(2, 10), (0, 0)]),
        lambda store: store.seconds(KEY, [(2, 10), (2, 10), (0, 0)]),
        lambda store: store.seconds(OTHER, [(2, 10)]),
        lambda store: repr(list(store.rows())),
        lambda store: store.taught(KEY),
        lambda store: store.learning(),
        lambda store: [store.ask("s", [(1, 2)]), store.asked("s"), store.forget_failures(), store.asked("s")],
        lambda store: [store.forget_failures(), repr(store.all_of(KEY))],
    ],
    ids=["get", "all", "errors", "no errors", "seconds", "other", "rows", "taught", "learning", "asks", "forget"],
)
def test_it_answers_as_a_file_does(stores, question):
    file, scratch = map(question, stores)
    assert scratch == file


def test_a_row_that_is_there_already_is_an_error(stores):
    for store in stores:
        with pytest.raises(sqlite3.IntegrityError):
            store.put([ROWS[0]])


def test_a_session_scores_alike_and_leaves_no_results_file(tmp_path):
    space = Toy()
    pool = [(0, 0, 0, 1), (0, 0, 1, 2), (1, 1, 2, 2), (0, 1, 1, 1)]
    estimators = [Counting(1), MeanRank((Counting(1), Chance())), Learner(Counting(2))]
    columns = []
    for name in ("kept", "scratch"):
        with Session(tmp_path / name, space, TASK, scratch=name == "scratch") as session:
            columns.append(session.scores(estimators, pool))
            assert (session.scores(estimators, pool) == columns[-1]).all()
    np.testing.assert_array_equal(*columns)
    assert (tmp_path / "kept" / "results.sqlite").exists()
    assert not (tmp_path / "scratch" / "results.sqlite").exists()
