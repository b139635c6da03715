"""Damaged results files: no changed value is ever used, what is whole is, and a repair keeps it."""

import math
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from archsieve.errors import RunFolderError
from archsieve.runs import database
from archsieve.runs.rows import RESULTS, TABLES, checksum_of
from archsieve.runs.session import Session
from archsieve.runs.store import Store
from plugins.toy import TASK, Counting, Learner, Toy
from runs.test_old_folder import OLD
from runs.test_store import KEY, row

CODES = [(i // 100, i % 100, 1) for i in range(150)]


def filled(path):
    store = Store(path)
    store.put([row(code, i / 7, error="é" if i % 50 == 0 else None) for i, code in enumerate(CODES)])
    store.ask("search", CODES[:40])
    store.learn(KEY, "name", 2.5, {KEY: CODES[:20]})
    store.close()
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("whole") / "results.sqlite")


@pytest.fixture
def path(whole, tmp_path):
    return Path(shutil.copy(whole, tmp_path))


def all_of(path, **settings):
    """Everything a store says."""
    store = Store(path, **settings)
    try:
        said = store.get(KEY, CODES), store.asked("search"), store.taught(KEY), store.learning()
        return said, {r.arch: r for r in store.rows()}, store.damaged
    finally:
        store.close()


def changed(path, statement, *parameters):
    """Change a file behind the checksums' back."""
    db = sqlite3.connect(path, isolation_level=None)
    assert db.execute(statement, parameters).rowcount > 0
    db.close()


def test_a_flipped_bit_is_noticed_or_changes_nothing(whole, path):
    expected, rows, _ = all_of(whole)
    content, drawn = whole.read_bytes(), random.Random(0)  # noqa: S311 - which bits
    noticed = 0
    for _ in range(150):
        place = drawn.randrange(len(content))
        broken = bytearray(content)
        broken[place] ^= 1 << drawn.randrange(8)
        path.write_bytes(broken)
        try:
            scores, *others = all_of(path)[0]
            assert scores.items() <= expected[0].items()  # a row whose key is damaged is not found, and computed again
            assert others == list(expected[1:])
        except RunFolderError:
            noticed += 1
        try:
            seen, read, damaged = all_of(path, read_only=True)
        except RunFolderError:
            continue
        assert read.items() <= rows.items()
        assert seen[0].items() <= expected[0].items()
        assert len(read) == len(rows) or damaged
    assert noticed > 30


@pytest.mark.parametrize(
    "change", ["score = 0.5", "score = NULL", "error = 'no'", "name = 'other'", "seconds = 1e9", "architecture = '9-9'"]
)
def test_a_changed_row_is_named_left_out_and_computed_again_on_request(path, change):
    changed(path, f"UPDATE results SET {change} WHERE architecture = '0-7-1'")
    kept = {code: i / 7 for i, code in enumerate(CODES) if code != (0, 7, 1)}
    store = Store(path)
    wanted = [(9, 9)] if "architecture" in change else [(0, 7, 1)]
    with pytest.raises(RunFolderError, match=r"Damaged rows .*: 1, the first: the score of (0-7-1|9-9) by .*--repair"):
        store.get(KEY, [*CODES, *wanted])
    assert store.get(KEY, list(kept)) == kept
    store.close()
    reader = Store(path, read_only=True)
    assert len(list(reader.rows())) == len(kept)
    assert len(reader.damaged) == 1
    reader.close()
    store = Store(path, repair=True)
    assert "Damaged rows left out" in store.repaired[0]
    assert store.get(KEY, CODES) == kept
    store.put([row((0, 7, 1), 1.0)])
    assert len(store.asked("search")) == 40
    store.close()
    again = Store(path, repair=True)
    assert again.repaired == ()
    again.close()


@pytest.mark.parametrize(
    "change",
    [
        "results SET architecture = '2-2-2-1' WHERE architecture = '0-1-1-1' AND name = 'learner'",
        "results SET estimator = 'other' WHERE architecture = '0-1-1-1' AND name = 'learner'",
        "results SET seed = 1 WHERE architecture = '0-1-1-1' AND name = 'learner'",
        "results SET space = 'x' || space WHERE architecture = '0-1-1-1' AND name = 'learner'",
        "learning SET task = 'other'",
        "taught SET architecture = '2-2-2-1' WHERE architecture = '0-0-0-1'",
        "asks SET search = 'other' WHERE place = 1",
    ],
)
def test_a_row_whose_key_was_changed_is_named_before_anything_is_computed(tmp_path, change):
    codes = [(0, 0, 0, 1), (0, 1, 1, 1), (1, 1, 2, 2)]
    with Session(tmp_path, Toy(), TASK) as session:
        first = session.scores([Counting(), Learner(Counting(1))], codes)
        session._journal("search", [Counting()]).add(codes[:2])
        count = sum(1 for _ in session._store.rows())
    changed(tmp_path / "results.sqlite", f"UPDATE {change}")
    with pytest.raises(RunFolderError, match=r"Damaged rows .*: 1, the first: .* Repeat the search with --repair"):
        Session(tmp_path, Toy(), TASK)
    told = []
    with Session(tmp_path, Toy(), TASK, repair=True, notify=told.append) as session:
        assert "Damaged rows left out" in told[0]
        assert session.scores([Counting(), Learner(Counting(1))], codes).tobytes() == first.tobytes()
        assert sum(1 for _ in session._store.rows()) == count
    with Session(tmp_path, Toy(), TASK):
        pass


ODD = [-0.0 + 0.0, 3.0, 5e-324, -1e308, math.inf, -math.inf, None]
CHANGES = [
    *("seed = seed + 1", "name = name || 'x'", "score = 1.25", "score = NULL", "seconds = seconds + 1"),
    *(
        "worker = worker - 1",
        "error = 'y'",
        "error = ''",
        "architecture = architecture || '0'",
        "checksum = checksum + 1",
    ),
]


@pytest.mark.parametrize("change", [None, *CHANGES])
def test_every_row_is_checked_whatever_its_values_are(path, change):
    db = sqlite3.connect(path, isolation_level=None)
    for i, score in enumerate(ODD):
        values = ("s", "t\0é", "e", -i, str(i), "näme" * i, score, i / 3, 2**62 - i, None if i % 2 else "no score")
        db.execute(RESULTS.insertion, (*values, checksum_of(values)))
    db.close()
    if change is not None:
        changed(path, f"UPDATE results SET {change} WHERE architecture = '4'")
    store = Store(path)
    if change is None:
        store.refuse_damaged_rows()
    else:
        with pytest.raises(RunFolderError, match=r"^Damaged rows in the results file .*: 1, the first: "):
            store.refuse_damaged_rows()
    store.close()


def test_of_damaged_requests_those_before_are_kept(path):
    changed(path, "UPDATE asks SET architecture = '1-1-1' WHERE place = 7")
    store = Store(path)
    with pytest.raises(RunFolderError, match=r"request 7 of the search search\. .*--repair"):
        store.asked("search")
    store.close()
    store = Store(path, repair=True)
    assert store.asked("search") == CODES[:7]
    store.close()


def test_requests_that_are_missing_are_noticed(path):
    changed(path, "DELETE FROM asks WHERE place = 7")
    store = Store(path)
    with pytest.raises(RunFolderError, match="requests of the search search are missing"):
        store.asked("search")
    store.close()


@pytest.mark.parametrize("kind", ["zeroed", "cut"])
def test_of_a_file_with_damaged_pages_what_can_be_read_is_saved(path, kind):
    content, rows = path.read_bytes(), all_of(path)[1]
    assert len(content) >= 6 * 4096
    broken = content[:-4096] if kind == "cut" else content[: 5 * 4096] + bytes(4096) + content[6 * 4096 :]
    path.write_bytes(broken)
    with pytest.raises(RunFolderError, match=r"is damaged \(.*\)\. .* --repair"):
        Store(path)
    store = Store(path, repair=True)
    assert "Rows saved from it: " in store.repaired[0]
    read = {r.arch: r for r in store.rows()}
    assert read.items() <= rows.items()
    store.put([r for code, r in rows.items() if code not in read])
    store.close()
    assert all_of(path)[1] == rows
    assert path.with_name("results.sqlite.damaged").read_bytes() == broken


@pytest.mark.parametrize("content", [b"hello, I am text\n" * 100, b"", bytes(8192)])
def test_what_holds_nothing_is_not_repaired(path, content):
    path.write_bytes(content)
    with pytest.raises(RunFolderError, match=r"cannot be repaired"):
        Store(path, repair=True)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE VIEW more AS SELECT * FROM results", "the view 'more'"),
        ("CREATE TABLE more (a)", "the table 'more'"),
        ("CREATE INDEX more ON results (score)", "the index 'more'"),
        ("CREATE TRIGGER more AFTER INSERT ON results BEGIN SELECT 1; END", "the trigger 'more'"),
    ],
)
@pytest.mark.parametrize("old", [False, True])
def test_what_archsieve_did_not_write_is_refused(path, tmp_path, statement, named, old):
    if old:
        shutil.copy(OLD / "results.sqlite", path)
    db = sqlite3.connect(path)
    db.execute(statement)
    db.close()
    for read_only in (True, False):
        with pytest.raises(RunFolderError, match=named):
            Store(path, read_only=read_only)


