"""Reading of published files into tables: each fault of a file becomes one sentence that names the file."""

from __future__ import annotations

import csv
import errno
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve._reading import LARGEST_DATA, check_file, parse_json, quoted, read_bytes, read_text
from archsieve._trial import try_first
from archsieve.benchmarks.records import Table
from archsieve.errors import ArchitectureError, DataError, require
from archsieve.notices import notice
from archsieve.spaces.contract import enumerate_space, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture, SearchSpace

TEXT = (".csv", ".tsv", ".txt")
"""How the names of text files with columns end."""
LARGEST_TEXT = 256 << 20
"""Bytes of a text file with columns; all of NAS-Bench-101 has about 112 million."""
LARGEST_COLUMNS = 512 << 20
"""Bytes of a parquet file."""
MOST_FIELDS = 20_000_000
"""Rows times columns of a parquet file."""
_COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04")
_UNPACK = "is compressed, or a workbook of a spreadsheet: unpack it, or save it as CSV"
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_ACCURACY = re.compile(r"(?<![a-z])(acc|accuracy|accuracies|top[-_]?1)(?![a-z0-9])")
NASLIB_NO_SCORE = -1e8
"""What NASLib's tables hold where a proxy gave NaN (https://github.com/automl/NASLib)."""


def fault(path: Path, what: str) -> DataError:
    """Return the error for a faulty file; `what` completes the sentence "The file X ..."."""
    return DataError(f"The file {path} {what}.")


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        DataError: the file cannot be read, is no JSON object, or names a key twice.
    """
    content = _json_in(path)
    if not isinstance(content, dict):
        raise fault(path, f"holds a JSON {type(content).__name__} where an object is expected")
    return content


def read_json_list(path: Path) -> list[Any]:
    """Return the JSON list in a file; raises as `read_json`."""
    content = _json_in(path)
    if not isinstance(content, list):
        raise fault(path, f"holds a JSON {type(content).__name__} where a list is expected")
    return content


def _json_in(path: Path) -> Any:
    """Return the JSON content of a file; raises as `read_json`."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries = dict(pairs)
        if len(entries) < len(pairs):
            names = [name for name, _ in pairs]
            raise fault(path, f"holds the key {next(n for n in names if names.count(n) > 1)!r} twice")
        return entries

    try:
        return parse_json(read_text(path, LARGEST_DATA).removeprefix("\ufeff"), once)
    except OSError as error:
        raise fault(path, f"cannot be read: {error.strerror}") from error
    except DataError:
        raise
    except ValueError as error:
        raise fault(path, f"is damaged, or is not JSON: {quoted(error)}") from error


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
            first = stream.read(4)
    except OSError as error:
        raise fault(path, f"cannot be read: {error.strerror}") from error
    if first.startswith(_COMPRESSED):
        raise fault(path, _UNPACK)
    if first != b"PAR1":
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
    try:
        content = read_bytes(path, LARGEST_TEXT)
        if content.startswith(_COMPRESSED):
            raise fault(path, _UNPACK)
        is_wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        return content.decode("utf-16" if is_wide else "utf-8-sig")
    except DataError:
        raise
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.EFBIG:
            raise fault(
                path, f"is too large: {error.strerror}. Write it as parquet, or as a part of its rows"
            ) from error
        raise fault(path, f"is damaged, or is not CSV: {error}") from error


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


def is_accuracy(title: str) -> bool:
    """Whether a column with this title holds accuracies."""
    return _ACCURACY.search(title.lower()) is not None


def shown(value: object) -> str:
    """Return a value as short, escaped text for a message."""
    plain = value is None or isinstance(value, str | float | bool) or (isinstance(value, int) and abs(value) < 2**63)
    return f"{value!r:.40}" if plain else f"a value of type {type(value).__name__}"


def record(path: Path, value: object, where: str) -> dict[str, Any]:
    """Return a value after checking that it is a JSON object.

    Raises:
        DataError: it is something else.
    """
    if not isinstance(value, dict):
        raise fault(path, f"holds {shown(value)} for {where}, where an object is expected")
    return value


def number(path: Path, value: object, where: str) -> float:
    """Return a value after checking that it is a number.

    Raises:
        DataError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise fault(path, f"holds {shown(value)} for {where}, where a number is expected")
    try:
        return float(value)
    except OverflowError as error:
        raise fault(path, f"holds a number for {where} that is too large") from error


def code(path: Path, parse: Callable[[str], Architecture], text: object) -> Architecture:
    """Return the code that `parse` reads from a text in the file.

    Raises:
        DataError: it is no text, or no architecture.
    """
    if not isinstance(text, str):
        raise fault(path, f"holds {shown(text)} where the text of an architecture is expected")
    try:
        return parse(text)
    except ArchitectureError as error:
        raise fault(path, f"holds a wrong architecture: {str(error).rstrip('.')}") from error


def assemble(
    path: Path,
    space: SearchSpace,
    archs: Iterable[Architecture],
    columns: Mapping[str, NDArray[np.float64]],
    *,
    truth: str,
    complete: bool = True,
) -> Table:
    """Return the table of a file after the checks common to all benchmarks.

    Args:
        path: the file, for the messages.
        space: what the codes belong to.
        archs: one code a row.
        columns: one value a row each.
        truth: the column that must hold an accuracy in percent in every row.
        complete: whether the file must hold every code of the space.

    Raises:
        DataError: a code twice, the wrong number of codes, or a truth that is no accuracy in percent.
    """
    rows = tuple(archs)
    check_different(path, space, rows)
    if complete and len(rows) != size(space):
        here = set(rows)
        missing = space.describe(next(arch for arch in enumerate_space(space) if arch not in here))
        raise fault(
            path,
            f"holds {len(rows):,} architectures, but {space.name} has {size(space):,}; one that is missing: "
            f"{missing!r}. To search in a part of the space, name the file with `archsieve search --benchmark`",
        )
    if not rows:
        raise fault(path, "holds no architecture")
    values = columns[truth]
    for row in np.flatnonzero(~((values >= 0) & (values <= 100))):
        what = f"holds {values[row]} as {truth} of {space.describe(rows[row])!r}"
        raise fault(path, f"{what}, where an accuracy in percent (0 to 100) is expected")
    check_no_fractions(path, truth, values)
    return Table(rows, columns)


def check_different(path: Path, space: SearchSpace, archs: Sequence[Architecture]) -> None:
    """Check that a file holds no architecture twice.

    Raises:
        DataError: it does.
    """
    rows: dict[Architecture, int] = {}
    for row, arch in enumerate(archs, 1):
        if (first := rows.setdefault(arch, row)) != row:
            raise fault(
                path,
                f"holds the architecture {space.describe(arch)!r} twice, in rows {first} and {row}: write one row a "
                f"network, for example with the means of its trainings",
            )


def check_no_fractions(path: Path, column: str, values: NDArray[np.float64]) -> None:
    """Check that a column of percent does not hold fractions.

    Raises:
        DataError: it has several values, none of which is above 1.
    """
    if len(values) > 1 and 0 < np.nanmax(values) <= 1:
        raise fault(
            path, f"holds values from 0 to 1 in its column {column!r}, where percent are expected: multiply by 100"
        )
