"""The results file: what goes in comes out bit for bit, and a damaged file is one sentence."""

import math
import sqlite3
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsieve.errors import RunFolderError
from archsieve.runs.rows import RESULTS, values_of
from archsieve.runs.store import Key, Row, Store
from archsieve.spaces.text import decode, encode

KEY = Key("space", "task", "estimator", 0)


def row(arch, score, error=None, key=KEY):
    return Row(key, arch, "name", score, 0.25, 7, error)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results.sqlite")
    yield store
    store.close()


def filled(path, count=200):
    store = Store(path)
    store.put([row((i, 1), i / 7) for i in range(count)])
    store.close()


@pytest.mark.parametrize(
    "score", [0.1 + 0.2, -math.inf, 0.0, 5e-324, 1.7976931348623157e308, 93.1266666666666711, 1 / 3]
)
def test_a_score_comes_back_bit_for_bit(store, score):
    store.put([row((1, 2), score)])
    assert struct.pack("<d", store.get(KEY, [(1, 2)])[1, 2]) == struct.pack("<d", score)
    assert next(iter(store.rows())) == row((1, 2), score)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_every_float_comes_back_but_for_the_sign_of_zero(tmp_path, scores):
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        store = Store(Path(folder) / "results.sqlite")
        store.put([row((i,), score) for i, score in enumerate(scores)])
        found = store.get(KEY, [(i,) for i in range(len(scores))])
        store.close()
    assert [found[i,].hex() for i in range(len(scores))] == [(score + 0.0).hex() for score in scores]


def test_a_failure_comes_back_as_nan_with_its_reason(store):
    store.put([row((1, 2), math.nan, "it's \u201cbad\u201d; DROP TABLE results")])
    (found,) = store.rows()
    assert math.isnan(found.score)
    assert math.isnan(store.get(KEY, [(1, 2)])[1, 2])
    assert found.error == "it's \u201cbad\u201d; DROP TABLE results"
    assert (found.key, found.arch, found.name, found.seconds, found.worker) == (KEY, (1, 2), "name", 0.25, 7)


def test_only_what_was_asked_for_is_returned(store):
    store.put([row((1, 2), 1.0), row((2, 1), 2.0)])
    assert store.get(KEY, [(2, 1), (0, 0)]) == {(2, 1): 2.0}


@pytest.mark.parametrize("field", ["space", "task", "estimator", "seed"])
def test_every_part_of_the_key_counts(store, field):
    other = Key(**{**vars(KEY), field: 1 if field == "seed" else "other"})
    store.put([row((1,), 1.0), row((1,), 2.0, key=other)])
    assert store.get(KEY, [(1,)]) == {(1,): 1.0}
    assert store.get(other, [(1,)]) == {(1,): 2.0}


def test_a_row_twice_is_refused_and_nothing_of_its_batch_stays(store):
    store.put([row((1, 2), 1.0)])
    with pytest.raises(sqlite3.IntegrityError):
        store.put([row((3, 3), 3.0), row((1, 2), 9.0), row((4, 4), 4.0)])
    assert [(r.arch, r.score) for r in store.rows()] == [((1, 2), 1.0)]
    store.put([row((3, 3), 3.0)])  # and the store goes on
    assert len(list(store.rows())) == 2


def test_rows_by_name_are_in_the_order_of_names_fingerprints_seeds_and_options(store):
    codes = [(9,), (10,), (10, 0), (10, 0, 3), (2, 100), (2, 99), (0,)]
    names = {"print2": "B", "print1": "B", "print0": "a", "print3": "Ä"}
    keys = [Key(s, t, e, n) for s in "ba" for t in "zy" for e in names for n in (10, 9, -1)]
    rows = [Row(key, arch, names[key.estimator], 0.5, 0.0, 0) for key in keys for arch in codes]
    store.put(rows[::-1])
    expected = sorted(rows, key=lambda r: (r.name, r.key.estimator, r.key.seed, r.arch, r.key.space, r.key.task))
    assert list(store.rows_by_name()) == expected
    assert set(store.rows()) == set(rows)


def test_a_batch_whose_source_fails_is_not_stored(store):
    def source():
        yield from (row((i,), 0.5) for i in range(1200))
        raise RuntimeError("the source fails")

    with pytest.raises(RuntimeError, match="the source fails"):
        store.put(source())
    assert list(store.rows()) == []
    store.put(row((i,), 0.5) for i in range(1200))
    assert len(store.get(KEY, [(i,) for i in range(0, 1300, 2)])) == 600


def test_it_is_there_after_it_was_closed(tmp_path):
    filled(tmp_path / "results.sqlite", 3)
    again = Store(tmp_path / "results.sqlite")
    assert again.get(KEY, [(0, 1), (1, 1), (2, 1)]) == {(0, 1): 0.0, (1, 1): 1 / 7, (2, 1): 2 / 7}
    again.close()


