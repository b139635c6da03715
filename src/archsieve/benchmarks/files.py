"""Reading of published files into tables: each fault of a file becomes one sentence that names the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve._reading import LARGEST_DATA, parse_json, quoted, read_text
from archsieve.benchmarks.file_kinds import other_kind
from archsieve.benchmarks.records import Table
from archsieve.errors import ArchitectureError, DataError
from archsieve.spaces.contract import enumerate_space, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture, SearchSpace

_ACCURACY = re.compile(r"(?<![a-z])(acc|accuracy|accuracies|top[-_]?1)(?![a-z0-9])")
_OF_ACCURACY = re.compile(
    r"(?<![a-z])(std|stdev|stddev|sd|sem|var|variance|deviation|spread|range|ci|rank|ranking|place|gap|drop|diff|"
    r"difference|delta|degradation|loss|err|errors?|count|runs?|seed|epochs?|seconds|time|hours)(?![a-z])"
)
"""Words in titles of what is said about accuracies, such as test_acc_std."""
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
        kind = "object" if isinstance(content, dict) else type(content).__name__
        raise fault(path, f"holds a JSON {kind} where a list is expected")
    return content


def _json_in(path: Path) -> Any:
    """Return the JSON content of a file; raises as `read_json`."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries = dict(pairs)
        if len(entries) < len(pairs):
            names = [name for name, _ in pairs]
            raise fault(path, f"holds the key {next(n for n in names if names.count(n) > 1)!r} twice")
        return entries

    if problem := other_kind(path, LARGEST_DATA):
        raise fault(path, problem)
    try:
        return parse_json(read_text(path, LARGEST_DATA).removeprefix("\ufeff"), once)
    except OSError as error:
        raise fault(path, f"cannot be read: {error.strerror}") from error
    except DataError:
        raise
    except ValueError as error:
        raise fault(path, f"is damaged, or is not JSON: {quoted(error)}") from error


def is_accuracy(title: str) -> bool:
    """Whether a column with this title holds accuracies, and not their deviations, ranks or the like.

    >>> is_accuracy("val-acc (%)"), is_accuracy("test_acc_std"), is_accuracy("acc_rank"), is_accuracy("top1_err")
    (True, False, False, False)
    """
    return _ACCURACY.search(title.lower()) is not None and _OF_ACCURACY.search(title.lower()) is None


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
