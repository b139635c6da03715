"""Progress bars on a terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from archsieve._reading import visible
from archsieve.cli.lines import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FEW_COLUMNS = 20  # of a bar


class _Counts(ProgressColumn):
    """Shows done/total items, or "running" if the total is unknown."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:.0f}/{task.total:.0f}" if task.total else "running")


class _Remaining(ProgressColumn):
    """Shows the estimated remaining time once it is known."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        if task.finished or task.time_remaining is None:
            return Text("")
        return Text(f"about {clock(task.time_remaining)} left")


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function of (label, done, total) that updates progress bars on standard error; they vanish at the end."""
    name = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
    columns = (name, BarColumn(_FEW_COLUMNS), _Counts(), TimeElapsedColumn(), _Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        shown: dict[str, TaskID] = {}

        def show(label: str, done: int, total: int) -> None:
            label = visible(label)
            if label not in shown:
                shown[label] = progress.add_task(label, total=total or None)
            progress.update(shown[label], completed=done, total=total or None)
            if total and done >= total:
                progress.remove_task(shown.pop(label))

        yield show
