"""Worker processes on this machine, each with its own connection, so that the item of a dead worker is known."""

from __future__ import annotations

import atexit
import math
import multiprocessing
import os
import pickle
import threading
import time
from contextlib import suppress
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, TypeVar

from archsieve.errors import WorkerError, describe_error
from archsieve.runs.attempts import (
    Attempts,
    Lost,
    Schedule,
    check_settings,
    ending,
    interrupts_held,
    single_thread_children,
)
from archsieve.runs.worker import work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE = 30.0  # seconds in which a worker that is not needed any more must do so
_START = 60.0  # seconds in which a worker must be ready, or the limit of an item where that is more
_MOMENT = 0.2
_GLANCE = 1.0  # seconds between two looks at the clock, where there is a limit
_PAUSE = 3.0  # a look that comes so much later shows that this process was stopped, not busy
_STILLBORN = 3  # workers in a row that end before they are ready


_LIVING: set[_Worker] = set()


class Processes:
    """Runs on `workers` new processes of this machine, which end with this process even if it is killed.

    As a context manager it keeps its processes from one `map` to the next; else each `map` starts its own.

    An item whose process dies is tried again in a new one, at most three times (an item may have an attribute
    `retries`), the last time while nothing else is at work. `limit_seconds` is how long a process may work on one
    item: it is ended then, and that counts as two deaths. Time in which this process was stopped (Ctrl-Z, a paused
    machine) is left out, because its workers were probably stopped too. None: as long as it takes.
    """

    def __init__(self, workers: int = 2, *, limit_seconds: float | None = None) -> None:
        check_settings(workers, limit_seconds)
        self.workers, self.limit_seconds = workers, limit_seconds
        self._idle: list[_Worker] = []
        self._is_kept = False

    def __enter__(self) -> Processes:
        self._is_kept = True
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_kept = False
        _end(self._idle)

    def map(self, fn: Callable[[T], R], items: Iterable[T]) -> Iterator[R | Lost]:
        """Yield fn(item) in order of completion, or a `Lost` for an item that no process finished.

        Raises:
            WorkerError: no process can be started.
        """
        crew = _Crew(fn, Schedule(items, self.workers), self.workers, self.limit_seconds, self._idle)
        try:
            while crew.hand_out():
                yield from crew.outcomes()
        finally:  # an error of `fn`, Ctrl-C, or a caller that stops early: what runs is dropped
            _end(crew.busy)
            if not self._is_kept:
                _end(self._idle)


