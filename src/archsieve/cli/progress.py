"""Progress of a command: bars on a terminal, else plain lines at intervals."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from archsieve._reading import visible
from archsieve.cli.lines import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PLAIN_EVERY = 5.0  # seconds between two lines of one label where there is no terminal


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function of (label, done, total) that shows progress: bars on a terminal, else plain lines."""
    if not _is_terminal():
        yield _plain_progress()
        return
    from archsieve.cli.bars import bars  # a slow import, for terminals only

    with bars() as show:
        yield show


def _is_terminal() -> bool:
    """Whether standard error is a terminal, or the user asked to treat it as one."""
    return sys.stderr.isatty() or bool(os.environ.get("FORCE_COLOR")) or os.environ.get("TTY_COMPATIBLE") == "1"


def _plain_progress() -> Callable[[str, int, int], None]:
    last: dict[str, float] = {}
    begun: dict[str, tuple[float, int]] = {}

    def show(label: str, done: int, total: int) -> None:
        now = time.monotonic()
        start, before = begun.setdefault(label, (now, done))
        if done < before or before == 0:  # the same work on other networks; or the first one, which includes the start
            start, before = begun[label] = now, done
        if total == 0 or now - last.setdefault(label, now) >= _PLAIN_EVERY:
            last[label] = now
            left = ""
            if before < done < total:
                left = f", about {clock((now - start) * (total - done) / (done - before))} left"
            typer.echo(visible(f"{label}: {done}/{total}{left}" if total else label), err=True)

    return show
