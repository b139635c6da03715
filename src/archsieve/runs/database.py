"""SQLite handling of a results file: creating, opening, checking, migrating; `archsieve.runs.rows` has the schema."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from archsieve._files import replace_file, state_of
from archsieve._reading import quoted
from archsieve.runs.damaged import damaged_rows, whole
from archsieve.runs.rows import TABLES, Damage, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from archsieve._files import State

SCHEMA = 1
"""The `user_version` of a file that this version writes.

0 are files from before there was one, which have no checksums. Every version reads all earlier schemas; the first
driver copies what it finds to its own in one transaction. A later schema is refused.
"""
_APPLICATION = 0x61736576  # "asev": by it `file` and others tell whose the database is
_OLDEST_SQLITE = (3, 37, 0)  # the first with STRICT tables
_SMALLEST_PAGE = 512  # bytes: an SQLite file has whole pages
PATIENCE = 30.0  # seconds that reader and writer wait for each other
_TRIES = 20  # to copy a file that a writer changes
_CHECKED_WHOLLY = 256 << 20
"""Bytes up to which each opening checks the whole structure (0.3 seconds for a million scores), beyond which less."""
_KEY = "space TEXT NOT NULL, task TEXT NOT NULL, estimator TEXT NOT NULL, seed INTEGER NOT NULL,"
_FIRST_SCHEMA = {
    "results": f"{_KEY} architecture TEXT NOT NULL, name TEXT NOT NULL, score REAL, seconds REAL NOT NULL, worker "
    "INTEGER NOT NULL, error TEXT, PRIMARY KEY (space, task, estimator, seed, architecture)) WITHOUT ROWID",
    "learning": f"{_KEY} name TEXT NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (space, task, estimator, seed)) "
    "WITHOUT ROWID",
    "taught": f"{_KEY} teacher TEXT NOT NULL, architecture TEXT NOT NULL, "
    "PRIMARY KEY (space, task, estimator, seed, teacher, architecture)) WITHOUT ROWID",
    "facts": f"{_KEY} architecture TEXT NOT NULL, facts TEXT NOT NULL, "
    "PRIMARY KEY (space, task, estimator, seed, architecture)) WITHOUT ROWID",
    "asks": "search TEXT NOT NULL, place INTEGER NOT NULL, architecture TEXT NOT NULL, PRIMARY KEY (search, place)) "
    "WITHOUT ROWID",
}


class SchemaError(sqlite3.DatabaseError):
    """The database has a schema that no version of archsieve wrote."""


def is_cut(path: Path) -> bool:
    """Whether a file is truncated; a file with a log may be in the middle of a write, which the log completes."""
    length, log = path.stat().st_size, path.with_name(path.name + "-wal")
    has_log = log.exists() and log.stat().st_size > 0
    return length == 0 or (length % _SMALLEST_PAGE != 0 and not has_log)


def make(path: Path) -> None:
    """Create an empty results file atomically, so that an empty file is always a damaged one.

    All is in the file itself, and on the disk, before it takes its name: no log could be left behind.
    """
    for leftover in ("-wal", "-shm"):  # of a file that was moved away: SQLite would play it into the new one
        path.with_name(path.name + leftover).unlink(missing_ok=True)
    with replace_file(path) as temporary:
        db = ours(sqlite3.connect(temporary, isolation_level=None))
        try:
            db.execute("PRAGMA journal_mode=MEMORY")
            db.execute("PRAGMA synchronous=FULL")
            with transaction(db):
                _make_tables(db)
        finally:
            db.close()


def in_memory() -> sqlite3.Connection:
    """Return a connection to an empty results file in memory."""
    db = ours(sqlite3.connect(":memory:", isolation_level=None))
    _make_tables(db)
    return db


def open_to_write(
    path: Path, *, durable: bool = False, repair: bool = False
) -> tuple[sqlite3.Connection, list[Damage]]:
    """Return a connection to a file of the current schema, and the damaged rows omitted by `repair`.

    Raises:
        SchemaError: it holds what archsieve did not write.
        DatabaseError: it is damaged.
    """
    db = ours(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None))
    try:
        version = version_of(db)
        check_pages(db, path)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        lost = _renew(db, leave_out=repair) if version < SCHEMA or repair else []
    except BaseException:
        db.close()
        raise
    return db, lost


def open_to_read(path: Path) -> tuple[sqlite3.Connection, int]:
    """Open a file for reading, even while a driver writes to it or where the folder is read-only.

    Returns the connection and the version of its schema. SQLite's locks keep reader and writer apart. They need a file
    beside this one; the last to close removes it again. Where none can be made, a copy is read. `immutable` would be
    wrong: another process may change the file.
    """
    with ExitStack() as stack:
        log = path.with_name(path.name + "-wal")
        is_at_rest = not log.exists() or log.stat().st_size == 0
        mode = "rw" if is_at_rest and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK) else "ro"
        try:
            db = connected(path, mode)
            stack.callback(db.close)
            db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        except sqlite3.OperationalError as error:
            if not path.is_file() or ("unable to open" not in str(error) and "readonly" not in str(error)):
                raise
            stack.close()
            db = _of_a_copy(path)
            stack.callback(db.close)
        db.execute("PRAGMA query_only=ON")
        version = version_of(db)
        check_pages(db, path)
        stack.pop_all()
    return db, version


def connected(path: Path, mode: str) -> sqlite3.Connection:
    """Return a connection to an existing file."""
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    return ours(sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None))


def ours(db: sqlite3.Connection) -> sqlite3.Connection:
    """Return a connection configured so that an untrusted file cannot call functions."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        db.close()
        raise sqlite3.OperationalError(
            f"archsieve needs SQLite 3.37 or newer, and this Python has {sqlite3.sqlite_version}"
        )
    db.text_factory = bytes
    db.execute("PRAGMA trusted_schema=OFF")
    db.execute("PRAGMA cell_size_check=ON")
    return db