def test_a_later_schema_is_refused_and_so_is_a_number_that_is_not_the_tables(path):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA user_version=7")
    with pytest.raises(RunFolderError, match="its header does not fit its tables"):
        Store(path)
    db.execute("ALTER TABLE results ADD COLUMN more TEXT")
    db.close()
    with pytest.raises(RunFolderError, match="its schema is number 7, and this version of archsieve reads up to 1"):
        Store(path)


# Files of the first schema


def old_rows(path):
    db = sqlite3.connect(path)
    rows = [db.execute(f"SELECT {t.names} FROM {t.name} ORDER BY {t.order}").fetchall() for t in TABLES[:3]]
    db.close()
    return rows


def test_an_old_file_is_read_as_it_is_and_renewed_by_the_first_writer(tmp_path):
    path = Path(shutil.copy(OLD / "results.sqlite", tmp_path))
    content, expected = path.read_bytes(), old_rows(path)
    reader = Store(path, read_only=True)
    assert sum(1 for _ in reader.rows()) == len(expected[0])
    reader.close()
    assert path.read_bytes() == content
    Store(path).close()
    assert old_rows(path) == expected
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (database.SCHEMA,)
    stored = db.execute("SELECT * FROM results").fetchall()
    db.close()
    assert all(checksum_of(values) == checksum for *values, checksum in stored)


def test_a_renewal_that_does_not_end_leaves_the_old_file(tmp_path, monkeypatch):
    path = Path(shutil.copy(OLD / "results.sqlite", tmp_path))
    expected = old_rows(path)

    def fails(*_):
        raise sqlite3.OperationalError("database or disk is full")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(database, "whole", fails)
        with pytest.raises(RunFolderError, match=r"results\.sqlite: database or disk is full"):
            Store(path)
    assert old_rows(path) == expected
    Store(path).close()
    assert old_rows(path) == expected


def test_old_rows_that_are_none_are_left_out_on_request_only(tmp_path):
    path = Path(shutil.copy(OLD / "results.sqlite", tmp_path))
    changed(path, "UPDATE results SET score = 'high' WHERE name = 'snip'")
    count = sum(values[5] != "snip" for values in old_rows(path)[0])
    with pytest.raises(RunFolderError, match=r"rows are none of archsieve's, the first: the score of .* by snip"):
        Store(path)
    store = Store(path, repair=True)
    assert sum(1 for _ in store.rows()) == count
    store.close()