class _Worker:
    """A worker process, its connection, and its current item."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        follows = threading.current_thread() is threading.main_thread()
        self.process = context.Process(target=work, args=(theirs, os.getpid() if follows else 0))
        try:
            with interrupts_held(), single_thread_children():
                self.process.start()
        except OSError as error:
            self.connection.close()
            raise WorkerError(
                f"No worker process can be started: {describe_error(error)}. Finished scores are stored: run the same "
                f"command again, with fewer --workers."
            ) from error
        finally:
            theirs.close()
        _LIVING.add(self)
        self.is_ready = False
        self.attempts: Attempts[Any] | None = None
        self.begun = time.monotonic()

    def begin(self, call: bytes) -> None:
        """Send work to an idle process; its death is noticed later."""
        self.begun = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send_bytes(call)

    def message(self) -> bytes | None:
        """Return the message of the process, empty if it is ready; None if it ended."""
        try:
            return self.connection.recv_bytes() if self.connection.poll() else None
        except (EOFError, OSError):
            return None

    def kill(self) -> str:
        """Kill the process, and return how it ended."""
        self.process.join(_MOMENT)  # its connection is closed a moment before
        how = ending(self.process.exitcode)
        self.forget()
        return how

    def forget(self) -> None:
        """Kill the process if it still runs, and close its connection."""
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self.connection.close()
        _LIVING.discard(self)


class _Crew:
    """The processes of one `map`."""

    def __init__(
        self,
        fn: Callable[[Any], Any],
        schedule: Schedule[Any],
        most: int,
        limit: float | None,
        idle: list[_Worker],
    ) -> None:
        self._fn, self._schedule, self._most, self._limit, self._idle = fn, schedule, most, limit, idle
        self.busy: list[_Worker] = []
        self._stillborn = 0

    def hand_out(self) -> bool:
        """Give work to as many processes as allowed; return whether any works."""
        while len(self.busy) < self._most:
            attempts = self._schedule.take(len(self.busy))
            if attempts is None:
                break
            worker = self._waiting_worker() or _Worker()
            worker.attempts = attempts
            self.busy.append(worker)
            if worker.is_ready:
                self._begin(worker, attempts)
        return bool(self.busy)

    def _waiting_worker(self) -> _Worker | None:
        """Return an idle process; idle ones that died are removed."""
        while self._idle:
            worker = self._idle.pop()
            if worker.process.is_alive():
                return worker
            worker.forget()
        return None

    def _begin(self, worker: _Worker, attempts: Attempts[Any]) -> None:
        worker.begin(pickle.dumps((self._fn, attempts.item)))

    def outcomes(self) -> Iterator[Any]:
        """Wait for the next event; yield results and lost items. Ended processes are replaced."""
        ends: list[Any] = [end for each in self.busy for end in (each.connection, each.process.sentinel)]
        happened = set(self._waited(ends))
        results = []
        for worker in list(self.busy):
            if worker.connection in happened or worker.process.sentinel in happened:
                results += self._heard(worker)
            elif time.monotonic() >= self._end_of(worker):
                results += self._hung(worker)
        self.hand_out()  # before results are taken, which may take long
        yield from results

    def _waited(self, ends: list[Any]) -> list[Any]:
        """Return the ends that something happened at; none when a time limit is over, or it is time for another look.

        Limits are put off by the time that this process was stopped.
        """
        until, begun = min(map(self._end_of, self.busy)), time.monotonic()
        if until == math.inf:
            return wait(ends)
        patience = min(max(0.0, until - begun), _GLANCE)
        happened = wait(ends, patience)
        late = time.monotonic() - begun - patience
        if late > _PAUSE:
            for worker in self.busy:
                worker.begun += late
        return happened

    def _end_of(self, worker: _Worker) -> float:
        """Return the time limit of a process; starting may take longer than working."""
        if self._limit is None:
            return math.inf
        return worker.begun + (self._limit if worker.is_ready else max(self._limit, _START))

    def _heard(self, worker: _Worker) -> list[Any]:
        """Return the result that a process sent, or the item lost by its death."""
        attempts = worker.attempts
        if attempts is None:
            return []
        message = worker.message()
        if message is None:
            return self._died(worker, attempts)
        if not message:
            worker.is_ready, self._stillborn = True, 0
            self._begin(worker, attempts)
            return []
        self.busy.remove(worker)
        worker.attempts = None
        self._idle.append(worker)
        return [_received(message)]

    def _died(self, worker: _Worker, attempts: Attempts[Any]) -> list[Any]:
        """Replace a process that ended, and return its item if it is lost."""
        self.busy.remove(worker)
        seconds, how = time.monotonic() - worker.begun, worker.kill()
        if worker.is_ready:
            return _only(self._schedule.failed(attempts, how, seconds))
        self._stillborn += 1
        if self._stillborn >= _STILLBORN:
            raise WorkerError(
                f"{_STILLBORN} worker processes in a row ended before they began to work; the last {how}. Finished "
                "scores are stored: run the same command again, with fewer --workers if memory ran out. (A script must "
                "start workers below `if __name__ == '__main__':`, and cannot be read from standard input.)"
            )
        self._schedule.put_back(attempts)
        return []

    def _hung(self, worker: _Worker) -> list[Any]:
        """Kill a process beyond its time limit, and return its item if it is lost."""
        attempts, seconds = worker.attempts, time.monotonic() - worker.begun
        worker.process.kill()
        if attempts is None or not worker.is_ready:
            return [] if attempts is None else self._died(worker, attempts)
        self.busy.remove(worker)
        worker.forget()
        how = f"took longer than the limit of {self._limit:g} s, and was ended"
        return _only(self._schedule.failed(attempts, how, seconds, has_hung=True))


def _only(lost: Lost | None) -> list[Lost]:
    return [] if lost is None else [lost]


def _received(message: bytes) -> Any:
    """Return the result in a worker's message, or raise its error."""
    try:
        is_result, value, trace = pickle.loads(message)  # noqa: S301 - of a process of ours
    except Exception as error:
        raise WorkerError(f"The result of a worker cannot be read: {describe_error(error)}.") from error
    if is_result:
        return value
    value.add_note(f"In the worker process:\n{trace}")
    raise value


def _end(workers: list[_Worker]) -> None:
    """End processes: idle ones by closing the connection, others by SIGTERM, so that a training can save."""
    leaving = workers[:]
    workers.clear()
    for worker in leaving:
        if worker.attempts is None:
            worker.connection.close()
        else:
            worker.process.terminate()
    until = time.monotonic() + _PATIENCE
    for worker in leaving:
        worker.process.join(max(0.0, until - time.monotonic()))
        worker.forget()


@atexit.register
def _end_all() -> None:
    """End the remaining processes before the interpreter waits for them."""
    _end(list(_LIVING))
