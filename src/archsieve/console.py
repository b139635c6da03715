"""What the command line prints: results on standard output, progress on standard error."""

from __future__ import annotations

import json
import math
import time
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_PLAIN_EVERY = 5.0  # seconds between two lines of one label where there is no terminal


def out(text: str = "") -> None:
    """Print a line of results."""
    print(text)  # noqa: T201


def note(text: str) -> None:
    """Print a line that is no result."""
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(text)


def out_json(value: Any) -> None:
    """Print JSON; what is not a number in JSON (NaN, infinities) becomes null or text."""
    out(json.dumps(_plain(value), indent=2))


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows below a header in aligned columns; numbers to the right."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    numeric = [bool(rows) and all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(header))]
    for row in cells:
        aligned = (c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True))
        out("  ".join(aligned).rstrip())


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function of (label, done, total) that shows progress: bars on a terminal, else plain lines."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_progress(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
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


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
