"""Executors: one `map` that runs a function on many items, in this process, in worker processes, or on Ray."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from archsieve._reading import quoted
from archsieve.errors import WorkerError, require
from archsieve.notices import notice
from archsieve.runs.attempts import Attempts, Lost, Schedule, check_settings, single_thread, variables
from archsieve.runs.processes import Processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Executor", "Lost", "Processes", "Ray", "Serial", "single_thread"]

T = TypeVar("T")
R = TypeVar("R")
_STARTS = 3  # of a local Ray


class Executor(Protocol):
    """Runs `fn` on every item with one arithmetic thread each, and yields results in any order.

    `fn` and the items must pickle. An error raised by `fn` is raised here, and what is not finished is dropped.

    The death of a worker costs nobody else's item: the item that it worked on is tried again, as often as its attribute
    `retries` says, else three times. If the workers die each time, a `Lost` is yielded in the place of the result.
    """

    @property
    def workers(self) -> int:
        """The number of items that run at the same time."""

    def map(self, fn: Callable[[T], R], items: Iterable[T]) -> Iterator[R | Lost]:
        """Yield fn(item) for every item, in order of completion, or a `Lost` for one that no worker finished."""


@dataclass(frozen=True)
class Serial:
    """Runs everything in this process; what kills a worker here kills the process.

    >>> list(Serial().map(abs, [-1, 2]))
    [1, 2]
    """

    workers: int = 1

    def map(self, fn: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield fn(item), in order."""
        for item in items:
            with single_thread():
                result = fn(item)
            yield result


class Ray:
    """Runs on Ray: on the cluster at `RAY_ADDRESS`, else on a local one of `workers` processes.

    All machines must see the run folder under the same path. As a context manager it keeps a Ray it started.

    An item whose worker or machine is lost is tried again, as `Processes` does. A worker that is over `limit_seconds`
    with one item ends itself; None: it takes as long as it takes.
    """

    def __init__(self, workers: int = 2, *, limit_seconds: float | None = None) -> None:
        check_settings(workers, limit_seconds)
        require("ray", "ray")
        self.workers, self.limit_seconds = workers, limit_seconds
        self._is_kept = self._is_ours = False

    def __enter__(self) -> Ray:
        self._is_kept = True
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_kept = False
        self._stop()

    def map(self, fn: Callable[[T], R], items: Iterable[T]) -> Iterator[R | Lost]:
        """Yield fn(item) in order of completion, or a `Lost` for an item that no worker finished.

        Raises:
            WorkerError: Ray itself failed.
        """
        import ray

        if not ray.is_initialized():
            self._is_ours = True
            _start_ray(self.workers)
        schedule = Schedule(items, self.workers)
        running: dict[Any, tuple[Attempts[T], float]] = {}
        try:
            # Ray would try again by itself, but not say how often, nor when.
            remote: Any = ray.remote(max_retries=0)(_on_ray)
            function = ray.put(fn)
            while True:
                while len(running) < 2 * self.workers and (attempts := schedule.take(len(running))) is not None:
                    running[remote.remote(function, attempts.item, self.limit_seconds)] = attempts, time.monotonic()
                if not running:
                    return
                for task in ray.wait(list(running), num_returns=1)[0]:
                    yield from self._outcome(schedule, task, *running.pop(task))
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, ray.exceptions.RayError):
                raise _ray_failed(error.cause) from error
            raise error.cause from error
        except ray.exceptions.RayError as error:
            raise _ray_failed(error) from error
        finally:
            for task in running:
                ray.cancel(task, force=True)
            if not self._is_kept:
                self._stop()

    def _outcome(self, schedule: Schedule[T], task: Any, attempts: Attempts[T], begun: float) -> Iterator[Any]:
        """Yield the result of a task, or a `Lost` after its last attempt."""
        import ray

        kinds = ("WorkerCrashedError", "NodeDiedError", "ObjectLostError", "OutOfMemoryError")
        try:
            yield ray.get(task)
        except tuple(getattr(ray.exceptions, kind) for kind in kinds) as error:
            seconds = time.monotonic() - begun
            has_hung = self.limit_seconds is not None and seconds >= self.limit_seconds
            how = f"of Ray was lost ({type(error).__name__})"
            if has_hung:
                how = f"of Ray was lost, probably ended at the limit of {self.limit_seconds:g} s"
            if lost := schedule.failed(attempts, how, seconds, has_hung=has_hung):
                yield lost

    def _stop(self) -> None:
        if self._is_ours:
            import ray

            ray.shutdown()
            self._is_ours = False


def _on_ray(fn: Callable[[T], R], item: T, limit: float | None) -> R:
    """Compute an item in a Ray worker, which kills itself at the time limit."""
    if limit is not None:
        faulthandler.dump_traceback_later(limit, exit=True, file=2)
    try:
        with single_thread():
            return fn(item)
    finally:
        if limit is not None:
            faulthandler.cancel_dump_traceback_later()


def _ray_failed(error: Exception) -> WorkerError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return WorkerError(f"Ray could not finish: {reason}. Finished scores are stored.")


def _start_ray(workers: int) -> None:
    """Connect to the cluster at `RAY_ADDRESS`, or start one on this machine.

    A busy machine may take longer to start Ray than Ray waits: then it is started again, up to three times in all.
    """
    import ray

    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    address = os.environ.get("RAY_ADDRESS")
    local: dict[str, Any] = {} if address else {"num_cpus": workers, "include_dashboard": False}
    environment = {"env_vars": variables() | path}
    for attempt in range(1, _STARTS + 1):
        try:
            ray.init(runtime_env=environment, log_to_driver=False, logging_level=logging.ERROR, **local)
        except Exception as error:  # whatever keeps a cluster from starting, or from being reached
            if not address and attempt < _STARTS and "timed out" in str(error):
                notice("Ray did not start in time. It is started again.")
                ray.shutdown()  # what was started of it
                continue
            where = f"at RAY_ADDRESS={address}" if address else "on this machine"
            reason = quoted(str(error).strip().rstrip(".")) or type(error).__name__
            raise WorkerError(
                f"Ray cannot be started, or reached, {where}: {reason}. Leave --ray out to use "
                f"processes of this machine."
            ) from error
        return