def test_it_can_be_read_while_a_driver_writes(tmp_path):
    path = tmp_path / "results.sqlite"
    writer = Store(path)
    writer.put([row((0,), 1.0)])
    writer._db.execute("BEGIN IMMEDIATE")  # a batch that is being written
    writer._add(RESULTS, [values_of(row((1,), 2.0))])
    program = (
        "import sys; from pathlib import Path; from archsieve.runs.store import Store\n"
        "print([(r.arch, r.score) for r in Store(Path(sys.argv[1])).rows()])"
    )
    seen = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60, check=True)
    assert seen.stdout.strip() == "[((0,), 1.0)]"
    writer._db.execute("COMMIT")
    assert len(list(writer.rows())) == 2
    writer.close()


def test_no_truncation_goes_unnoticed(tmp_path):
    path = tmp_path / "results.sqlite"
    filled(path)
    whole = path.read_bytes()
    assert len(whole) > 8192
    lengths = [0, 1, 15, 16, 99, 100, 101, 512, *range(1000, len(whole), 1000), *range(4096, len(whole), 4096)]
    for length in [*lengths, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(RunFolderError, match=r"results\.sqlite is damaged .*Put back a whole copy"):
            Store(path).close()
    path.write_bytes(whole)
    store = Store(path)
    assert len(list(store.rows())) == 200
    store.close()


@pytest.mark.parametrize("content", [b"hello, I am text\n" * 100, b"{}", b"\x00" * 5000, b"SQLite format 3\x00"])
def test_another_file_in_its_place_is_a_sentence(tmp_path, content):
    path = tmp_path / "results.sqlite"
    path.write_bytes(content)
    with pytest.raises(RunFolderError, match=r"results\.sqlite") as caught:
        Store(path)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_a_folder_in_its_place_is_a_sentence(tmp_path):
    path = tmp_path / "results.sqlite"
    path.mkdir()
    with pytest.raises(RunFolderError, match=r"results\.sqlite: it is a folder"):
        Store(path)


def test_a_database_of_something_else_is_a_sentence(tmp_path):
    path = tmp_path / "results.sqlite"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE results (a, b)")
    db.close()
    with pytest.raises(RunFolderError, match=r"results\.sqlite"):
        Store(path).get(KEY, [(1,)])


def test_where_no_file_can_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match=r"Cannot use the results file .*results\.sqlite"):
        Store(tmp_path / "file" / "results.sqlite")


def test_what_an_old_file_left_behind_does_not_come_back(tmp_path):
    path = tmp_path / "results.sqlite"
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_store import Path, Store, row\n"
        "Store(Path(sys.argv[2])).put([row((1,), 1.0)]); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, Path(__file__).parent, path], timeout=60, check=False)
    assert (tmp_path / "results.sqlite-wal").stat().st_size > 0
    path.rename(tmp_path / "moved-away")
    store = Store(path)
    assert list(store.rows()) == []
    store.put([row((1,), 2.0)])
    assert store.get(KEY, [(1,)]) == {(1,): 2.0}
    store.close()


@given(st.lists(st.integers(0, 300), min_size=1, max_size=40).map(tuple))
def test_codes_come_back(arch):
    assert decode(encode(arch)) == arch


def test_what_is_learnt_and_from_whom_is_stored_together_or_not_at_all(store):
    teacher = Key("space", "task", "teacher", 0)
    with pytest.raises(sqlite3.IntegrityError):
        store.learn(KEY, None, 1.0, {teacher: [(0, 1), (2, 3)]})
    assert store.taught(KEY) == {}
    store.learn(KEY, "name", 1.5, {teacher: [(0, 1), (2, 3)]})
    store.learn(KEY, "name", 0.5, {teacher: [(2, 3), (12, 0)]})
    assert store.taught(KEY) == {teacher: {(0, 1), (2, 3), (12, 0)}}
    assert store.learning() == {("name", "estimator", 0): 2.0}


# The work of a query grows with what is asked for, and not with what is stored


def steps_of(store, query):
    """How many hundreds of steps SQLite takes for a query."""
    steps = []
    store._db.set_progress_handler(lambda: steps.append(1), 100)
    answer = query()
    store._db.set_progress_handler(None, 0)
    return len(steps), answer


@pytest.mark.parametrize("ask", ["get", "seconds", "errors"])
def test_no_row_is_read_that_is_not_asked_for(store, ask):
    asked = [(i, 1) for i in range(600)]
    store.put([row(arch, 0.5 if arch[0] % 2 else math.nan, None if arch[0] % 2 else "no") for arch in asked])
    before, answer = steps_of(store, lambda: getattr(store, ask)(KEY, asked))
    store.put([row((i, 1), math.nan, "no") for i in range(600, 12_000)])
    after, again = steps_of(store, lambda: getattr(store, ask)(KEY, asked))
    assert again == answer if ask != "get" else again.keys() == answer.keys()
    assert before > 10
    assert after <= 1.5 * before


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1000, 1203])
def test_any_number_of_codes_can_be_asked_for(store, count):
    store.put([row((i, 1), float(i)) for i in range(1203)])
    asked = [(i, 1) for i in range(count)]
    assert store.get(KEY, [*asked, (5000, 1)]) == {arch: float(arch[0]) for arch in asked}
    assert store.seconds(KEY, asked) == 0.25 * count
