"""Executors: one `map` that runs a function on many items, here, in other processes, or on Ray."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from archsieve._reading import quoted
from archsieve.errors import SettingError, WorkerError, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")

_GRACE = 5.0  # seconds in which a worker whose driver ended must save its training
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_MALLOC_VARIABLES = {"MALLOC_TRIM_THRESHOLD_": str(2**33), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
"""Of glibc: keep the memory of one network for the next, instead of asking the system for every page again."""


class Executor(Protocol):
    """Runs `fn` on every item, one thread of arithmetic an item, and yields results as they come, in any order.

    `fn` and the items must pickle. An error raised by `fn` is raised here, and what is not finished is dropped.
    """

    @property
    def workers(self) -> int:
        """How many items run at a time."""

    def map(self, fn: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield fn(item) for every item, in order of completion."""


@dataclass(frozen=True)
class Serial:
    """Runs everything in this process.

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


class Processes:
    """Runs in `workers` new processes of this machine, which end with this one, even if it is killed.

    As a context manager it keeps its processes from one `map` to the next; else each `map` starts its own.
    """

    def __init__(self, workers: int = 2) -> None:
        if workers < 1:
            raise SettingError(f"`workers >= 1` must hold, but got workers={workers}.")
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._is_kept = False

    def __enter__(self) -> Processes:
        self._is_kept = True
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_kept = False
        self._stop(at_once=False)

    def map(self, fn: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield fn(item) in order of completion.

        Raises:
            WorkerError: a worker died, e.g. killed for want of memory.
        """
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_start_worker)
        try:
            with _single_thread_children():
                yield from _as_completed(self._submit, fn, items, 2 * self.workers)
        except BrokenProcessPool as error:
            self._stop(at_once=True)
            raise WorkerError(
                "A worker process died, often because memory ran out. Finished scores are stored: run the same "
                "command again, with fewer --workers if it dies again. (A script must start workers below "
                "`if __name__ == '__main__':`, and cannot be read from standard input.)"
            ) from error
        except BaseException:  # an error of `fn`, Ctrl-C, or a caller that stops early: drop running items
            self._stop(at_once=True)
            raise
        if not self._is_kept:
            self._stop(at_once=False)

    def _submit(self, *call: Any) -> Future[Any]:
        if self._pool is None:
            raise WorkerError("The worker processes were stopped while there was work to do.")
        with _interrupts_held():  # the pool starts processes as they are needed
            return self._pool.submit(*call)

    def _stop(self, *, at_once: bool) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if at_once:
            for process in list((pool._processes or {}).values()):  # no public way before Python 3.14
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)


class Ray:
    """Runs on Ray: the cluster `RAY_ADDRESS` names, else a local one of `workers` processes.

    All machines must see the run folder under the same path. As a context manager it keeps a Ray it started.
    """

    def __init__(self, workers: int = 2) -> None:
        if workers < 1:
            raise SettingError(f"`workers >= 1` must hold, but got workers={workers}.")
        require("ray", "ray")
        self.workers = workers
        self._is_kept = self._is_ours = False

    def __enter__(self) -> Ray:
        self._is_kept = True
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_kept = False
        self._stop()

    def map(self, fn: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield fn(item) in order of completion.

        Raises:
            WorkerError: Ray lost a worker.
        """
        import ray

        if not ray.is_initialized():
            self._is_ours = True
            _start_ray(self.workers)
        remote: Any = ray.remote(_on_one_thread)
        queue, running = iter(items), []
        try:
            function = ray.put(fn)
            running = [remote.remote(function, item) for item in islice(queue, 2 * self.workers)]
            while running:
                done, running = ray.wait(running, num_returns=1)
                running += [remote.remote(function, item) for item in islice(queue, len(done))]
                yield from ray.get(done)
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

    def _stop(self) -> None:
        if self._is_ours:
            import ray

            ray.shutdown()
            self._is_ours = False


def _ray_failed(error: Exception) -> WorkerError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return WorkerError(f"Ray could not finish: {reason}. Finished scores are stored.")


def _start_ray(workers: int) -> None:
    """Connect to the cluster `RAY_ADDRESS` names, or start one on this machine."""
    import ray

    variables = _variables() | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    local: dict[str, Any] = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(runtime_env={"env_vars": variables}, log_to_driver=False, logging_level=logging.ERROR, **local)
    except Exception as error:  # whatever keeps a cluster from starting, or from being reached
        where = f"at RAY_ADDRESS={os.environ['RAY_ADDRESS']}" if os.environ.get("RAY_ADDRESS") else "on this machine"
        raise WorkerError(
            f"Ray cannot be started, or reached, {where}: {quoted(str(error).strip()) or type(error).__name__}. Leave "
            f"--ray out to use processes of this machine."
        ) from error


@contextmanager
def single_thread() -> Iterator[None]:
    """Let torch, if loaded, use one thread: sums then do not depend on the number of cores."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 1
    if torch and before != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch and before != 1:
            torch.set_num_threads(before)


def _on_one_thread(fn: Callable[[T], R], item: T) -> R:
    with single_thread():
        return fn(item)


def _variables() -> dict[str, str]:
    """Return the variables that a worker begins with; how memory is kept, only where the user does not say."""
    own = {name: value for name, value in _MALLOC_VARIABLES.items() if name not in os.environ}
    return dict.fromkeys(_THREAD_VARIABLES, "1") | own


@contextmanager
def _single_thread_children() -> Iterator[None]:
    """Make processes started inside the context begin with one thread of arithmetic, and keep their memory."""
    before = {name: os.environ.get(name) for name in (*_THREAD_VARIABLES, *_MALLOC_VARIABLES)}
    os.environ.update(_variables())
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Make processes started inside the context ignore Ctrl-C from the beginning: only the driver handles it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    """Leave Ctrl-C to the driver, and end when the driver does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)  # a training worker saves first
            time.sleep(_GRACE)
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _as_completed(
    submit: Callable[..., Future[R]], fn: Callable[[T], R], items: Iterable[T], window: int
) -> Iterator[R]:
    """Yield results as they come, with at most `window` items submitted, so that memory stays flat."""
    queue = iter(items)
    running = {submit(_on_one_thread, fn, item) for item in islice(queue, window)}
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        running |= {submit(_on_one_thread, fn, item) for item in islice(queue, len(done))}
        for future in done:
            yield future.result()
