"""Tables that fit the terminal: text wraps within its column; a table that still does not fit is printed as blocks."""

from __future__ import annotations

import math
import os
import re
import shutil
import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING

from archsieve._reading import visible
from archsieve.cli.lines import record, results

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = 80
"""The least width that a terminal is taken to have."""
_UNLIMITED = 100_000
_GAP = "  "
_LARGE = 1e6  # from here on, six digits cut a whole number
_EXACT = 2.0**53  # up to here, floats hold every whole number exactly


def table(header: Sequence[str], rows: Sequence[Sequence[object]], width: int | None = None) -> None:
    """Print rows below a header in aligned columns; numbers are right-aligned, and large counts are printed in full.

    Args:
        header: the title of each column.
        rows: the cells of each row.
        width: columns of text there are; None: those of the terminal, no limit where there is none.
    """
    grouped = [any(_is_large_count(row[i]) for row in rows) for i in range(len(header))]
    titles = [_one_line(title) for title in header]
    cells = [[_cell(value, g) for value, g in zip(row, grouped, strict=True)] for row in rows]
    numeric = [bool(rows) and all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(header))]
    room = terminal_columns() if width is None else width
    widths = _fitted(titles, cells, numeric, room)
    if widths is None:
        _print_blocks(titles, cells, room)
        return
    for row in [list(map(_title, titles, widths)), *(list(map(_wrapped, row, widths)) for row in cells)]:
        for line in zip_longest(*row, fillvalue=""):
            aligned = (c.rjust(w) if n else c.ljust(w) for c, w, n in zip(line, widths, numeric, strict=True))
            record(_GAP.join(aligned).rstrip())


def terminal_columns() -> int:
    """Return the maximum width of a table: that of the terminal, at least 80; unlimited in a pipe.

    Other programs read what goes into a pipe, a row a line. Who sets COLUMNS wants that number there too.
    """
    if results().isatty():
        return max(COLUMNS, shutil.get_terminal_size((COLUMNS, 24)).columns)
    told = os.environ.get("COLUMNS", "")
    return max(COLUMNS, int(told)) if told.isascii() and told.isdigit() else _UNLIMITED


def _fitted(
    titles: Sequence[str], cells: Sequence[Sequence[str]], numeric: Sequence[bool], room: int
) -> list[int] | None:
    """Return the width of each column; None if no wrapping between words makes the table fit."""
    widths, least = [], []
    for i, title in enumerate(titles):
        column = [row[i] for row in cells]
        longest_word = max(map(len, _words(title)), default=0)
        words = max((len(word) for text in column for word in text.split(" ")), default=0)
        widths.append(max(len(title), *map(len, column), 0))
        least.append(max(longest_word, *map(len, column), 0) if numeric[i] else max(longest_word, words))
    room -= len(_GAP) * (len(titles) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        slack = [width - low for width, low in zip(widths, least, strict=True)]
        candidates = [i for i, spare in enumerate(slack) if spare]
        widths[max(candidates, key=lambda i: widths[i])] -= 1
    return widths


def _words(title: str) -> list[str]:
    """Return the unbreakable parts of a title, which may break at spaces and after underscores."""
    return re.findall(r"[^_ ]+_*|_+", title)


def _title(text: str, width: int) -> list[str]:
    """Return a title broken into lines."""
    lines = [""]
    for part in re.findall(r" |[^_ ]+_*|_+", text):
        if len(lines[-1] + part) > width and lines[-1]:
            lines.append("")
        lines[-1] += part if lines[-1] or part != " " else ""
    return [line.rstrip() for line in lines]


def _wrapped(text: str, width: int) -> list[str]:
    if len(text) <= width:
        return [text]
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _print_blocks(titles: Sequence[str], cells: Sequence[Sequence[str]], room: int) -> None:
    """Print each row as its first cell, with the other columns below it in lines that fit."""
    for row in cells:
        record(f"{titles[0]}: {row[0]}")
        pairs = [f"{title}: {cell}" for title, cell in zip(titles[1:], row[1:], strict=True)]
        line = ""
        for pair in pairs:
            longer = f"{line}, {pair}" if line else f"    {pair}"
            if line and len(longer) + len(",") > room:
                record(f"{line},")
                longer = f"    {pair}"
            line = longer
        if line:
            record(line)
    if not cells:
        record(_GAP.join(titles))


def _cell(value: object, grouped: bool) -> str:
    if value is None:
        return "-"
    if grouped and isinstance(value, int | float) and math.isfinite(value) and value == int(value):
        return f"{value:,.0f}"
    return f"{value:.6g}" if isinstance(value, float) else _one_line(str(value))


def _one_line(text: str) -> str:
    """Return a cell text as one line."""
    return visible(text).replace("\n", "\\n").replace("\t", " ")


def _is_large_count(value: object) -> bool:
    """Whether a value is a whole number with more than six digits."""
    if isinstance(value, int):
        return abs(value) >= _LARGE
    return isinstance(value, float) and value.is_integer() and _LARGE <= abs(value) < _EXACT
