"""The scores of a run, in one SQLite table: what is stored is never computed again."""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from archsieve._files import replace_file, state_of
from archsieve._reading import parse_json
from archsieve.errors import RunFolderError
from archsieve.spaces.text import decode, encode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from archsieve._files import State
    from archsieve.spaces.contract import Architecture

_SCHEMA = """CREATE TABLE IF NOT EXISTS results (
    space TEXT NOT NULL, task TEXT NOT NULL, estimator TEXT NOT NULL, seed INTEGER NOT NULL,
    architecture TEXT NOT NULL, name TEXT NOT NULL, score REAL, seconds REAL NOT NULL, worker INTEGER NOT NULL,
    error TEXT, PRIMARY KEY (space, task, estimator, seed, architecture)) WITHOUT ROWID"""
_LEARNT = """CREATE TABLE IF NOT EXISTS learning (
    space TEXT NOT NULL, task TEXT NOT NULL, estimator TEXT NOT NULL, seed INTEGER NOT NULL,
    name TEXT NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (space, task, estimator, seed)) WITHOUT ROWID"""
_TAUGHT = """CREATE TABLE IF NOT EXISTS taught (
    space TEXT NOT NULL, task TEXT NOT NULL, estimator TEXT NOT NULL, seed INTEGER NOT NULL,
    teacher TEXT NOT NULL, architecture TEXT NOT NULL,
    PRIMARY KEY (space, task, estimator, seed, teacher, architecture)) WITHOUT ROWID"""
_ASKS = """CREATE TABLE IF NOT EXISTS asks (
    search TEXT NOT NULL, place INTEGER NOT NULL, architecture TEXT NOT NULL,
    PRIMARY KEY (search, place)) WITHOUT ROWID"""
_FACTS = """CREATE TABLE IF NOT EXISTS facts (
    space TEXT NOT NULL, task TEXT NOT NULL, estimator TEXT NOT NULL, seed INTEGER NOT NULL,
    architecture TEXT NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (space, task, estimator, seed, architecture)) WITHOUT ROWID"""
_KEYED = "space=? AND task=? AND estimator=? AND seed=?"
_AT_ONCE = 500  # codes that a query names
_SMALLEST_PAGE = 512  # bytes: an SQLite file has whole pages
_PATIENCE = 30.0  # seconds that reader and writer wait for each other
_TRIES = 20  # to copy a file that a writer changes


@dataclass(frozen=True)
class Key:
    """What a score is about, except the architecture: fingerprints of space, task and estimator, and the seed."""

    space: str
    task: str
    estimator: str
    seed: int


class Row(NamedTuple):
    """One stored score: NaN with the reason in `error` where it could not be computed.

    `name` is the estimator's, `seconds` its share of the worker's time, `worker` the process that computed it; 0 for
    what a shipped table held. `facts` are plain values that were measured beside the score; `Store.facts` returns them.
    """

    key: Key
    arch: Architecture
    name: str
    score: float
    seconds: float
    worker: int
    error: str | None = None
    facts: Mapping[str, Any] | None = None


