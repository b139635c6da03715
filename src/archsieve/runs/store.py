"""The scores of a run in one SQLite file; stored scores are never computed again."""

from __future__ import annotations

import json
import math
import sqlite3
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from archsieve._reading import parse_json
from archsieve.errors import AGAIN, RunFolderError
from archsieve.runs import database
from archsieve.runs.damaged import damaged_rows
from archsieve.runs.durability import Syncing
from archsieve.runs.rows import (
    ASKS,
    FACTS,
    LEARNING,
    RESULTS,
    TAUGHT,
    Damage,
    Key,
    Row,
    checksum_of,
    code_of,
    columns_of,
    damage,
    in_order,
    parts_of,
    row_of,
    score_of,
    text_of,
    values_of,
)
from archsieve.runs.salvage import salvage
from archsieve.runs.store_errors import guarded, last_line
from archsieve.spaces.text import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from archsieve.runs.rows import Table, Values
    from archsieve.spaces.contract import Architecture

__all__ = ["Key", "Row", "Store"]

_KEYED = "space=? AND task=? AND estimator=? AND seed=?"
_AT_ONCE = 500  # codes that a query names
_OF_MACHINE = f"substr(error, 1, {len(AGAIN)}) = '{AGAIN}'"
_SHOWN = 3  # damaged rows that a message names


