"""Errors of a results file, as sentences: what is wrong, and what to do."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from archsieve.errors import RunFolderError, StorageError
from archsieve.runs import database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ADVICE = " What was stored before is unchanged: make room, or allow writing, and repeat the command."
_NO_ROOM = 64 * 1024  # free bytes below which a disk is full to SQLite


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn what SQLite and the disk raise about a results file into sentences.

    Raises:
        RunFolderError: the file is damaged, or cannot be read or written.
    """
    try:
        yield
    except (sqlite3.IntegrityError, StorageError):
        raise
    except (sqlite3.OperationalError, OSError) as error:
        raise RunFolderError(
            f"Cannot use the results file {path}: {_cause(error, path)}.{_ADVICE if _is_of_disk(error) else ''}"
        ) from error
    except database.SchemaError as error:
        raise RunFolderError(
            f"The results file {path} is damaged, or was not written by this version of archsieve: "
            f"{last_line(error)}. Put back a whole copy, or choose another folder."
        ) from error
    except (sqlite3.DatabaseError, ValueError) as error:
        raise RunFolderError(
            f"The results file {path} is damaged ({last_line(error)}). Put back a whole copy, or repeat the "
            f"search with --repair, which keeps what is whole and computes the rest again."
        ) from error


def _cause(error: Exception, path: Path) -> str:
    """Return what SQLite says, and what is behind it: there is no room, or nothing can be written here."""
    if "unable to open" in str(error):
        if path.is_dir():
            return "it is a folder"
        if not os.access(path.parent, os.W_OK):
            return f"its folder is read-only ({error}). Allow writing, or copy the folder"
    if _is_of_disk(error):
        with suppress(OSError):
            if shutil.disk_usage(path.parent).free < _NO_ROOM:
                return f"there is no room on the disk ({error})"
    return str(error)


def _is_of_disk(error: Exception) -> bool:
    return any(word in str(error) for word in ("full", "I/O", "readonly", "quota", "No space"))


def last_line(error: Exception) -> str:
    """Return the last line of an error, or its kind if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[-1]