class Store:
    """One SQLite file. One driver writes, anyone may read; each batch of rows is one transaction.

    Args:
        path: the file, made if it is not there.
        read_only: leave file and folder as they are.

    Raises:
        RunFolderError: the file is damaged or is no results file.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        with self._guarded():
            if not path.exists() and not read_only:
                _make(path)
            elif path.is_file() and _is_cut(path):  # which SQLite overlooks, or takes for a new file
                raise self._damaged("it is truncated")
            self._db = _open_to_read(path) if read_only else _open(path)

    def get(self, key: Key, archs: Iterable[Architecture]) -> dict[Architecture, float]:
        """Return the stored scores among those codes; NaN where scoring failed."""
        with self._guarded():
            if self._db.execute(f"SELECT 1 FROM results WHERE {_KEYED} LIMIT 1", _columns(key)).fetchone() is None:
                return {}
        codes = {encode(arch): arch for arch in archs}
        rows = self._rows_of("score", key, codes)
        with self._guarded():
            return {codes[text]: _score(score) for text, score in rows}

    def errors(self, key: Key, archs: Iterable[Architecture]) -> dict[Architecture, str]:
        """Return why scores could not be computed, for those of the codes."""
        query = f"SELECT 1 FROM results WHERE error IS NOT NULL AND {_KEYED} LIMIT 1"
        with self._guarded():
            if self._db.execute(query, _columns(key)).fetchone() is None:
                return {}
        codes = {encode(arch): arch for arch in archs}
        rows = self._rows_of("error", key, codes)
        return {codes[text]: reason for text, reason in rows if reason is not None}

    def all_of(self, key: Key) -> dict[Architecture, float]:
        """Return all stored scores of a key, in the order of their codes; NaN where there is none."""
        query = f"SELECT architecture, score FROM results WHERE {_KEYED} ORDER BY architecture"
        with self._guarded():
            rows = self._db.execute(query, _columns(key)).fetchall()
        return {decode(arch): _score(score) for arch, score in rows}

    def forget_failures(self) -> None:
        """Delete the rows of what could not be computed, and the journals of searches that were told of it."""
        with self._guarded(), self._transaction():
            deleted = self._db.execute("DELETE FROM results WHERE error IS NOT NULL").rowcount
            if deleted:
                self._db.execute("DELETE FROM asks")

    def asked(self, search: str) -> list[Architecture]:
        """Return the codes that a search asked for, in order, duplicates included."""
        with self._guarded():
            rows = self._db.execute("SELECT architecture FROM asks WHERE search=? ORDER BY place", (search,)).fetchall()
            return [_code(arch) for (arch,) in rows]

    def ask(self, search: str, archs: Iterable[Architecture]) -> None:
        """Append to what a search asked for, in one transaction."""
        with self._guarded(), self._transaction():
            (count,) = self._db.execute("SELECT COUNT(*) FROM asks WHERE search=?", (search,)).fetchone()
            rows = ((search, place, encode(arch)) for place, arch in enumerate(archs, count))
            self._db.executemany("INSERT INTO asks VALUES (?,?,?)", rows)

    def put(self, rows: Iterable[Row]) -> None:
        """Add rows in one transaction; a row that is there already is an error, since nothing is computed twice."""
        rows = list(rows)
        values = [
            (
                *_columns(r.key),
                encode(r.arch),
                r.name,
                None if math.isnan(r.score) else r.score,
                r.seconds,
                r.worker,
                r.error,
            )
            for r in rows
        ]
        facts = [(*_columns(r.key), encode(r.arch), json.dumps(r.facts)) for r in rows if r.facts]
        with self._guarded(), self._transaction():
            self._db.executemany("INSERT INTO results VALUES (?,?,?,?,?,?,?,?,?,?)", values)
            self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?,?,?,?,?,?)", facts)

    def facts(self) -> Iterator[tuple[Key, Architecture, dict[str, Any]]]:
        """Yield what was measured beside scores, ordered by key and architecture."""
        with self._guarded():
            if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'facts'").fetchone():
                return  # a file of an older version
            query = "SELECT * FROM facts ORDER BY space, task, estimator, seed, architecture"
            for *key, arch, text in self._db.execute(query):
                yield Key(*key), _code(arch), _facts(text)

    def learn(
        self, key: Key, name: str, seconds: float, taught: Mapping[Key, Iterable[Architecture]] | None = None
    ) -> None:
        """Add to the seconds an estimator has spent on learning, and to the scores that it asked for meanwhile."""
        rows = [(*_columns(key), k.estimator, encode(arch)) for k, archs in (taught or {}).items() for arch in archs]
        with self._guarded(), self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO taught VALUES (?,?,?,?,?,?)", rows)
            self._db.execute(
                "INSERT INTO learning VALUES (?,?,?,?,?,?) "
                "ON CONFLICT DO UPDATE SET seconds = seconds + excluded.seconds",
                (*_columns(key), name, seconds),
            )

    def learning(self) -> dict[tuple[str, str, int], float]:
        """Return the seconds spent on learning by name, fingerprint and seed of the estimator."""
        with self._guarded():
            if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'learning'").fetchone():
                return {}  # a file of an older version
            rows = self._db.execute("SELECT name, estimator, seed, seconds FROM learning").fetchall()
        return {(name, estimator, seed): seconds for name, estimator, seed, seconds in rows}

    def taught(self, key: Key) -> dict[Key, set[Architecture]]:
        """Return the codes whose scores an estimator requested while it learnt, by the key of those scores."""
        with self._guarded():
            rows = self._db.execute(
                "SELECT teacher, architecture FROM taught WHERE " + _KEYED, _columns(key)
            ).fetchall()
        codes_by_key: dict[Key, set[Architecture]] = {}
        for teacher, arch in rows:
            codes_by_key.setdefault(replace(key, estimator=teacher), set()).add(decode(arch))
        return codes_by_key

    def seconds(self, key: Key, archs: Iterable[Architecture]) -> float:
        """Return the seconds spent on those codes by one estimator, and on its learning."""
        spent = [seconds for _, seconds in self._rows_of("seconds", key, set(map(encode, archs)))]
        with self._guarded():
            learnt = self._db.execute("SELECT seconds FROM learning WHERE " + _KEYED, _columns(key)).fetchone()
        return math.fsum([*spent, *(learnt or ())])

    def rows(self) -> Iterator[Row]:
        """Yield every row, ordered by key and architecture."""
        with self._guarded():
            for values in self._db.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM results ORDER BY space, task, estimator, seed, architecture"
            ):
                yield _row(values)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _rows_of(self, column: str, key: Key, codes: Collection[str]) -> list[tuple[str, Any]]:
        """Return code and value of a column, for those of the codes that are stored; no other row is read."""
        rows: list[tuple[str, Any]] = []
        texts = list(codes)
        with self._guarded():
            for begin in range(0, len(texts), _AT_ONCE):
                part = texts[begin : begin + _AT_ONCE]
                places = ",".join("?" * len(part))
                query = f"SELECT architecture, {column} FROM results WHERE {_KEYED} AND architecture IN ({places})"
                rows += self._db.execute(query, (*_columns(key), *part)).fetchall()
        return rows

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except (sqlite3.OperationalError, OSError) as error:
            raise RunFolderError(f"Cannot use the results file {self.path}: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, why: str) -> RunFolderError:
        return RunFolderError(
            f"The results file {self.path} is damaged ({why.splitlines()[-1]}). Put back a whole copy, or choose "
            f"another folder to start anew."
        )


def _is_cut(path: Path) -> bool:
    """Whether a file is cut; one with a log may be in the middle of a write, which the log completes."""
    length, log = path.stat().st_size, path.with_name(path.name + "-wal")
    has_log = log.exists() and log.stat().st_size > 0
    return length == 0 or (length % _SMALLEST_PAGE != 0 and not has_log)


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
    try:
        prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Open a file that a driver may be writing or may begin to write, or that lies where nothing can be written.

    SQLite's locks keep reader and writer apart. They need a file beside this one; the last to close removes it again.
    Where none can be made, a copy is read. `immutable` would be wrong: another process may change the file.
    """
    with ExitStack() as stack:
        log = path.with_name(path.name + "-wal")
        is_at_rest = not log.exists() or log.stat().st_size == 0
        mode = "rw" if is_at_rest and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK) else "ro"
        try:
            db = _connected(path, mode)
            stack.callback(db.close)
            db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
        except sqlite3.OperationalError as error:
            if not path.is_file() or ("unable to open" not in str(error) and "readonly" not in str(error)):
                raise
            stack.close()
            db = _of_a_copy(path)
            stack.callback(db.close)
        db.execute("PRAGMA query_only=ON")
        _check(db)
        stack.pop_all()
    return db


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=_PATIENCE, isolation_level=None)


