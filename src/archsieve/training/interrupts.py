"""Signals whose effect is delayed to the end of a training step."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_TOGETHER = 1.0  # seconds: a terminal, and what started the process, may both send the same Ctrl-C


@contextmanager
def delayed_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether SIGTERM or SIGINT arrived. A second Ctrl-C takes effect at once.

    Only the main thread can hear them.
    """
    came: dict[int, float] = {}

    def hear(number: int, _: object) -> None:
        now = time.monotonic()
        if number == signal.SIGINT and now - came.setdefault(number, now) > _TOGETHER:
            signal.signal(number, before[signal.Signals(number)])
            signal.raise_signal(number)
        came.setdefault(number, now)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        signal.signal(number, hear)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(next(iter(came)))
