"""A table of your own: a CSV or parquet file with a column of architectures and numeric columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve._files import Remembered
from archsieve.benchmarks.agreement import check_fit, rank_correlation
from archsieve.benchmarks.column_files import read_columns
from archsieve.benchmarks.contract import Benchmark
from archsieve.benchmarks.files import check_different, fault, is_accuracy, shown
from archsieve.benchmarks.foreign_codes import NOTATIONS, check_sizes, numbers_of, read_codes
from archsieve.benchmarks.records import Table
from archsieve.errors import DataError, MissingDataError, SettingError, UnknownNameError
from archsieve.notices import notice
from archsieve.registry import listed, near_miss
from archsieve.sources import sha256_of
from archsieve.values import path_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture, SearchSpace

TITLES = ("architecture", "arch", "arch_str", "code", "codes", "genotype", "network", "archs", "architectures")
"""Titles of the column of architectures, unless it is named."""
_ERRORS = re.compile(r"(?<![a-z])(errors?|err|loss|losses|perplexity|ppl|rmse|mse|mae)(?![a-z])")
_FEWEST = 50  # networks that tell whether two columns oppose each other
_OPPOSED = 0.3  # opposite of a rank correlation that gets a notice: accuracies under attack may oppose clean ones
_ERRORS_FOR_CERTAIN = 0.8  # that of one that is refused
_PERCENT = 10  # the median of accuracies in percent is above it
_LOW = 5  # percent: where other networks have less, a value below 1 may be an accuracy
_TABLES: Remembered[Table] = Remembered(most=8)
_HASHES: Remembered[str] = Remembered(most=32)


@dataclass(frozen=True)
class ForeignTable(Benchmark):
    """The recorded values in a user's file.

    Args:
        path: of the CSV or parquet file.
        space: that its codes belong to.
        codes: title of the column of architectures; empty: the first of `TITLES`.
        notation: of numbers in brackets: "own" is the space's own code, another name one of its `number_orders`, such
            as "naslib"; "space" is all that the space itself parses, where that is not ambiguous.
        truth: title of the true column; None where the file has none.
        chooser: title of the column by which a search chooses its winner; empty: unknown.

    Raises:
        SettingError: there is no such notation.
    """

    path: str
    space: SearchSpace
    codes: str = ""
    notation: str = ""
    truth: str | None = None
    chooser: str = ""

    def __post_init__(self) -> None:
        """Check the notation."""
        known = (*NOTATIONS, *self.space.number_orders)
        if self.notation and self.notation not in known and len(known) > len(NOTATIONS):
            raise SettingError(f"The notation of codes must be one of {', '.join(known)}, but got {self.notation!r}.")

    @property
    def name(self) -> str:
        """The name of the file."""
        return Path(self.path).name

    @property
    def task(self) -> str:
        """None: the file does not say which task it belongs to."""
        return ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Titles of its numeric columns."""
        return tuple(self.load().columns)

    @property
    def choosers(self) -> Mapping[str, tuple[str, ...]]:
        """The column by which a search would choose."""
        return {self.truth: (self.chooser,)} if self.truth and self.chooser else {}

    def is_present(self) -> bool:
        """Whether the file exists."""
        return Path(self.path).is_file()

    def load(self) -> Table:
        """Read the table; an unchanged file is read once.

        A network whose canonical code is not in the file has the values of its first twin that is.

        Raises:
            MissingDataError: there is no such file.
            DataError: it is damaged, holds a code twice, one of another space or notation, or no column of numbers.
            UnknownNameError: it has no such column.
        """
        path = path_in(self.path)
        if not path.is_file():
            raise MissingDataError(f"There is no file {self.path!r}.")
        return _TABLES.get(path, (self.space.whole, self.codes, self.notation), lambda: _read(self, path))


def content_of(path: str) -> str:
    """Return the hash of a file's bytes, cached while the file is unchanged.

    Raises:
        MissingDataError: there is no such file.
    """
    if not Path(path).is_file():
        raise MissingDataError(f"There is no file {path!r}.")
    return _HASHES.get(Path(path), "sha256", lambda: sha256_of(Path(path)))


def column_of(table: Table, path: str, column: str) -> str:
    """Return the title of a column.

    Raises:
        UnknownNameError: the file has none of that name.
    """
    if column not in table.columns:
        hint = why_no_number(path, column) or near_miss(column, offered_columns(table.columns))
        raise UnknownNameError(f"The file {path} has no column of numbers {column!r}.{hint}")
    refuse_error(path, table.columns, column)
    return column


def why_no_number(path: str, column: str) -> str:
    """Return what makes a column one of text, after a full stop; empty: the file has no such column, or it is empty."""
    for row, value in enumerate(read_columns(path_in(path)).get(column, ()), 1):
        if value is not None and str(value).strip() and numbers_of([value]) is None:
            return (
                f" Its column {column!r} holds {shown(value)} in row {row}: write numbers alone, with a decimal point, "
                f"or leave the field empty."
            )
    return ""


def refuse_error(source: str, columns: Collection[str], column: str) -> None:
    """Refuse a column of errors or losses, of which lower is better; its negative has the title "-COLUMN".

    Raises:
        SettingError: it is one.
    """
    if f"-{column}" in columns:
        raise SettingError(
            f"The column {column!r} of {source} holds errors by its title, of which lower is better, but a search "
            f"looks for high values. Name '-{column}' to use its negative; if higher is better, rename the column."
        )