def _of_a_copy(path: Path) -> sqlite3.Connection:
    """Return a connection to a consistent temporary copy of a file and its log, deleted when closed."""
    with tempfile.TemporaryDirectory(prefix="archsieve-") as folder:
        copy = Path(folder) / path.name
        for _ in range(_TRIES):
            before = _states(path)
            for name in before:
                shutil.copyfile(path.with_name(name), copy.with_name(name))
            if _states(path) == before:
                break
            for name in before:
                copy.with_name(name).unlink()
        else:
            raise sqlite3.OperationalError("it changes while it is copied to be read")
        db = connected(copy, "rw")
        try:
            db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # opens the files, which can then go
        except BaseException:
            db.close()
            raise
        return db


def _states(path: Path) -> dict[str, State]:
    """Return the file states of a results file and its log, by name."""
    files = (file for file in (path, path.with_name(path.name + "-wal")) if file.exists())
    return {file.name: state_of(file) for file in files}


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit at the end of the context, or roll back on an error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # after some errors, as of a full disk, SQLite has undone it itself
            db.execute("ROLLBACK")
        raise


def version_of(db: sqlite3.Connection) -> int:
    """Return the schema version of a file, from its tables.

    Raises:
        SchemaError: it has other objects than those, as views and triggers, or a number that is not theirs.
    """
    said = _number(db, "user_version")
    objects = [
        tuple(value.decode("utf-8", errors="replace") if isinstance(value, bytes) else "" for value in values)
        for values in db.execute("SELECT type, name, sql FROM sqlite_master")
    ]
    current = {("table", table.name, table.schema) for table in TABLES}
    if set(objects) == current:
        if (said, _number(db, "application_id")) != (SCHEMA, _APPLICATION):
            raise SchemaError("its header does not fit its tables")
        return SCHEMA
    first = {("table", name, _normal(f"CREATE TABLE {name} ({text}")) for name, text in _FIRST_SCHEMA.items()}
    found = {(kind, name, _normal(text)) for kind, name, text in objects}
    names = {name for _, name, _ in found}
    if said == 0 and found <= first and "results" in names:
        return 0
    if said > SCHEMA and _number(db, "application_id") == _APPLICATION:
        raise SchemaError(f"its schema is number {said}, and this version of archsieve reads up to {SCHEMA}")
    strange = sorted(found - first - {(kind, name, _normal(text)) for kind, name, text in current})
    what = f": the {quoted(strange[0][0])} {quoted(strange[0][1])!r}" if strange else ""
    raise SchemaError(f"its schema is not one of archsieve{what}")


def _number(db: sqlite3.Connection, pragma: str) -> int:
    return int(db.execute(f"PRAGMA {pragma}").fetchone()[0])


def _normal(statement: str) -> str:
    return " ".join(statement.replace("(", " ( ").split())


def check_pages(db: sqlite3.Connection, path: Path) -> None:
    """Check the structure of a file: all pages, lengths and orders; above 256 MiB all but the free pages.

    Raises:
        DatabaseError: it is damaged.
    """
    check = "integrity_check" if path.stat().st_size <= _CHECKED_WHOLLY else "quick_check"
    verdict = db.execute(f"PRAGMA {check}(1)").fetchone()[0]
    if verdict != b"ok":
        raise sqlite3.DatabaseError(verdict.decode("utf-8", errors="replace"))


def _make_tables(db: sqlite3.Connection) -> None:
    for table in TABLES:
        db.execute(table.schema)
    db.execute(f"PRAGMA user_version={SCHEMA}")
    db.execute(f"PRAGMA application_id={_APPLICATION}")


def _renew(db: sqlite3.Connection, *, leave_out: bool) -> list[Damage]:
    """Copy all undamaged rows to tables of the current schema in one transaction; return the omitted rows.

    Raises:
        DatabaseError: rows are damaged, and may not be left out.
    """
    lost: list[Damage] = []
    with transaction(db):
        version = version_of(db)
        if version == SCHEMA and not (leave_out and damaged_rows(db)):
            return []
        has_sums = version > 0
        there = [table for table in TABLES if _has(db, table)]
        for table in there:
            db.execute(f"ALTER TABLE {table.name} RENAME TO former_{table.name}")
        _make_tables(db)
        for table in there:
            query = f"SELECT {table.names}, {'checksum' if has_sums else 'NULL'} FROM former_{table.name} "
            rows = db.execute(f"{query} ORDER BY {table.order}")
            db.executemany(table.insertion, whole(table, rows, lost))
            db.execute(f"DROP TABLE former_{table.name}")
        if lost and not leave_out:
            raise sqlite3.DatabaseError(f"{len(lost)} rows are none of archsieve's, the first: {lost[0].about}")
    return lost


def _has(db: sqlite3.Connection, table: Table) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return db.execute(query, (table.name,)).fetchone() is not None
