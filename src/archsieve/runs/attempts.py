"""Retries of work whose workers die: which item is tried when and how often, and the report on a lost item."""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from archsieve.errors import SettingError, WorkerError
from archsieve.notices import notice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")

RETRIES = 3
"""How often an item whose worker died is tried again; an item may say another number by its attribute `retries`."""
_DEATHS_OF_A_HANG = 2  # each costs the whole limit
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_MALLOC_VARIABLES = {"MALLOC_TRIM_THRESHOLD_": str(2**33), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
"""Of glibc: keep the memory of one network for the next, instead of asking the system for every page again."""


@dataclass(frozen=True, eq=False)
class Lost:
    """The result in place of an item that no worker finished, with the reason.

    Attributes:
        item: as it was given.
        reason: how its workers ended.
        seconds: how long they worked on it.
    """

    item: Any
    reason: str
    seconds: float = 0.0


@dataclass(eq=False)
class Attempts(Generic[T]):
    """An item with the history of its attempts."""

    item: T
    tries: int = 0
    deaths: int = 0
    seconds: float = 0.0

    @property
    def retries(self) -> int:
        """How often the item may be retried."""
        return int(getattr(self.item, "retries", RETRIES))

    @property
    def is_last(self) -> bool:
        """Whether one more dead worker loses the item."""
        return self.tries > 0 and self.deaths >= self.retries


class Schedule(Generic[T]):
    """The items of a `map`, in the order in which they are tried.

    Items are taken as they are needed. The last try of an item whose workers died is made while no other item is at
    work: memory that others take must not cost a score.
    """

    def __init__(self, items: Iterable[T], workers: int) -> None:
        self._items = iter(items)
        self._again: deque[Attempts[T]] = deque()
        self._last: deque[Attempts[T]] = deque()
        self._most_last = 2 * workers
        self._alone: Attempts[T] | None = None

    def take(self, running: int) -> Attempts[T] | None:
        """Return the next item to try, given how many are running; None if there is none yet."""
        if self._alone is not None and running:
            return None
        self._alone = None
        if self._again:
            return self._again.popleft()
        if len(self._last) <= self._most_last:
            for item in self._items:
                return Attempts(item)
        if self._last and not running:
            self._alone = self._last.popleft()
        return self._alone

    def put_back(self, attempts: Attempts[T]) -> None:
        """Take back an item that no worker started."""
        (self._last if attempts.is_last else self._again).appendleft(attempts)

    def failed(self, attempts: Attempts[T], how: str, seconds: float, *, has_hung: bool = False) -> Lost | None:
        """Record that a worker died before it finished an item; return the `Lost` result after the last attempt."""
        attempts.tries += 1
        attempts.deaths += _DEATHS_OF_A_HANG if has_hung else 1
        attempts.seconds += seconds
        if attempts.deaths > attempts.retries:
            count = f"{attempts.tries} tries: the last" if attempts.tries > 1 else "one try: it"
            return Lost(attempts.item, f"no worker finished it in {count} {how}", attempts.seconds)
        notice(f"A worker {how}. What it worked on is tried again.")
        (self._last if attempts.is_last else self._again).append(attempts)
        return None


def finished(results: Iterable[R | Lost]) -> Iterator[R]:
    """Yield the results of an executor that must not lose an item.

    Raises:
        WorkerError: one is lost.
    """
    for result in results:
        if isinstance(result, Lost):
            raise WorkerError(f"A part of the work is missing: {result.reason}. Finished scores are stored.")
        yield result


def ending(code: int | None) -> str:
    """Return a text on how a process ended, from its `multiprocessing` exit code.

    >>> ending(-9), ending(3)
    ('was killed by SIGKILL, often because memory ran out', 'ended with exit code 3')
    """
    if code is None:
        return "was lost"
    if code >= 0:
        return f"ended with exit code {code}"
    name = next((each.name for each in signal.Signals if each == -code), f"signal {-code}")
    if name == "SIGKILL":
        return "was killed by SIGKILL, often because memory ran out"
    return f"{'crashed' if name in ('SIGSEGV', 'SIGBUS', 'SIGABRT', 'SIGFPE', 'SIGILL') else 'was ended'} by {name}"


def check_settings(workers: int, limit_seconds: float | None) -> None:
    """Check the settings of an executor.

    Raises:
        SettingError: there are no workers, or no time.
    """
    if workers < 1:
        raise SettingError(f"`workers >= 1` must hold, but got workers={workers}.")
    if limit_seconds is not None and not 0 < limit_seconds < float("inf"):
        raise SettingError(f"`limit_seconds` must be a number above 0, or None, but got {limit_seconds}.")


@contextmanager
def single_thread() -> Iterator[None]:
    """Make torch, if loaded, use one thread, so that sums do not depend on the number of cores."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 1
    if torch and before != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch and before != 1:
            torch.set_num_threads(before)


def variables() -> dict[str, str]:
    """Return the environment variables of a worker; allocator settings only if the user has not set them."""
    own = {name: value for name, value in _MALLOC_VARIABLES.items() if name not in os.environ}
    return dict.fromkeys(_THREAD_VARIABLES, "1") | own


@contextmanager
def single_thread_children() -> Iterator[None]:
    """Make processes started inside the context use one arithmetic thread and keep freed memory."""
    before = {name: os.environ.get(name) for name in (*_THREAD_VARIABLES, *_MALLOC_VARIABLES)}
    os.environ.update(variables())
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Make processes started inside the context ignore Ctrl-C from their start; only the driver handles it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
