"""When stored rows reach the disk: a killed process loses nothing, a power failure at most the last `SECONDS`.

Files written by `archsieve._files.replace_file` are on the disk before they take their name. A transaction of the
results file is in its log at once, which survives the process; the log is brought to the disk here. A durable store
has SQLite do so in every transaction.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 10.0
"""From a transaction until it is on the disk, at most."""


class Syncing:
    """Flushes a log to disk in a thread, at most `SECONDS` after an addition."""

    def __init__(self, log: Path) -> None:
        self._log, self._lock = log, threading.Lock()
        self._timer: threading.Timer | None = None

    def committed(self) -> None:
        """Record an addition."""
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(SECONDS, self._sync)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Stop the thread; SQLite flushes everything to disk when it closes the file."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def _sync(self) -> None:
        with self._lock:
            self._timer = None  # what is added from here on starts another
        try:
            descriptor = os.open(self._log, os.O_RDWR)
        except OSError:  # it is gone: SQLite has put it into the file, and that on the disk
            return
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
