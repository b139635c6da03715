"""Reading of files with columns, as parquet or as text: delimiters, quotes, and what is said about a damaged file."""

from __future__ import annotations

import csv
import errno
import re
from typing import TYPE_CHECKING, Any

from archsieve._reading import check_file, quoted, read_bytes
from archsieve._trial import try_first
from archsieve.benchmarks.file_kinds import PARQUET, other_kind
from archsieve.benchmarks.files import fault
from archsieve.errors import DataError, require
from archsieve.notices import notice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TEXT = (".csv", ".tsv", ".txt")
"""How the names of text files with columns end."""
LARGEST_TEXT = 256 << 20
"""Bytes of a text file with columns; all of NAS-Bench-101 has about 112 million."""
LARGEST_COLUMNS = 512 << 20
"""Bytes of a parquet file."""
MOST_FIELDS = 20_000_000
"""Rows times columns of a parquet file."""
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_columns(path: Path, *, is_known: bool = False) -> dict[str, list[Any]]:
    """Return the columns of a parquet file or a text file (.csv, .tsv, .txt); text files give strings.

    Args:
        path: the file.
        is_known: its bytes are those that somebody has vouched for; else parquet is tried in a process of its own.

    Raises:
        DataError: the file is damaged, or names a column twice.
        MissingPackageError: it is parquet and pyarrow is not installed.
    """
    if path.suffix.lower() in TEXT:
        return dict(read_text_columns(path)[0])
    if problem := other_kind(path, LARGEST_COLUMNS):
        raise fault(path, problem)
    if path.suffix.lower() != ".parquet":
        _check_parquet(path)
    require("pyarrow", "data")
    if not is_known:
        try_first([path], f"{__name__}:_read_parquet")
    return _read_parquet(path)


def _check_parquet(path: Path) -> None:
    """Check that a file of another name begins as a parquet file does.

    Raises:
        DataError: it does not.
    """
    try:
        check_file(path, LARGEST_COLUMNS)
        with path.open("rb") as stream:
            first = stream.read(len(PARQUET))
    except OSError as error:
        raise fault(path, f"cannot be read: {error.strerror}") from error
    if first != PARQUET:
        raise fault(
            path, f"is no parquet file: a file with columns as text must have a name that ends in {', '.join(TEXT)}"
        )


def _read_parquet(path: Path) -> dict[str, list[Any]]:
    from pyarrow import ArrowException, parquet

    try:
        check_file(path, LARGEST_COLUMNS)
        with parquet.ParquetFile(path) as file:
            count = file.metadata.num_rows * file.metadata.num_columns
            if not 0 <= count <= MOST_FIELDS:
                raise fault(path, f"has {count:,} fields, and at most {MOST_FIELDS:,} are read")
            table = file.read()
    except DataError:
        raise
    except (OSError, ValueError, ArrowException) as error:
        reason = quoted(str(error).partition("\n")[0].rstrip("."))
        raise fault(path, f"is damaged, or is not parquet: {reason}") from error
    if len(set(table.column_names)) < len(table.column_names):
        raise fault(path, "names a column twice")
    columns: dict[str, list[Any]] = table.to_pydict()
    return columns


def read_text_columns(path: Path) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """Return the columns of a text file by title, and the position of each row ("line 7") for messages.

    Fields are cut by commas, semicolons or tabs, whichever cuts every row into as many as the header. Empty lines, and
    columns without a title whose fields are all empty, are left out.

    Raises:
        DataError: the file is damaged, names a column twice, or has a row of another length than its header.
    """
    lines = _decoded(path).splitlines(keepends=True)
    if lines and not lines[-1].endswith(("\n", "\r")):
        notice(f"The file {path} has no line break at its end, as if it was cut: check its last row.")
    separator_line = re.fullmatch(r'"?sep=(.)"?', lines[0].rstrip("\r\n")) if lines else None  # Excel's own line
    skipped = 1 if separator_line else 0
    rows = _split(path, lines[skipped:], separator_line[1] if separator_line else None)
    header = rows[0][1] if rows else []
    for line, row in rows[1:]:
        if len(row) != len(header):
            hint = ""
            if len(row) > len(header):
                hint = " (a decimal comma needs semicolons between the fields, or quotes)"
            raise fault(path, f"has {len(row)} fields in line {line + skipped}, but its header has {len(header)}{hint}")
    values = [(title, [row[i] for _, row in rows[1:]]) for i, title in enumerate(header)]
    values = [(title, column) for title, column in values if title.strip() or any(map(str.strip, column))]
    if len({title for title, _ in values}) < len(values):
        raise fault(path, "names a column twice")
    return dict(values), tuple(f"line {line + skipped}" for line, _ in rows[1:])


def _decoded(path: Path) -> str:
    if problem := other_kind(path, LARGEST_TEXT):
        raise fault(path, problem)
    try:
        content = read_bytes(path, LARGEST_TEXT)
        is_wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        return content.decode("utf-16" if is_wide else "utf-8-sig")
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise fault(
                path, f"is too large: {error.strerror}. Write it as parquet, or as a part of its rows"
            ) from error
        raise fault(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise fault(path, f"is damaged, or is not CSV: {error}. Save it as CSV in UTF-8") from error


def _split(path: Path, lines: Sequence[str], separator: str | None) -> list[tuple[int, list[str]]]:
    """Return the non-empty rows, each with the number of its last line.

    The separator is the one that cuts every row into as many fields as the header, and more than one.
    """
    ways: dict[str, list[tuple[int, list[str]]]] = {}
    wrong: csv.Error | None = None
    for delimiter in [separator] if separator else _DELIMITERS:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            ways[delimiter] = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
        except csv.Error as error:
            wrong = wrong or error
    widths = {delimiter: {len(row) for _, row in rows} for delimiter, rows in ways.items()}
    fitting = [delimiter for delimiter, lengths in widths.items() if len(lengths) == 1 and lengths != {1}]
    if len(fitting) > 1:
        names = " or ".join(_DELIMITERS[delimiter] for delimiter in fitting)
        raise fault(path, f"may have {names} between its fields: both cut every line alike. Save it with only one")
    if fitting:
        return ways[fitting[0]]
    if wrong is not None:
        raise fault(path, f"is damaged, or is not CSV: {wrong}") from wrong
    return max(ways.values(), key=lambda rows: len(rows[0][1]) if rows else 0)
