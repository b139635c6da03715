"""The store of a session without a lasting folder: scores stay in memory, where a row costs a tenth of the time."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from archsieve.runs.database import in_memory
from archsieve.runs.store import Store
from archsieve.spaces.text import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from archsieve.runs.store import Key, Row
    from archsieve.spaces.contract import Architecture


class Scratch(Store):
    """A store without a file: rows are in dictionaries, everything else in an in-memory database."""

    def __init__(self) -> None:
        self.path = Path(":memory:")
        self._set_up(in_memory())
        self._results: dict[Key, dict[Architecture, Row]] = {}

    def refuse_damaged_rows(self) -> None:
        """Do nothing: no row comes from a file."""

    def get(self, key: Key, archs: Iterable[Architecture]) -> dict[Architecture, float]:
        """Return the stored scores of these codes; NaN if scoring failed."""
        return {row.arch: row.score for row in self._known(key, archs)}

    def errors(self, key: Key, archs: Iterable[Architecture]) -> dict[Architecture, str]:
        """Return the reasons for failed scores of these codes."""
        reasons = {a: row.error for a, row in self._results.get(key, {}).items() if row.error is not None}
        return {arch: reasons[arch] for arch in archs if arch in reasons} if reasons else {}

    def all_of(self, key: Key) -> dict[Architecture, float]:
        """Return all scores of a key in code order; NaN for failures."""
        return {row.arch: row.score for row in _in_order(self._results.get(key, {}))}

    def forget_failures(self, *, of_machine: bool = False) -> None:
        """Delete the rows of failures, and the journals of searches that received them."""
        if of_machine:  # nothing is here from an earlier start
            return
        for key, rows in self._results.items():
            self._results[key] = {arch: row for arch, row in rows.items() if row.error is None}
        self._db.execute("DELETE FROM asks")

    def put(self, rows: Iterable[Row]) -> None:
        """Add rows; an existing row is an error, because nothing is computed twice."""
        for row in rows:
            known = self._results.setdefault(row.key, {})
            if row.arch in known:
                raise sqlite3.IntegrityError(f"the score of {row.arch} by {row.name} is there already")
            known[row.arch] = row

    def seconds(self, key: Key, archs: Iterable[Architecture]) -> float:
        """Return the seconds that one estimator spent on these codes and on fitting."""
        learnt = super().seconds(key, ())
        return math.fsum([*(row.seconds for row in self._known(key, set(archs))), learnt])

    def rows(self) -> Iterator[Row]:
        """Yield every row, ordered by key and architecture."""
        for key in sorted(self._results, key=lambda key: (key.space, key.task, key.estimator, key.seed)):
            yield from _in_order(self._results[key])

    def rows_by_name(self) -> Iterator[Row]:
        """Yield every row ordered by estimator name and fingerprint, seed and code."""
        yield from sorted(self.rows(), key=lambda row: (row.name, row.key.estimator, row.key.seed, row.arch))

    def _known(self, key: Key, archs: Iterable[Architecture]) -> list[Row]:
        """Return the rows of these codes, where they exist."""
        rows = self._results.get(key)
        return [row for arch in archs if (row := rows.get(arch)) is not None] if rows else []


def _in_order(rows: Mapping[Architecture, Row]) -> list[Row]:
    """Return rows in file order: by code as text."""
    return sorted(rows.values(), key=lambda row: encode(row.arch))
