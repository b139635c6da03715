"""The scores of a session whose folder goes when it ends: they stay in memory, where a row costs a tenth."""

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
    """A store without a file: rows are looked up in dictionaries, the rest is in a database in memory."""

    def __init__(self) -> None:
        self.path = Path(":memory:")
        self._set_up(in_memory())
        self._results: dict[Key, dict[Architecture, Row]] = {}

    def refuse_damaged_rows(self) -> None:
        """Check nothing: no row comes from a file."""

    def get(self, key: Key, archs: Iterable[Architecture]) -> dict[Architecture, float]:
        """Return the scores among those codes; NaN where scoring failed."""
        return {row.arch: row.score for row in self._known(key, archs)}

    def errors(self, key: Key, archs: Iterable[Architecture]) -> dict[Architecture, str]:
        """Return why scores could not be computed, for those of the codes."""
        reasons = {a: row.error for a, row in self._results.get(key, {}).items() if row.error is not None}
        return {arch: reasons[arch] for arch in archs if arch in reasons} if reasons else {}

    def all_of(self, key: Key) -> dict[Architecture, float]:
        """Return all scores of a key, in the order of their codes; NaN where there is none."""
        return {row.arch: row.score for row in _in_order(self._results.get(key, {}))}

    def forget_failures(self, *, of_machine: bool = False) -> None:
        """Delete the rows of what could not be computed, and the journals of searches that were told of it."""
        if of_machine:  # nothing is here from an earlier start
            return
        for key, rows in self._results.items():
            self._results[key] = {arch: row for arch, row in rows.items() if row.error is None}
        self._db.execute("DELETE FROM asks")

    def put(self, rows: Iterable[Row]) -> None:
        """Add rows; a row that is there already is an error, since nothing is computed twice."""
        for row in rows:
            known = self._results.setdefault(row.key, {})
            if row.arch in known:
                raise sqlite3.IntegrityError(f"the score of {row.arch} by {row.name} is there already")
            known[row.arch] = row

    def seconds(self, key: Key, archs: Iterable[Architecture]) -> float:
        """Return the seconds spent on those codes by one estimator, and on its learning."""
        learnt = super().seconds(key, ())
        return math.fsum([*(row.seconds for row in self._known(key, set(archs))), learnt])

    def rows(self) -> Iterator[Row]:
        """Yield every row, ordered by key and architecture."""
        for key in sorted(self._results, key=lambda key: (key.space, key.task, key.estimator, key.seed)):
            yield from _in_order(self._results[key])

    def rows_by_name(self) -> Iterator[Row]:
        """Yield every row by name and fingerprint of the estimator, seed, and code."""
        yield from sorted(self.rows(), key=lambda row: (row.name, row.key.estimator, row.key.seed, row.arch))

    def _known(self, key: Key, archs: Iterable[Architecture]) -> list[Row]:
        """Return the rows of those of the codes that have one."""
        rows = self._results.get(key)
        return [row for arch in archs if (row := rows.get(arch)) is not None] if rows else []


def _in_order(rows: Mapping[Architecture, Row]) -> list[Row]:
    """Return rows in the order that a file has: of the codes as text."""
    return sorted(rows.values(), key=lambda row: encode(row.arch))
