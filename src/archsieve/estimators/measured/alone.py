"""A lock so that processes of a machine measure one at a time."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def alone(device: str) -> Iterator[None]:
    """Hold a lock that keeps other processes of this user from measuring on a device of that name.

    On systems without `flock`, and between machines, nothing is kept.
    """
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        yield
        return
    digest = hashlib.sha256(device.encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir(), f"archsieve-{os.getuid()}-{digest}.lock")
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # which gives the lock back
