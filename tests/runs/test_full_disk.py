"""A disk that fills, or cannot be written: one sentence with the path, nothing lost, and the next start goes on."""

import errno
import os
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from archsieve import _files
from archsieve._files import remove_file, remove_leftovers, replace_file
from archsieve.errors import RunFolderError, StorageError
from archsieve.runs import durability
from archsieve.runs.store import Store
from archsieve.training.checkpoint import save_weights_of
from plugins.commands import TINY, invoke
from runs.test_store import row

STAGE = '[[stage]]\nestimator = "params"\ntop = 3\n[[stage]]\nestimator = "macs"\ntop = 1\n'


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_every_write_that_fails_is_a_sentence_and_the_next_start_goes_on(tmp_path, monkeypatch, code):
    plan = tmp_path / "plan.toml"
    plan.write_text(TINY.strip() + "\n" + STAGE)
    assert invoke("search", plan, "--out", tmp_path / "whole").exit_code == 0
    whole = (invoke("report", tmp_path / "whole", "--csv").stdout,)
    syncs, failing = os.fsync, []
    for turn in range(1, 40, 3):
        count = iter(range(1, 1000))

        def full(descriptor, count=count, turn=turn):
            if next(count) >= turn:
                failing.append(turn)
                raise OSError(code, os.strerror(code))
            syncs(descriptor)

        folder = tmp_path / f"run{turn}"
        monkeypatch.setattr(_files.os, "fsync", full)
        ended = invoke("search", plan, "--out", folder)
        monkeypatch.setattr(_files.os, "fsync", syncs)
        if turn not in failing:
            break
        assert ended.exit_code == 1
        (line,) = ended.stderr.splitlines()[-1:]
        assert line.startswith(f"Error: Cannot write to {folder}"), ended.stderr
        assert os.strerror(code) in line
        assert "Traceback" not in ended.stderr
        assert invoke("search", plan, "--out", folder).exit_code == 0
        assert (invoke("report", folder, "--csv").stdout,) == whole
        assert [f.name for f in folder.rglob(".*")] == [".lock"]
    assert len(set(failing)) >= 3


def test_a_file_is_on_the_disk_before_it_takes_its_name_and_its_name_is_after(tmp_path, monkeypatch):
    done = []
    sync, move = os.fsync, Path.replace
    name = lambda descriptor: Path(f"/proc/self/fd/{descriptor}").readlink().name  # noqa: E731
    monkeypatch.setattr(os, "fsync", lambda d: (done.append(("sync", name(d))), sync(d)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (done.append(("move", to.name)), move(self, to)))
    with replace_file(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert done == [("sync", temporary.name), ("move", "file"), ("sync", tmp_path.name)]


def test_a_checkpoint_without_room_leaves_the_old_one(tmp_path, monkeypatch):
    path, network = tmp_path / "a.pt", torch.nn.Linear(2, 2)
    save_weights_of(path, network, 1)
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_files.os, "fsync", full)
    with pytest.raises(StorageError, match=r"Cannot write .*a\.pt: No space left on device\. What was stored before"):
        save_weights_of(path, network, 2)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_is_full_in_the_middle_of_a_checkpoint_is_told(tmp_path, monkeypatch):
    path, network = tmp_path / "a.pt", torch.nn.Linear(200, 2000)  # more than a stream keeps back
    save_weights_of(path, network, 1)
    before, own = path.read_bytes(), Path.open
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda self, *a, **k: own(Path("/dev/full"), *a, **k))
        with pytest.raises(StorageError, match=r"Cannot write to .*a\.pt: No space left on device\. What was stored"):
            save_weights_of(path, network, 2)
    assert path.read_bytes() == before


def test_what_cannot_be_deleted_is_a_sentence(tmp_path):
    (tmp_path / "a.pt" / "inside").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"Cannot delete .*a\.pt: .*\. What was stored before is unchanged"):
        remove_file(tmp_path / "a.pt")
    remove_file(tmp_path / "not there")


def test_leftovers_of_killed_processes_go_and_nothing_else(tmp_path):
    inner = tmp_path / "artifacts" / "a"
    inner.mkdir(parents=True)
    names = [f".run.json.{'0a' * 16}", f".results.sqlite.{'0a' * 16}-wal"]
    for name in [*names, ".lock", ".run.json.old", "run.json"]:
        (inner / name).write_text("")
    remove_leftovers(tmp_path)
    assert sorted(file.name for file in inner.iterdir()) == [".lock", ".run.json.old", "run.json"]


def synced(monkeypatch, path, **settings):
    """How often a log is brought to the disk by this process while a store gets ten batches and a tenth of a second."""
    done = []
    sync = os.fsync
    monkeypatch.setattr(durability, "SECONDS", 0.05)
    monkeypatch.setattr(os, "fsync", lambda d: (done.append(Path(f"/proc/self/fd/{d}").readlink().name), sync(d)))
    store = Store(path, **settings)
    for i in range(10):
        store.put([row((i, 1), 1.0)])
    time.sleep(0.3)
    level = store._db.execute("PRAGMA synchronous").fetchone()[0]
    store.close()
    return level, done.count("results.sqlite-wal")


def test_the_log_is_on_the_disk_within_the_promised_time_or_at_once(tmp_path, monkeypatch):
    assert synced(monkeypatch, tmp_path / "results.sqlite") in [(1, 1), (1, 2), (1, 3)]
    assert synced(monkeypatch, tmp_path / "b" / "results.sqlite", durable=True) == (2, 0)  # by SQLite itself


@pytest.mark.parametrize(
    ("free", "said"), [(4096, "there is no room on the disk (disk I/O error)"), (10**9, "disk I/O")]
)
def test_what_sqlite_calls_an_error_of_input_and_output_is_named_where_there_is_no_room(
    tmp_path, monkeypatch, free, said
):
    store = Store(tmp_path / "results.sqlite")

    def full(*_):
        raise sqlite3.OperationalError("disk I/O error")
        yield

    monkeypatch.setattr("archsieve.runs.database.transaction", contextmanager(full))
    monkeypatch.setattr("archsieve.runs.store_errors.shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(RunFolderError) as raised:
        store.put([row((0, 1), 1.0)])
    assert f"results.sqlite: {said}" in str(raised.value)
    assert "make room, or allow writing, and repeat the command" in str(raised.value)
    monkeypatch.undo()
    store.close()
