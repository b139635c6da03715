"""Parsing of numbers as people and spreadsheets write them: decimal commas, thousands separators, percent signs.

What can be read in one way only is read. What can be read in two, such as "1,234", is decided by the other numbers of
its column, then of its file; where they do not tell, it is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.benchmarks.files import fault, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NO_NUMBER = re.compile(r"[+-]?(nan|inf|infinity)|", re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?\d{1,3}([ \u00a0\u202f'\u2019]\d{3})+([.,]\d+)?", re.ASCII)
_GROUPS = re.compile(r"[ \u00a0\u202f'\u2019]")
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)  # a thousand and more, or a fraction
_BY_POINT = re.compile(r"[+-]?\d{1,3}((,\d{3})+\.\d+|(,\d{3}){2,})", re.ASCII)  # 1,234.5 and 1,234,567
_BY_COMMA = re.compile(r"[+-]?(\d{1,3}((\.\d{3})+,\d+|(\.\d{3}){2,})|\d*,\d+([eE][+-]?\d+)?)", re.ASCII)  # and 93,5


@dataclass(frozen=True)
class _Number:
    """A parsed number text without percent sign; `mark` is its decimal mark, None if ambiguous."""

    text: str
    mark: str | None
    is_percent: bool

    @property
    def is_either(self) -> bool:
        """Whether its separator may be a decimal mark or a thousands separator."""
        return self.mark is None and _EITHER.fullmatch(self.text) is not None

    def value(self, mark: str | None) -> float:
        """Return the number, with `mark` as the decimal mark (default: a point)."""
        if mark == ",":
            return float(self.text.replace(".", "").replace(",", "."))
        return float(self.text.replace(",", ""))


def _number(text: str) -> _Number | None:
    """Return the parsed number; None if the text is not a number."""
    is_percent = text.endswith("%")
    body = text.removesuffix("%").rstrip() if is_percent else text
    if _GROUPED.fullmatch(body):
        body = _GROUPS.sub("", body)
    if _EITHER.fullmatch(body):
        return _Number(body, None, is_percent)
    if _PLAIN.fullmatch(body):
        return _Number(body, "." if "." in body else None, is_percent)
    if _BY_POINT.fullmatch(body):
        return _Number(body, ".", is_percent)
    return _Number(body, ",", is_percent) if _BY_COMMA.fullmatch(body) else None


def read_numbers(
    path: Path, columns: Mapping[str, Sequence[Any]], places: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Return the numeric columns, with NaN for empty fields. Percent signs must be in all rows or in none.

    Args:
        path: the file, for messages.
        columns: by title, numbers or text.
        places: where each row is, for messages.

    Raises:
        DataError: a column holds numbers and text, or a number can be read in two ways.
    """
    parsed = {title: _parsed(path, title, values, places) for title, values in columns.items()}
    marks = {n.mark for column in parsed.values() if column for n in column if isinstance(n, _Number) and n.mark}
    of_file = next(iter(marks)) if len(marks) == 1 else None
    return {
        title: _values(path, title, column, places, of_file) for title, column in parsed.items() if column is not None
    }


def _parsed(path: Path, title: str, values: Sequence[Any], places: Sequence[str]) -> list[_Number | float] | None:
    """Return the numbers of a column; None for a text column."""
    numbers: list[_Number | float] = []
    wrong = []
    for row, value in enumerate(values):
        number = _read(value)
        if number is None:
            wrong.append(row)
        numbers.append(np.nan if number is None else number)
    if wrong and any(isinstance(n, _Number) or np.isfinite(n) for n in numbers):
        row = wrong[0]
        raise fault(path, f"holds {shown(values[row])} in {places[row]}, column {title!r}, among numbers")
    return None if wrong else numbers


def _read(value: Any) -> _Number | float | None:
    if value is None:
        return float("nan")
    if not isinstance(value, str):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            return None
    text = value.strip()
    return float(text or "nan") if _NO_NUMBER.fullmatch(text) else _number(text)


def _values(
    path: Path, title: str, column: Sequence[_Number | float], places: Sequence[str], of_file: str | None
) -> NDArray[np.float64]:
    written = [(row, n) for row, n in enumerate(column) if isinstance(n, _Number)]
    _alike(
        path, title, places, ((row, n.is_percent, n) for row, n in written), "a percent sign in all rows, or in none"
    )
    marked = ((row, n.mark, n) for row, n in written if n.mark)
    _alike(path, title, places, marked, "one decimal mark, a point or a comma")
    own = next((n.mark for _, n in written if n.mark), None)
    values = np.array([np.nan if isinstance(n, _Number) else n for n in column], dtype=float)
    for row, n in written:
        if n.is_either and own is None and ("," in n.text if of_file is None else of_file == "," and "." in n.text):
            raise fault(
                path,
                f"holds {n.text!r} in {places[row]}, column {title!r}, whose separator may be one of thousands or a "
                f"decimal mark: write the column without separators of thousands, and with decimal points",
            )
        values[row] = n.value(own or of_file)
    return values


def _alike(
    path: Path, title: str, places: Sequence[str], entries: Iterable[tuple[int, Any, _Number]], rule: str
) -> None:
    """Check that all numbers of a column share a property."""
    first: tuple[int, Any, _Number] | None = None
    for row, kind, number in entries:
        if first is None:
            first = row, kind, number
        elif kind != first[1]:
            earlier, later = (f"{n.text}{'%' if n.is_percent else ''}" for n in (first[2], number))
            raise fault(
                path,
                f"holds {earlier!r} in {places[first[0]]} and {later!r} in {places[row]} of column {title!r}, "
                f"which needs {rule}",
            )
