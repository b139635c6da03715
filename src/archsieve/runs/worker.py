"""The worker process: it computes the items it receives, and ends with the driver."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

from archsieve.errors import WorkerError, describe_error
from archsieve.runs.attempts import single_thread

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_GRACE = 5.0  # seconds in which a worker whose driver ended must save its training
_PARENT_ENDED = 1  # of prctl: PR_SET_PDEATHSIG


def work(connection: Connection, parent: int) -> None:
    """Run a worker: compute the received items, and end with the driver."""
    _follow(parent)
    sys.stdout = sys.stderr  # standard output is for results
    connection.send_bytes(b"")
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            connection.send_bytes(_answered(connection.recv_bytes()))


def _answered(call: bytes) -> bytes:
    """Return the message with the result or the error of a call."""
    try:
        fn, item = pickle.loads(call)  # noqa: S301 - from the driver
        with single_thread():
            return pickle.dumps((True, fn(item), ""))
    except BaseException as error:  # the driver raises it
        trace = traceback.format_exc()
        try:
            message = pickle.dumps((False, error, trace))
            pickle.loads(message)  # noqa: S301 - made in the line before
        except Exception:  # a class that cannot be made anew from what it pickles
            return pickle.dumps((False, WorkerError(f"A worker failed with an error: {describe_error(error)}"), trace))
        return message


def _follow(parent: int) -> None:
    """Leave Ctrl-C to the driver, and end when the driver ends.

    A thread waits for its end; where the system can, it also sends SIGTERM, since a thread waits for code in C that
    keeps the interpreter. `parent` is the driver's number, 0 where it is not its main thread that starts workers: the
    system would take the end of that thread for the end of the driver.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if parent and sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PARENT_ENDED, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
    driver = multiprocessing.parent_process()

    def follow() -> None:
        if driver is not None:
            driver.join()
            os.kill(os.getpid(), signal.SIGTERM)  # a training worker saves first
            time.sleep(_GRACE)
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