class Store:
    """One SQLite file with a single writer and any number of readers; each batch of rows is one transaction.

    Every row has a checksum. A driver that needs a damaged row raises; a reader leaves it out and lists it in
    `damaged`.

    Args:
        path: the file, made if it is not there.
        read_only: write nothing.
        durable: bring every transaction to the disk before going on.
        repair: leave damaged rows out for good; `repaired` says in sentences what was.

    Raises:
        RunFolderError: the file is damaged or is no results file.
    """

    _read_only = False
    _syncing: Syncing | None = None
    before_writing: Callable[[], None] = staticmethod(lambda: None)
    repaired: tuple[str, ...] = ()

    def __init__(self, path: Path, *, read_only: bool = False, durable: bool = False, repair: bool = False) -> None:
        self.path, self._read_only, self.repaired = path, read_only, ()
        with guarded(self.path):
            if not path.exists() and not read_only:
                database.make(path)
            try:
                self._open(durable=durable, repair=repair)
            except database.SchemaError as error:
                if not repair:
                    raise
                self._salvage(error)
                self._open(durable=durable, repair=True)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                if not repair:
                    raise
                self._salvage(error)
                self._open(durable=durable, repair=True)

    def _open(self, *, durable: bool, repair: bool) -> None:
        if self.path.is_file() and database.is_cut(self.path):  # which SQLite overlooks, or takes for a new file
            raise sqlite3.DatabaseError("it is truncated")
        if self._read_only:
            self._set_up(*database.open_to_read(self.path))
        else:
            db, lost = database.open_to_write(self.path, durable=durable, repair=repair)
            if lost:
                names = ", ".join(each.about for each in lost[:_SHOWN]) + (", ..." if len(lost) > _SHOWN else "")
                self.repaired += (f"Damaged rows left out of {self.path}: {len(lost)} ({names}).",)
            self._set_up(db)
            self._syncing = None if durable else Syncing(self.path.with_name(self.path.name + "-wal"))

    def _set_up(self, db: sqlite3.Connection, version: int = database.SCHEMA) -> None:
        self._db, self._checksum = db, "checksum" if version else "NULL"
        self._damaged: dict[Damage, None] = {}

    def _salvage(self, error: sqlite3.DatabaseError) -> None:
        try:
            count = salvage(self.path)
        except sqlite3.DatabaseError as failed:
            raise RunFolderError(
                f"The results file {self.path} is damaged ({last_line(error)}), and cannot be repaired: "
                f"{last_line(failed)}. Put back a whole copy, or choose another folder to start anew."
            ) from failed
        self.repaired += (
            f"The results file {self.path} was damaged ({last_line(error)}). Rows saved from it: {count}. The "
            f"damaged file is kept beside it.",
        )

    @property
    def damaged(self) -> tuple[Damage, ...]:
        """The damaged rows found so far, each once."""
        return tuple(self._damaged)

    def refuse_damage(self) -> None:
        """Raise an error if a damaged row was found.

        Raises:
            RunFolderError: one was.
        """
        self._refuse(self.damaged)

    def _refuse(self, lost: Sequence[Damage]) -> None:
        if lost:
            raise RunFolderError(
                f"Damaged rows in the results file {self.path}: {len(lost)}, the first: {lost[0].about}. The others "
                f"are whole. Repeat the search with --repair, which computes the damaged ones again."
            )

    def refuse_damaged_rows(self) -> None:
        """Check every row, because a damaged key would hide a row and its score would be computed again.

        Raises:
            RunFolderError: some are damaged; says how many, and names the first.
        """
        with guarded(self.path):
            self._damaged.update(dict.fromkeys(damaged_rows(self._db)))
        self._refuse(self.damaged)

    def refuse_another_search(self, space: str, seed: int | None) -> None:
        """Check that some row has space and seed of the search whose files lie beside this one, if there are any.

        A seed of None is not known, and not compared.

        Raises:
            RunFolderError: none has: the file was exchanged for that of another search.
        """
        with guarded(self.path):
            has_any = self._db.execute("SELECT 1 FROM results LIMIT 1").fetchone() is not None
            own = "SELECT 1 FROM results WHERE space = ? AND (? IS NULL OR seed = ?) LIMIT 1"
            has_own = self._db.execute(own, (space, seed, seed)).fetchone() is not None
        if has_any and not has_own:
            what = "the space" if seed is None else f"the space and the seed {seed}"
            raise RunFolderError(
                f"The results file {self.path} is of another search: no score in it has {what} of this one. Put back "
                f"its own, or repeat the search, which computes the scores again."
            )

    def get(self, key: Key, archs: Iterable[Architecture]) -> dict[Architecture, float]:
        """Return the stored scores of these codes; NaN if scoring failed.

        Raises:
            RunFolderError: some of them are damaged, and this is a driver.
        """
        if not self._has_any(key):
            return {}
        return {arch: score_of(values[6]) for arch, values in self._rows_of(key, archs)}

    def errors(self, key: Key, archs: Iterable[Architecture]) -> dict[Architecture, str]:
        """Return the reasons for failed scores of these codes."""
        if not self._has_any(key, "error IS NOT NULL AND"):
            return {}
        return {arch: text_of(values[9]) for arch, values in self._rows_of(key, archs) if values[9] is not None}

    def all_of(self, key: Key) -> dict[Architecture, float]:
        """Return all stored scores of a key in code order; NaN for failures."""
        lost: list[Damage] = []
        rows = self._each(RESULTS, f"WHERE {_KEYED} ORDER BY architecture", columns_of(key), lost)
        scores = {code_of(values[4]): score_of(values[6]) for values in rows}
        self._note(lost)
        return scores

    def forget_failures(self, *, of_machine: bool = False) -> None:
        """Delete the rows of failures, and the journals of searches that received them.

        Args:
            of_machine: only of what the machine may be to blame for, and of what could then not be learnt.
        """
        with guarded(self.path), database.transaction(self._db):
            there = f"SELECT 1 FROM results WHERE {_OF_MACHINE} LIMIT 1"
            if of_machine and self._db.execute(there).fetchone() is None:
                return
            condition = f"{_OF_MACHINE} OR error LIKE 'while learning: %'" if of_machine else "error IS NOT NULL"
            if self._db.execute(f"DELETE FROM results WHERE {condition}").rowcount:
                self._db.execute("DELETE FROM asks")

    def asked(self, search: str) -> list[Architecture]:
        """Return the codes that a search requested, in order, duplicates included."""
        rows = self._whole(ASKS, "WHERE search=? ORDER BY place", (search,))
        with guarded(self.path):
            if [values[1] for values in rows] != list(range(len(rows))):
                raise sqlite3.DatabaseError(f"requests of the search {search} are missing")
            return [code_of(values[2]) for values in rows]

    def ask(self, search: str, archs: Iterable[Architecture]) -> None:
        """Append to a search's requests in one transaction."""
        self.before_writing()
        with guarded(self.path), database.transaction(self._db):
            (count,) = self._db.execute("SELECT COUNT(*) FROM asks WHERE search=?", (search,)).fetchone()
            self._add(ASKS, ((search, place, encode(arch)) for place, arch in enumerate(archs, count)))
        self._committed()

    def put(self, rows: Iterable[Row]) -> None:
        """Add rows in one transaction; an existing row is an error, because nothing is computed twice."""
        parts = parts_of(rows, _AT_ONCE)
        first = next(parts, None)
        if first is None:
            return
        self.before_writing()
        with guarded(self.path), database.transaction(self._db):
            for part in chain([first], parts):
                facts = [(*columns_of(r.key), encode(r.arch), json.dumps(r.facts)) for r in part if r.facts]
                self._add(RESULTS, map(values_of, part))
                self._add(FACTS, facts, "INSERT OR REPLACE")
        self._committed()

    def facts(self) -> Iterator[tuple[Key, Architecture, dict[str, Any]]]:
        """Yield the measurements stored beside scores, ordered by key and architecture."""
        lost: list[Damage] = []
        for values in self._each(FACTS, f"ORDER BY {FACTS.order}", (), lost):
            key = Key(text_of(values[0]), text_of(values[1]), text_of(values[2]), values[3])
            with guarded(self.path):
                yield key, code_of(values[4]), _facts(text_of(values[5]))
        self._note(lost)

    def learn(
        self, key: Key, name: str, seconds: float, taught: Mapping[Key, Iterable[Architecture]] | None = None
    ) -> None:
        """Add to the seconds that an estimator spent on fitting, and to the scores it requested for that."""
        rows = [(*columns_of(key), k.estimator, encode(arch)) for k, archs in (taught or {}).items() for arch in archs]
        before = math.fsum(values[5] for values in self._whole(LEARNING, f"WHERE {_KEYED}", columns_of(key)))
        self.before_writing()
        with guarded(self.path), database.transaction(self._db):
            self._add(TAUGHT, rows, "INSERT OR IGNORE")
            self._add(LEARNING, [(*columns_of(key), name, before + seconds)], "INSERT OR REPLACE")
        self._committed()

    def learning(self) -> dict[tuple[str, str, int], float]:
        """Return the seconds spent on fitting by name, fingerprint and seed of the estimator."""
        rows = self._whole(LEARNING, "", ())
        return {(text_of(values[4]), text_of(values[2]), values[3]): values[5] for values in rows}

    def taught(self, key: Key) -> dict[Key, set[Architecture]]:
        """Return the codes whose scores an estimator requested for fitting, by the key of those scores."""
        codes_by_key: dict[Key, set[Architecture]] = {}
        for values in self._whole(TAUGHT, f"WHERE {_KEYED}", columns_of(key)):
            codes_by_key.setdefault(replace(key, estimator=text_of(values[4])), set()).add(code_of(values[5]))
        return codes_by_key

    def seconds(self, key: Key, archs: Iterable[Architecture]) -> float:
        """Return the seconds that one estimator spent on these codes and on fitting."""
        learnt = self._whole(LEARNING, f"WHERE {_KEYED}", columns_of(key))
        spent = (values[7] for _, values in self._rows_of(key, dict.fromkeys(archs)))
        return math.fsum(chain(spent, (values[5] for values in learnt)))

    def rows(self) -> Iterator[Row]:
        """Yield every undamaged row, ordered by key and architecture."""
        yield from self._ordered(RESULTS.order)

    def rows_by_name(self) -> Iterator[Row]:
        """Yield every undamaged row ordered by estimator name and fingerprint, seed, and code by option numbers.

        SQLite sorts them, in temporary files where they are many.
        """
        self._db.create_function("in_order", 1, in_order, deterministic=True)
        order = "name, estimator, seed, in_order(CAST(architecture AS BLOB)), space, task"
        yield from self._ordered(order)

    def _ordered(self, order: str) -> Iterator[Row]:
        lost: list[Damage] = []
        with guarded(self.path):
            for values in self._each(RESULTS, f"ORDER BY {order}", (), lost):
                yield row_of(values)
        self._damaged.update(dict.fromkeys(lost))

    def close(self) -> None:
        """Close the file."""
        if self._syncing is not None:
            self._syncing.close()
        self._db.close()

    def _committed(self) -> None:
        if self._syncing is not None:
            self._syncing.committed()

    def _has_any(self, key: Key, condition: str = "") -> bool:
        query = f"SELECT 1 FROM results WHERE {condition} {_KEYED} LIMIT 1"
        with guarded(self.path):
            return self._db.execute(query, columns_of(key)).fetchone() is not None

    def _add(self, table: Table, rows: Iterable[Values], verb: str = "INSERT") -> None:
        statement = table.insertion.replace("INSERT", verb, 1)
        self._db.executemany(statement, ((*values, checksum_of(values)) for values in rows))

    def _rows_of(self, key: Key, archs: Iterable[Architecture]) -> Iterator[tuple[Architecture, Values]]:
        """Yield the stored rows of these codes, few at a time, without reading other rows.

        Raises:
            RunFolderError: after the last, if some are damaged and this is a driver.
        """
        lost: list[Damage] = []
        for part in parts_of(archs, _AT_ONCE):
            codes = {encode(arch).encode(): arch for arch in part}
            condition = f"WHERE {_KEYED} AND architecture IN ({','.join('?' * len(codes))})"
            for values in self._each(RESULTS, condition, (*columns_of(key), *map(bytes.decode, codes)), lost):
                yield codes[values[4]], values
        self._note(lost)

    def _whole(self, table: Table, condition: str, parameters: Sequence[object]) -> list[Values]:
        """Return the undamaged rows of a query.

        Raises:
            RunFolderError: there are others, and this is a driver; a reader notes them.
        """
        lost: list[Damage] = []
        rows = list(self._each(table, condition, parameters, lost))
        self._note(lost)
        return rows

    def _each(self, table: Table, condition: str, parameters: Sequence[object], lost: list[Damage]) -> Iterator[Values]:
        """Yield the undamaged rows of a query one by one; the others are added to `lost`."""
        query = f"SELECT {table.names}, {self._checksum} FROM {table.name} {condition}"
        with guarded(self.path):
            if self._checksum == "NULL" and not self._is_there(table):
                return
            for *values, checksum in self._db.execute(query, parameters):
                if table.is_whole(row := tuple(values), checksum):
                    yield row
                else:
                    lost.append(damage(table, row))

    def _note(self, lost: Sequence[Damage]) -> None:
        """Record damaged rows; a driver stops at them."""
        self._damaged.update(dict.fromkeys(lost))
        if not self._read_only:
            self._refuse(lost)

    def _is_there(self, table: Table) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE name = ?"
        return self._db.execute(query, (table.name,)).fetchone() is not None


def _facts(text: str) -> dict[str, Any]:
    try:
        facts = parse_json(text)
    except ValueError as error:
        raise sqlite3.DatabaseError("facts beside a score are no JSON") from error
    if not isinstance(facts, dict):
        raise sqlite3.DatabaseError("facts beside a score are no table")
    return facts
