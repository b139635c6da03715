"""Copying what can still be read of a damaged results file."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING

from archsieve._files import replace_file
from archsieve.runs.database import PATIENCE, make, ours, transaction
from archsieve.runs.rows import TABLES, Table

if TYPE_CHECKING:
    from pathlib import Path


def salvage(path: Path) -> int:
    """Copy all readable rows with a correct checksum to a new file; return their number.

    The old one is kept beside it under the name `results.sqlite.damaged`.

    Raises:
        DatabaseError: nothing can be read, or its rows have no checksums.
    """
    source = ours(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None))
    count = 0
    try:
        source.execute("PRAGMA query_only=ON")
        source.execute("PRAGMA writable_schema=ON")  # by which SQLite opens a file that lacks its end
        with replace_file(path) as temporary:
            make(temporary)
            target = ours(sqlite3.connect(temporary, isolation_level=None))
            try:
                target.execute("PRAGMA journal_mode=MEMORY")
                with transaction(target):
                    for table in TABLES:
                        count += _saved(source, target, table)
            finally:
                target.close()
            if count == 0:
                raise sqlite3.DatabaseError("nothing in it can be read")
            _set_aside(path)
            source.close()
            for leftover in ("-wal", "-shm"):
                path.with_name(path.name + leftover).unlink(missing_ok=True)
    finally:
        source.close()
    return count


def _saved(source: sqlite3.Connection, target: sqlite3.Connection, table: Table) -> int:
    """Copy the rows of a table that are readable from its start and from its end; return their number."""
    insertion = table.insertion.replace("INSERT", "INSERT OR IGNORE", 1)
    before = target.total_changes
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{name} {direction}" for name, _ in table.columns[: table.keys])
        try:
            rows = source.execute(f"SELECT {table.names}, checksum FROM {table.name} ORDER BY {order}")
            for *values, checksum in rows:
                if checksum is not None and table.is_whole(tuple(values), checksum):
                    target.execute(insertion, (*(v.decode() if isinstance(v, bytes) else v for v in values), checksum))
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            continue
    return target.total_changes - before


def _set_aside(path: Path) -> None:
    """Keep a copy of a file and its log under another name."""
    names = (path.with_name(f"{path.name}.damaged{f'-{i}' if i else ''}") for i in range(1000))
    aside = next(name for name in names if not name.exists())
    for suffix in ("-wal", ""):
        file = path.with_name(path.name + suffix)
        if file.exists():
            with replace_file(aside.with_name(aside.name + suffix)) as copy:
                shutil.copyfile(file, copy)