def offered_columns(columns: Collection[str]) -> list[str]:
    """Return the titles that may be named: of errors their negatives alone."""
    return [column for column in columns if f"-{column}" not in columns]


def check_truth(foreign: ForeignTable) -> None:
    """Check that the truth of a file holds finite numbers of one unit, or nothing.

    A column whose title names an accuracy is of two units if most values are above 10, none is from 1 to 5, and some
    are below 1 and would, times 100, lie among the others. Notices tell what may be right: low values of several
    networks, another column of accuracies that ranks the networks rather the other way round, and values that do not
    follow the decisions.

    Raises:
        DataError: a value is infinite, or a fraction among percent, or another column of accuracies is its opposite.
    """
    table = foreign.load()
    if foreign.truth is None:
        return
    for row in np.flatnonzero(np.isinf(table.columns[foreign.truth])):
        network = foreign.space.whole.describe(table.archs[row])
        raise fault(Path(foreign.path), f"holds an infinite {foreign.truth!r} for {network!r}: leave the field empty")
    for title in filter(is_accuracy, table.columns):
        _check_unit(foreign, table, title)
    if not is_accuracy(foreign.truth):
        return
    _check_direction(foreign, table, foreign.truth)
    try:
        check_fit(Path(foreign.path), table, foreign.truth)
    except DataError as error:  # differences between good networks may be chance
        notice(f"Check the rows of your table: {_continued(error)}")


def _check_unit(foreign: ForeignTable, table: Table, title: str) -> None:
    """Check that no value is a fraction where the others are percent; raises as `check_truth`."""
    values = table.columns[title]
    percent = values[values > 1]
    if len(percent) == 0 or np.nanmedian(values) < _PERCENT:
        return
    for row in np.flatnonzero((values > 0) & (values < 1) & (100 * values >= percent.min())):
        network = foreign.space.whole.describe(table.archs[row])
        error = fault(
            Path(foreign.path),
            f"holds {values[row]:g} as {title!r} of {network!r}, but most values are percent: write percent, "
            f"not a fraction, or leave the field of a network that failed empty",
        )
        if percent.min() >= _LOW:
            raise error
        notice(f"Check your table: {_continued(error)}")
        return


def _check_direction(foreign: ForeignTable, table: Table, truth: str) -> None:
    """Check that no other column of accuracies ranks the networks the other way round; raises as `check_truth`."""
    for title in filter(is_accuracy, table.columns):
        known = np.isfinite(table.columns[truth]) & np.isfinite(table.columns[title])
        if known.sum() < _FEWEST or title.startswith("-"):
            continue
        agreed = rank_correlation(table.columns[truth][known], table.columns[title][known])
        if agreed < -_OPPOSED:
            error = fault(
                Path(foreign.path),
                f"has columns {truth!r} and {title!r} of accuracies that rank networks the other way round (rank "
                f"correlation {agreed:.2f}): if one of them holds errors, give it another title",
            )
            if agreed < -_ERRORS_FOR_CERTAIN:
                raise error
            notice(f"Check your table: {_continued(error)}")


def _continued(error: DataError) -> str:
    """Return the sentence of an error after a colon."""
    return f"{str(error)[0].lower()}{str(error)[1:]}"


def _read(foreign: ForeignTable, path: Path) -> Table:
    space = foreign.space.whole
    raw = read_columns(path)
    title = _code_column(path, raw, foreign.codes)
    columns = {name: values for name in raw if name != title and (values := numbers_of(raw[name])) is not None}
    if not columns:
        hints = (why_no_number(str(path), name) for name in raw if name != title)
        hint = next((f".{hint.rstrip('.')}" for hint in hints if re.search(r"holds '[-+\d]", hint)), "")
        raise fault(path, f"holds no column of numbers{hint}")
    columns |= {f"-{name}": -values for name, values in columns.items() if _is_error(name, values)}
    archs = read_codes(path, space, raw[title], foreign.notation)
    check_different(path, space, archs)
    if not archs:
        raise fault(path, "holds no architecture")
    table = Table(tuple(archs), columns)
    check_sizes(path, space, table)
    return _with_twins(space, table)


def _code_column(path: Path, raw: Mapping[str, Sequence[Any]], named: str) -> str:
    """Return the title of the column of architectures."""
    if named:
        if named not in raw:
            raise UnknownNameError(f"The file {path} has no column {named!r}.{near_miss(named, raw)}")
        return named
    by_lower = {title.strip().lower(): title for title in raw}
    for title in TITLES:
        if title in by_lower:
            return by_lower[title]
    raise UnknownNameError(
        f"The file {path} has no column of architectures, such as {', '.join(TITLES[:4])}: name it with "
        f"--codes. It has "
        f"{listed(raw) or 'no columns'}."
    )


def _is_error(title: str, values: NDArray[np.float64]) -> bool:
    """Whether a column holds errors or losses by its title; where values are negative, somebody has turned them."""
    return _ERRORS.search(title.lower()) is not None and float(np.nanmin(values)) >= 0


def _with_twins(space: SearchSpace, table: Table) -> Table:
    """Return the table with a row for each canonical code that is only present as an equivalent code."""
    known = set(table.archs)
    first: dict[Architecture, int] = {}
    for row, arch in enumerate(table.archs):
        first.setdefault(space.canonical(arch), row)
    added = {code: row for code, row in first.items() if code not in known}
    if not added:
        return table
    rows = [*range(len(table.archs)), *added.values()]
    return Table((*table.archs, *added), {name: values[rows] for name, values in table.columns.items()})
