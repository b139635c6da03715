"""Columns of CSV and parquet files as arrays; errors name the column and row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import DataError, require
from archsieve.tasks.data.array_files import check_file, check_size
from archsieve.tasks.data.targets import missing
from archsieve.values import number_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MOST_CSV = 256 << 20
"""Bytes of a CSV file: its numbers may take four times as much."""


@dataclass(frozen=True, eq=False)
class Columns:
    """A table whose columns are converted to arrays on request.

    Attributes:
        table: of pyarrow, the columns that were read.
        path: of the file.
        names: of all columns of the file.
    """

    table: Any = field(repr=False)
    path: Path
    names: tuple[str, ...] = field(repr=False)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a numeric column, shape (n,), or (n, ...) if each cell is a list of equal length.

        Raises:
            DataError: there is no such column, or a cell is empty, no finite number, or a list of another length.
        """
        return self._numbers(self._whole(name), name)

    def values(self, name: str) -> NDArray[Any]:
        """Return a column as numbers or text, without missing values.

        Raises:
            DataError: there is no such column, or a cell is empty.
        """
        import pyarrow as arrow

        column = self._whole(name)
        kind = column.type
        if _is_text(kind) or arrow.types.is_dictionary(kind):
            texts = [str(value) for value in column.to_pylist()]
            if "" in texts:
                raise DataError(f"{self._cell(name, texts.index(''))} is empty.")
            return np.array(texts)
        if arrow.types.is_boolean(kind) or arrow.types.is_integer(kind):
            return np.asarray(column.to_numpy())
        return self._numbers(column, name)

    def _whole(self, name: str) -> Any:
        """Return a column after checking that it has no empty cells."""
        if name not in self.table.column_names:
            raise missing(name, self.names, str(self.path))
        column = self.table[name]
        if column.null_count:
            row = int(np.flatnonzero(np.asarray(column.is_null()))[0])
            raise DataError(
                f"{self._cell(name, row)} is empty or no number (NaN), one of {column.null_count:,}: fill such cells, "
                f"or leave their rows out."
            )
        return column

    def _numbers(self, column: Any, name: str) -> NDArray[np.float64]:
        import pyarrow as arrow

        kind = column.type
        if arrow.types.is_list(kind) or arrow.types.is_large_list(kind) or arrow.types.is_fixed_size_list(kind):
            return self._lists(column, name)
        if _is_text(kind) or arrow.types.is_dictionary(kind):
            return self._parsed(column.to_pylist(), name)
        if not (arrow.types.is_primitive(kind) or arrow.types.is_decimal(kind)) or arrow.types.is_temporal(kind):
            raise DataError(f"The column {name!r} of {self.path} must be numbers, but is of the type {kind}.")
        numbers = np.asarray(column.to_numpy(), dtype=np.float64)
        self._check_finite(numbers, name)
        return numbers

    def _lists(self, column: Any, name: str) -> NDArray[np.float64]:
        lengths = np.asarray([len(cell) for cell in column])
        if len(np.unique(lengths)) > 1:
            row = int(np.flatnonzero(lengths != lengths[0])[0])
            raise DataError(
                f"The lists in the column {name!r} of {self.path} must have one length: that of data row 1 has "
                f"{lengths[0]} values, that of data row {row + 1} has {lengths[row]}."
            )
        inner = column.combine_chunks().flatten()
        if inner.null_count:
            row = int(np.flatnonzero(np.asarray(inner.is_null()))[0]) // max(1, int(lengths[0]))
            raise DataError(f"A value in the list of {self._cell(name, row)} is empty.")
        values = self._numbers(inner, name)
        return values.reshape(len(lengths), -1, *values.shape[1:])

    def _parsed(self, texts: Sequence[Any], name: str) -> NDArray[np.float64]:
        numbers = np.empty(len(texts))
        for row, text in enumerate(texts):
            try:
                numbers[row] = number_in(text)
            except ValueError:
                raise DataError(
                    f"{self._cell(name, row)} is {text!r}, which is not a number: leave the column out (ignore = "
                    f"[{name!r}]), or write numbers."
                ) from None
        self._check_finite(numbers, name)
        return numbers

    def _check_finite(self, numbers: NDArray[np.float64], name: str) -> None:
        wrong = ~(np.abs(numbers) <= np.finfo(np.float32).max)
        if wrong.any():
            row = int(np.argwhere(wrong)[0, 0])
            raise DataError(
                f"{self._cell(name, row)} is {numbers[wrong][0]:g}, one of {int(wrong.sum()):,} that are no finite "
                f"number in single precision: fill such cells, or leave their rows out."
            )

    def _cell(self, name: str, row: int) -> str:
        return f"The cell in column {name!r} and data row {row + 1} of {self.path}"


