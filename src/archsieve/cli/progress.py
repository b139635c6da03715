"""Progress of a command: bars on a terminal, else a plain line now and then."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PLAIN_EVERY = 5.0  # seconds between two lines of one label where there is no terminal
_FEW_COLUMNS = 20  # of a bar


class _Counts(ProgressColumn):
    """Shows how many items are done, and of how many; "running" if the total is unknown."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:.0f}/{task.total:.0f}" if task.total else "running")


class _Remaining(ProgressColumn):
    """Shows about how long it will take, once that is known."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        if task.finished or task.time_remaining is None:
            return Text("")
        minutes, seconds = divmod(round(task.time_remaining), 60)
        return Text(f"about {minutes}:{seconds:02} left")


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function of (label, done, total) that shows progress: bars on a terminal, else plain lines."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_progress(console)
        return
    name = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
    columns = (name, BarColumn(_FEW_COLUMNS), _Counts(), TimeElapsedColumn(), _Remaining())
    with Progress(*columns, console=console, transient=True) as bars:
        shown: dict[str, TaskID] = {}

        def show(label: str, done: int, total: int) -> None:
            if label not in shown:
                shown[label] = bars.add_task(label, total=total or None)
            bars.update(shown[label], completed=done, total=total or None)
            if total and done >= total:
                bars.remove_task(shown.pop(label))

        yield show


def _plain_progress(console: Console) -> Callable[[str, int, int], None]:
    last: dict[str, float] = {}

    def show(label: str, done: int, total: int) -> None:
        now = time.monotonic()
        if total == 0 or now - last.setdefault(label, now) >= _PLAIN_EVERY:
            last[label] = now
            line = f"{label}: {done}/{total}" if total else label
            console.print(line, soft_wrap=True, highlight=False, markup=False)

    return show
