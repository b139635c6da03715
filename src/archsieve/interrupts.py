"""Signals that wait for the end of a step."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def delayed_signals() -> Iterator[Callable[[], bool]]:
    """Give whether SIGTERM or SIGINT has come; it takes its effect at the end. Only the main thread can hear them."""
    came: list[int] = []

    def hear(number: int, _: object) -> None:
        came.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before: dict[signal.Signals, Any] = {number: signal.signal(number, hear) for number in _SIGNALS}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
