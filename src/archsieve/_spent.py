"""Seconds that an ended process spent on work that this process continues; they count towards the cost of a score."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLLECTED: ContextVar[list[float] | None] = ContextVar("spent", default=None)


@contextmanager
def collected_seconds() -> Iterator[list[float]]:
    """Collect the seconds reported inside the context."""
    seconds: list[float] = []
    token = _COLLECTED.set(seconds)
    try:
        yield seconds
    finally:
        _COLLECTED.reset(token)


def tell_spent(seconds: float) -> None:
    """Report the seconds that an ended process spent on a checkpoint; ignored outside `collected_seconds`."""
    if (collected := _COLLECTED.get()) is not None:
        collected.append(seconds)
