"""A table of your own: a CSV or parquet file with a column of architectures and numeric columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve._files import Remembered
from archsieve.benchmarks.contract import Benchmark
from archsieve.benchmarks.files import fault, read_columns, shown
from archsieve.benchmarks.records import Table
from archsieve.errors import ArchitectureError, MissingDataError, SettingError, UnknownNameError
from archsieve.registry import near_miss
from archsieve.sources import sha256_of
from archsieve.spaces.contract import check
from archsieve.spaces.sizes import size_of
from archsieve.values import field_values, path_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture, SearchSpace

TITLES = ("architecture", "arch", "arch_str", "code", "codes", "genotype", "network", "archs", "architectures")
"""Titles of the column of architectures, unless it is named."""
NOTATIONS = ("space", "own")
"""Of codes, beside the names of the space's `number_orders`."""
_BRACKETS = re.compile(r"\s*[(\[]\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*,?\s*[)\]]\s*")
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
        raise UnknownNameError(
            f"The file {path} has no column of numbers {column!r}: it has {', '.join(table.columns)}."
            f"{near_miss(column, table.columns)}"
        )
    return column


def _read(foreign: ForeignTable, path: Path) -> Table:
    space = foreign.space.whole
    raw = read_columns(path)
    title = _code_column(path, raw, foreign.codes)
    columns = {name: values for name in raw if name != title and (values := _numbers(raw[name])) is not None}
    if not columns:
        raise fault(path, "holds no column of numbers")
    archs = read_codes(path, space, raw[title], foreign.notation)
    seen: set[Architecture] = set()
    for arch in archs:
        if arch in seen:
            raise fault(path, f"holds the architecture {space.describe(arch)!r} twice")
        seen.add(arch)
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
        f"{', '.join(raw) or 'no columns'}."
    )


def _numbers(values: Sequence[Any]) -> NDArray[np.float64] | None:
    """Return a column as numbers, with empty fields as NaN; None for a text column."""
    try:
        column = field_values(values)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if np.isnan(column).all() else column


def read_codes(path: Path, space: SearchSpace, values: Sequence[Any], notation: str) -> list[Architecture]:
    """Return the codes of a column written in the space's notation, as digits, or as numbers in brackets or lists.

    Raises:
        DataError: one is no architecture, or nothing says whose order of edges numbers in brackets have.
    """
    has_brackets = any(_BRACKETS.fullmatch(v) if isinstance(v, str) else isinstance(v, list | tuple) for v in values)
    orders = space.number_orders
    if has_brackets and not notation and orders:
        others = " or ".join(order.title for order in orders.values())
        raise fault(
            path,
            f"writes networks as numbers in brackets, whose order of decisions and options may be {others} or this "
            f"space's own ({_hint(path, space, values)}): pass --notation {' or --notation '.join([*orders, 'own'])}",
        )
    if notation and notation not in (*NOTATIONS, *orders):
        raise fault(path, f"cannot be read with the notation {notation!r}: {space.name} has none of that name")
    width = max((len(t) for v in values if (t := str(v).strip()).isdigit()), default=0)
    return [_code(path, space, value, notation, width, row) for row, value in enumerate(values, 1)]


def _code(path: Path, space: SearchSpace, value: Any, notation: str, width: int, row: int) -> Architecture:
    """Return one code; leading zeros that a spreadsheet removed are restored."""
    text = str(list(value)) if isinstance(value, list | tuple | np.ndarray) else str(value).strip()
    length, order = len(space.choices), space.number_orders.get(notation)
    try:
        if numbers := _BRACKETS.fullmatch(text):
            options = tuple(int(number) for number in numbers[1].split(","))
            return order.read(options) if order else check(space, options, text)
        if text.isdigit() and order:
            return order.read([int(digit) for digit in text.zfill(width)])
        if text.isdigit() and len(text) < width == length:
            text = text.zfill(length)
        return space.parse(text)
    except ArchitectureError as error:
        raise fault(path, f"holds {shown(value)} in row {row}, which is wrong: {str(error).rstrip('.')}") from error


def _hint(path: Path, space: SearchSpace, values: Sequence[Any]) -> str:
    """Return a sentence on which of two notations the size columns support."""
    raw = read_columns(path)
    for title in raw:
        if is_size(title) and (column := _numbers(raw[title])) is not None:
            names = (*space.number_orders, "own")
            agreed = {n: _agreement(space, read_codes(path, space, values, n), column) for n in names}
            best, *others = sorted(agreed, key=lambda name: -agreed[name])
            if agreed[best] - agreed[others[0]] > 0.05:
                return f"its column {title!r} speaks for {best}"
    return "nothing in it tells"


def is_size(title: str) -> bool:
    """Whether a column with this title holds parameters or multiply-adds."""
    return re.search(r"param|flop|macs", title.lower()) is not None


def _agreement(space: SearchSpace, archs: Sequence[Architecture], sizes: NDArray[np.float64]) -> float:
    """Return the rank correlation of a size column with the multiply-adds of these codes."""
    from scipy.stats import spearmanr

    task: Any = SimpleNamespace(input_shape=(3, 32, 32), num_outputs=10)  # the ranking is the same for other forms
    macs = np.array([size_of(space, arch, task, "macs") for arch in archs], dtype=float)
    known = np.isfinite(sizes)
    if known.sum() < 20 or np.ptp(macs[known]) == 0 or np.ptp(sizes[known]) == 0:
        return float("nan")
    return float(spearmanr(macs[known], sizes[known]).statistic)


def check_sizes(path: Path, space: SearchSpace, table: Table) -> None:
    """Check that columns of parameters or multiply-adds match the codes; a wrong notation fails this.

    Raises:
        DataError: they are not.
    """
    if not space.number_orders:
        return
    for title, column in table.columns.items():
        if is_size(title) and (agreed := _agreement(space, table.archs, column)) < 0.9:
            raise fault(
                path,
                f"holds sizes in its column {title!r} that are not those of its codes (rank correlation {agreed:.2f}): "
                f"its codes have another order of operations or edges. See --notation",
            )


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
