"""Readers beside drivers: whoever reads sees what was stored before, and calls nothing damaged that is not."""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from archsieve.runs import database
from archsieve.runs.store import Store
from runs.test_store import KEY, filled, row

DRIVER = """
import os, sys
sys.path[:0] = [sys.argv[1]]
from runs.test_store import Path, Store, row
for turn in range(int(sys.argv[3])):
    store = Store(Path(sys.argv[2]))
    for part in range(4):
        store.put([row((50_000 + 10_000 * turn + 1000 * part + i, 1), 1.5, "x" * 200) for i in range(500)])
    if turn % 2:
        os.kill(os.getpid(), 9) if turn == int(sys.argv[3]) - 1 else store.close()
"""


def driver(path, turns):
    return subprocess.Popen([sys.executable, "-c", DRIVER, Path(__file__).parents[1], path, str(turns)])


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "results.sqlite"
    filled(path, 32_000)
    assert path.stat().st_size > 2_000_000
    return path


def test_readers_beside_a_driver_that_begins_writes_and_is_killed(large, tmp_path):
    path = Path(shutil.copy(large, tmp_path))
    writer, readings = driver(path, turns=2), 0
    while writer.poll() is None or readings < 3:
        store = Store(path, read_only=True)
        assert sum(1 for _ in store.rows()) >= 32_000
        assert store.get(KEY, [(5, 1)]) == {(5, 1): 5 / 7}
        store.close()
        readings += 1
    assert readings > 2


def test_a_reader_that_stays_sees_what_there_was_and_holds_no_driver_up(large, tmp_path):
    path = Path(shutil.copy(large, tmp_path))
    reader = Store(path, read_only=True)
    rows = reader.rows()
    assert next(rows).arch == (0, 1)
    writer = Store(path)
    writer.put([row((40_000 + i, 1), 1.0, "x" * 500) for i in range(5000)])
    writer._db.execute("PRAGMA busy_timeout=100")
    writer._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    writer.close()
    assert sum(1 for _ in rows) == 32_000 - 1
    reader.close()
    again = Store(path, read_only=True)
    assert sum(1 for _ in again.rows()) == 37_000
    again.close()


def test_reading_a_file_at_rest_leaves_the_folder_as_it_is(large, tmp_path):
    path = Path(shutil.copy(large, tmp_path))
    before = path.read_bytes()
    store = Store(path, read_only=True)
    store.get(KEY, [(1, 1)])
    store.close()
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["results.sqlite"]


def test_a_copy_is_read_where_no_file_can_be_made_beside_it_and_it_leaves_nothing(large, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "connected", refusing(large, database.connected))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = Store(large, read_only=True)
    assert sum(1 for _ in store.rows()) == 32_000
    store.close()
    assert list(tmp_path.iterdir()) == []


def refusing(path, connected):
    """Return what connects, but for one path, as SQLite answers on a medium that cannot be written."""

    def connect(where, mode):
        if where == path:
            raise sqlite3.OperationalError("unable to open database file")
        return connected(where, mode)

    return connect