def read_columns(path: Path, wanted: Sequence[str] | None = None) -> Columns:
    """Return the columns of a .csv, .tsv or .parquet file.

    Args:
        path: of the file.
        wanted: columns to read; None: all. One that is not there is reported when it is asked for.

    Raises:
        MissingDataError: there is no such file.
        DataError: it is empty, too large, ragged, or no such file; a column has no name of its own.
        MissingPackageError: pyarrow is not installed.
    """
    require("pyarrow", "data")
    suffix = _suffix(path)
    if suffix == ".parquet":
        table = _parquet(path, wanted)
    else:
        from pyarrow import csv

        table = _csv(path, csv.read_csv)
    names = column_names(path) if suffix == ".parquet" else [str(name) for name in table.column_names]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"Several columns of {path} have the name {twice!r}: give each column its own name.")
    if not table.num_rows:
        raise DataError(f"The file {path} has a header and no rows.")
    if wanted is not None:
        table = table.select([name for name in names if name in set(wanted)])
    return Columns(table, path, tuple(names))


def _suffix(path: Path) -> str:
    check_file(path)
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".tsv", ".parquet"):
        raise DataError(f"{path} must be a .csv, .tsv or .parquet file; arrays of an .npz file are the task 'arrays'.")
    return suffix


def column_names(path: Path) -> list[str]:
    """Return the names of the columns of a parquet file, or of the first line of a CSV file."""
    require("pyarrow", "data")
    if _suffix(path) == ".parquet":
        return [str(name) for name in _opened(path).schema_arrow.names]
    from pyarrow import csv

    return [str(name) for name in _csv(path, csv.open_csv).schema.names]  # of which only the beginning is read


def _csv(path: Path, read: Any) -> Any:
    """Return the result of a pyarrow function on a CSV file."""
    import pyarrow as arrow
    from pyarrow import csv

    if path.stat().st_size > MOST_CSV:
        raise DataError(
            f"{path} has {path.stat().st_size / 1e6:.0f} MB, and at most {MOST_CSV / 1e6:.0f} MB of CSV are read: "
            f"write a parquet or .npz file."
        )
    with path.open("rb") as stream:
        first = stream.readline(1 << 20)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ";" if b"," not in first and b";" in first else ","
    try:
        first.decode("utf-8")
        table = read(path, parse_options=csv.ParseOptions(delimiter=delimiter))
    except UnicodeDecodeError as error:
        raise DataError(_not_utf_8(path)) from error
    except (arrow.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        hint = " Each row needs as many values as there are names in the first." if "Expected" in reason else ""
        raise DataError(f"{path} cannot be read as a table: {reason}.{hint}") from error
    if any(arrow.types.is_binary(kind) for kind in table.schema.types):  # which pyarrow makes of other encodings
        raise DataError(_not_utf_8(path))
    return table


def _not_utf_8(path: Path) -> str:
    return f"{path} has letters that are not written as UTF-8: save it as UTF-8."


def _opened(path: Path) -> Any:
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a complete parquet file: {str(error).partition(chr(10))[0]}") from error


def _parquet(path: Path, wanted: Sequence[str] | None) -> Any:
    import pyarrow as arrow

    file = _opened(path)
    names = [name for name in file.schema_arrow.names if wanted is None or name in set(wanted)]
    try:
        check_size(_bytes_of(file, set(names)), str(path))
        return file.read(columns=names)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path} is damaged: {str(error).partition(chr(10))[0]}") from error


def _bytes_of(file: Any, names: set[str]) -> int:
    """Return the memory in bytes that columns need: eight bytes per number, and text as stored."""
    total = 0
    for group in range(file.metadata.num_row_groups):
        chunks = file.metadata.row_group(group)
        for place in range(chunks.num_columns):
            chunk = chunks.column(place)
            words = chunk.path_in_schema.split(".")  # a list's values are a part of their column
            if any(".".join(words[:end]) in names for end in range(1, len(words) + 1)):
                total += max(8 * chunk.num_values, chunk.total_uncompressed_size)
    return total


def _is_text(kind: Any) -> bool:
    import pyarrow as arrow

    return bool(arrow.types.is_string(kind) or arrow.types.is_large_string(kind))
