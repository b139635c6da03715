"""A user's file of scores: its numeric columns, and the column that names the rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.benchmarks.column_files import LARGEST_COLUMNS, TEXT, read_columns, read_text_columns
from archsieve.benchmarks.file_kinds import other_kind
from archsieve.benchmarks.files import fault, shown
from archsieve.errors import MissingDataError, UnknownNameError
from archsieve.judging.number_text import read_numbers
from archsieve.registry import near_miss
from archsieve.values import path_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CODES = ("architecture", "architectures", "arch", "archs", "genotype", "code", "codes", "network")
"""Titles of columns of architectures; the first of them in a file tells which rows are repeated."""
_LABELS = ("model", "name", "id")  # these too, unless all rows have the same value
_INDEX = re.compile(r"|index|unnamed: \d+(\.\d+)?|level_\d+|__index_level_\d+__")
_WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of a file by title, and the position of each row for messages."""

    path: Path
    values: dict[str, list[Any]]
    places: tuple[str, ...]

    @property
    def titles(self) -> list[str]:
        """Titles of the columns, without pandas' row index."""
        return [title for title in self.values if not is_index(title)]


@dataclass(frozen=True, eq=False)
class Scores:
    """The numeric columns of a file, one value per row, and sentences on omitted columns and rows."""

    numbers: dict[str, NDArray[np.float64]]
    notes: tuple[str, ...]


def is_index(title: str) -> bool:
    """Whether a title is that of pandas' row index.

    >>> is_index("Unnamed: 0"), is_index(""), is_index("accuracy")
    (True, True, False)
    """
    return _INDEX.fullmatch(title.strip().lower()) is not None


def read_scores(path: Path, wanted: Collection[str] = ()) -> Scores:
    """Return the numeric columns of a CSV, TSV or parquet file.

    Columns of text, those that name the rows, and the index that pandas writes are left out, unless they are `wanted`.
    A row that repeats another one, its name included, is left out.

    Raises:
        MissingDataError: there is no such file.
        UnknownNameError: it has no column that is wanted.
        DataError: the file cannot be read, a column holds numbers and text, one that is wanted no numbers, a number
            can be read in two ways, or two rows of one name contradict each other.
    """
    table = read_table(path)
    for title in wanted:
        if title not in table.values:
            raise UnknownNameError(f"The file {path} has no column {title!r}.{near_miss(title, table.values)}")
    kept = [title for title in table.values if title in wanted or not (is_index(title) or _is_name(title))]
    numbers = read_numbers(path, {title: table.values[title] for title in kept}, table.places)
    if lacking := [title for title in wanted if title not in numbers]:
        raise fault(path, f"holds no numbers in its column {lacking[0]!r}")
    named = _naming(table)
    notes = _left_out(table.values, numbers)
    if named is not None and named not in numbers:
        rows = _distinct_rows(table, named, numbers)
        if twice := len(table.places) - len(rows):
            notes += (f"Rows that repeat another one are counted once: {twice} left out.",)
        numbers = {title: column[rows] for title, column in numbers.items()}
    return Scores(numbers, notes)


def _is_name(title: str) -> bool:
    return title.strip().lower() in (*CODES, *_LABELS)


def _naming(table: Columns) -> str | None:
    """Return the title of the column that identifies repeated rows; None if there is none."""
    titles = {title.strip().lower(): title for title in table.values}
    codes = [titles[name] for name in CODES if name in titles]
    labels = [titles[name] for name in _LABELS if name in titles]
    return next(iter(codes + [title for title in labels if len(set(map(str, table.values[title]))) > 1]), None)


def _left_out(values: Mapping[str, Sequence[Any]], numbers: Mapping[str, Any]) -> tuple[str, ...]:
    """Return sentences on columns that are not judged; empty if all are."""

    def why(title: str) -> str:
        return "an index" if is_index(title) else "names the rows" if _is_name(title) else "text"

    out = [f"{title!r} ({why(title)})" for title in values if title not in numbers]
    return (f"Columns that are not judged: {', '.join(out)}.",) if out else ()


def _distinct_rows(table: Columns, named: str, numbers: Mapping[str, NDArray[np.float64]]) -> list[int]:
    """Return one row per name; rows without a name are kept.

    Raises:
        DataError: rows of one name differ.
    """
    first: dict[str, int] = {}
    kept = []
    for row, value in enumerate(table.values[named]):
        name = "" if value is None else str(value).strip()
        before = first.setdefault(name, row) if name else row
        if before == row:
            kept.append(row)
            continue
        for title, column in numbers.items():
            if not np.array_equal(column[before], column[row], equal_nan=True):
                raise fault(
                    table.path,
                    f"holds {shown(name)} in {table.places[before]} and in {table.places[row]} with different values "
                    f"in column {title!r} ({column[before]:g} and {column[row]:g}): keep one of them, or their mean",
                )
    return kept


def read_table(path: Path) -> Columns:
    """Return the columns of a parquet file, or of a CSV or TSV file as text, with any usual separator.

    Raises:
        MissingDataError: there is no such file.
        DataError: it is no such file, names a column twice, or what separates its fields cannot be told.
    """
    if not path_in(str(path)).is_file():
        raise MissingDataError(f"There is no file {str(path)!r}.")
    is_saved = other_kind(path, LARGEST_COLUMNS).startswith("is a file of torch.save")
    if path.suffix.lower() in _WORKBOOKS or (_begins_with(path, b"PK\x03\x04") and not is_saved):
        raise fault(
            path, "is a workbook: save its sheet as CSV (in Excel: File, Save As, CSV UTF-8) and name that file"
        )
    if path.suffix.lower() not in TEXT:
        columns = read_columns(path)
        count = len(next(iter(columns.values()), ()))
        return Columns(path, columns, tuple(f"row {row}" for row in range(1, count + 1)))
    values, places = read_text_columns(path)
    return Columns(path, values, places)


def _begins_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(magic)) == magic
    except OSError as error:
        raise fault(path, f"cannot be read: {error.strerror}") from error
