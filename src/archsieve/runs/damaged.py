"""The rows of a results file whose checksums are wrong."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections import deque
from typing import TYPE_CHECKING

from archsieve.runs.rows import TABLES, Damage, Table, checksum_of, damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from archsieve.runs.rows import Values


def damaged_rows(db: sqlite3.Connection) -> list[Damage]:
    """Return the damaged rows of a file of the current schema."""
    lost: list[Damage] = []
    for table in TABLES:
        if table.name != "asks" and not _has_damaged(db, table):  # of requests, missing ones are looked for as well
            continue
        rows = db.execute(f"SELECT {table.names}, checksum FROM {table.name} ORDER BY {table.order}")
        deque(whole(table, rows, lost), maxlen=0)
    return lost


def _has_damaged(db: sqlite3.Connection, table: Table) -> bool:
    """Whether a checksum is wrong. SQLite puts the bytes of a row together; no line of Python runs for any row."""
    db.create_function("packed", 1, struct.Struct("<d").pack, deterministic=True)
    db.create_function("crc32_of", 1, zlib.crc32, deterministic=True)
    joined = " || x'00' || ".join(_bytes_in_sql(name, kind) for name, kind in table.columns)
    query = f"SELECT 1 FROM {table.name} WHERE checksum IS NOT crc32_of(CAST({joined} AS BLOB)) LIMIT 1"
    try:
        return db.execute(query).fetchone() is not None
    except sqlite3.OperationalError:  # a value of another kind
        return True


def _bytes_in_sql(name: str, kind: str) -> str:
    """Return the expression for what `checksum_of` takes of a column."""
    text = f"packed({name})" if kind.startswith("REAL") else name
    return text if "NOT NULL" in kind else f"CASE WHEN {name} IS NULL THEN x'01' ELSE {text} END"


def whole(table: Table, rows: Iterator[Values] | sqlite3.Cursor, lost: list[Damage]) -> Iterator[Values]:
    """Yield the undamaged rows with checksums, text decoded; damaged ones are added to `lost`.

    Of what a search asked for, only what comes before the first gap is used: it is replayed in order.
    """
    expected: dict[bytes, int] = {}
    for *values, checksum in rows:
        is_good = table.is_whole(tuple(values), checksum)
        if table.name == "asks" and is_good:
            is_good = values[1] == expected.get(values[0], 0)
            expected[values[0]] = values[1] + 1 if is_good else -1
        try:
            texts = [value.decode() if isinstance(value, bytes) else value for value in values]
        except UnicodeDecodeError:
            is_good = False
        if is_good:
            yield (*texts, checksum_of(values))
        else:
            lost.append(damage(table, tuple(values)))
