"""Ctrl-C and SIGTERM at the command line: the program ends with one line and an exit code at any time.

Outside of `heard` (imports, the end of the program) nothing is to be saved, and the process ends at once: an exception
could come up anywhere in the code of others. Inside, signals are raised as exceptions.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""128 and the number of the signal, as shells have it."""


class TerminatedError(KeyboardInterrupt):
    """SIGTERM arrived; code that handles Ctrl-C handles this too."""


def end_at_once_on_signals() -> None:
    """Make Ctrl-C and SIGTERM end this process at once, with one line; ignored signals stay ignored."""
    for number in EXIT_CODES:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)


@contextmanager
def heard() -> Iterator[list[int]]:
    """Raise signals as exceptions in the context, after `end_at_once_on_signals`; yield the list of received signals.

    Code of others may swallow or replace an exception: the list says what came nevertheless.
    """
    came: list[int] = []

    def hear(number: int, _: object) -> None:
        came.append(number)
        raise TerminatedError if number == signal.SIGTERM else KeyboardInterrupt

    ours = [number for number in EXIT_CODES if signal.getsignal(number) is _end]
    shown = sys.unraisablehook
    if ours:
        sys.unraisablehook = lambda it: None if issubclass(it.exc_type, KeyboardInterrupt) else shown(it)
    for number in ours:
        signal.signal(number, hear)
    try:
        yield came
    finally:
        for number in ours:
            signal.signal(number, _end)
        sys.unraisablehook = shown


def exit_code(error: BaseException, came: list[int]) -> int:
    """Return the exit code after an interrupt, given by the first signal that arrived."""
    first: Any = came[0] if came else signal.SIGTERM if isinstance(error, TerminatedError) else signal.SIGINT
    return EXIT_CODES[first]


def _end(number: int, _: object) -> None:
    os.write(2, b"Interrupted.\n")
    os._exit(EXIT_CODES[signal.Signals(number)])