def _of_a_copy(path: Path) -> sqlite3.Connection:
    """Return a connection to a copy of a file and its log, which did not change meanwhile; closing it is enough."""
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
        db = _connected(copy, "rw")
        try:
            db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()  # opens the files, which can then go
        except BaseException:
            db.close()
            raise
        return db


def _states(path: Path) -> dict[str, State]:
    """Return the states of a results file and its log, by name."""
    files = (file for file in (path, path.with_name(path.name + "-wal")) if file.exists())
    return {file.name: state_of(file) for file in files}


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables of an open database, unless it has them, and check it."""
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute(_SCHEMA)
    db.execute(_LEARNT)
    db.execute(_TAUGHT)
    db.execute(_ASKS)
    db.execute(_FACTS)
    _check(db)


def _check(db: sqlite3.Connection) -> None:
    verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)


def _make(path: Path) -> None:
    """Make an empty results file in one step, so that a file of no bytes is always a damaged one."""
    for leftover in ("-wal", "-shm"):  # of a file that was moved away: SQLite would play it into the new one
        path.with_name(path.name + leftover).unlink(missing_ok=True)
    with replace_file(path) as temporary:
        _open(temporary).close()


def _columns(key: Key) -> tuple[str, str, str, int]:
    return key.space, key.task, key.estimator, key.seed


def _score(value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, int | float):
        return float(value)
    raise sqlite3.DatabaseError("a score is no number")


_COLUMNS = {
    **dict.fromkeys(("space", "task", "estimator"), str),
    "seed": int,
    **dict.fromkeys(("architecture", "name"), str),
    "score": (int, float, type(None)),
    "seconds": (int, float),
    "worker": int,
    "error": (str, type(None)),
}
"""Of the table of results by name, with the kinds of values that a column may hold: SQLite itself takes any."""


def _row(values: tuple[Any, ...]) -> Row:
    """Return a stored row.

    Raises:
        DatabaseError: a value is of another kind than its column's.
    """
    for (column, kinds), value in zip(_COLUMNS.items(), values, strict=True):
        if not isinstance(value, kinds):  # type: ignore[arg-type]
            raise sqlite3.DatabaseError(f"a value in the column {column} is of another kind")
    space, task, estimator, seed, arch, name, score, seconds, worker, error = values
    return Row(Key(space, task, estimator, seed), _code(arch), name, _score(score), float(seconds), worker, error)


def _facts(text: object) -> dict[str, Any]:
    try:
        facts = parse_json(str(text))
    except ValueError as error:
        raise sqlite3.DatabaseError("facts beside a score are no JSON") from error
    if not isinstance(facts, dict):
        raise sqlite3.DatabaseError("facts beside a score are no table")
    return facts


def _code(text: object) -> Architecture:
    try:
        return decode(str(text))
    except ValueError as error:
        raise sqlite3.DatabaseError("the text of an architecture is none") from error
