"""Notices to the user from code that does not know the terminal; without a listener they are dropped."""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)
_FIRST, _NEXT = 5.0, 60.0  # seconds to the first notice of a long pass, and to each further one


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Pass every notice inside the context to `listener`.

    >>> with listening(print):
    ...     notice("Reading.")
    Reading.
    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def notice(text: str) -> None:
    """Send a notice to the user."""
    if (listener := _LISTENER.get()) is not None:
        listener(text)


class LongPass:
    """Notices during a pass through many items: the first after five seconds, then one a minute.

    Args:
        what: the beginning of the sentence, such as "Decoding the pictures of x for the first time".
        total: number of items.
    """

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._begun = time.monotonic()
        self._due = self._begun + _FIRST

    def reached(self, done: int) -> None:
        """Send a notice if one is due; `done` items are finished."""
        now = time.monotonic()
        if now < self._due or not done:
            return
        left = (now - self._begun) / done * (self._total - done)
        amount = f"{left:.0f} s" if left < 100 else f"{left / 60:.0f} min" if left < 6000 else f"{left / 3600:.1f} h"
        notice(f"{self._what}: {done:,} of {self._total:,}, about {amount} to go.")
        self._due = now + _NEXT
