"""Recorded or predicted values for the codes of a space: a table with one row per code, or a surrogate model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np

from archsieve.errors import ArchitectureError, UnknownNameError
from archsieve.registry import near_miss
from archsieve.values import as_floats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture, SearchSpace

REMEMBERED = 50_000
"""How many codes a surrogate remembers its predictions of."""


@dataclass(frozen=True, eq=False)
class Table:
    """Numeric columns by raw code; NaN where a column has no value for a code.

    >>> table = Table(((0, 1), (1, 1)), {"accuracy": np.array([90.0, 80.0])})
    >>> table.lookup("accuracy", [(1, 1), (0, 1)])
    array([80., 90.])
    """

    by_network: ClassVar[bool] = False
    """Whether its codes are canonical ones, a row for each network."""

    archs: tuple[Architecture, ...]
    columns: Mapping[str, NDArray[np.float64]]
    remarks: tuple[str, ...] = ()
    """Sentences for the user on what was done with the file, or could not be checked."""

    @cached_property
    def _rows(self) -> dict[Architecture, int]:
        return {arch: row for row, arch in enumerate(self.archs)}

    def lookup(self, column: str, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the column's values of the codes, shape (n,); NaN for codes that are not in the table.

        Raises:
            UnknownNameError: no such column.
        """
        _check_column(column, self.columns)
        rows = np.array([self._rows.get(arch, -1) for arch in archs], dtype=int)
        return np.where(rows >= 0, as_floats(self.columns[column][rows]), np.nan)

    def within(self, space: SearchSpace) -> Table:
        """Return the table restricted to architectures of the space."""
        rows = [row for row, arch in enumerate(self.archs) if space.is_valid(arch)]
        if len(rows) == len(self.archs):
            return self
        columns = {name: values[rows] for name, values in self.columns.items()}
        return Table(tuple(self.archs[row] for row in rows), columns, self.remarks)

    def row(self, arch: Architecture) -> dict[str, float]:
        """Return all columns of one code.

        Raises:
            ArchitectureError: the table does not hold it.
        """
        if arch not in self._rows:
            raise ArchitectureError(f"The table has no row for {arch}.")
        return {name: float(values[self._rows[arch]]) for name, values in self.columns.items()}


@dataclass(frozen=True, eq=False)
class Surrogate:
    """Columns predicted from the code, for a space too large to list; there are no rows to rank among.

    Args:
        columns: by name, what returns the predictions of a model's members for n codes, shape (m, n).

    >>> model = Surrogate({"ones": lambda archs: np.array([[sum(a) + error for a in archs] for error in (-1.0, 1.0)])})
    >>> model.lookup("ones", [(1, 1), (0, 1)]), model.spread("ones", [(1, 1)])
    (array([2., 1.]), array([1.]))
    """

    columns: Mapping[str, Callable[[Sequence[Architecture]], NDArray[np.float64]]]

    def lookup(self, column: str, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the mean of the members' predictions, shape (n,).

        Raises:
            UnknownNameError: no such column.
        """
        return mean_of_rows(self._members(column, archs))

    def spread(self, column: str, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the standard deviation of the members' predictions, shape (n,); raises as `lookup`."""
        members = self._members(column, archs)
        return np.sqrt(mean_of_rows((members - mean_of_rows(members)) ** 2))

    def within(self, space: SearchSpace) -> Surrogate:
        """Return itself: a surrogate lists no codes that could lie outside the space."""
        return self

    def _members(self, column: str, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the members' predictions, shape (m, n), cached for the most recent codes."""
        _check_column(column, self.columns)
        if not archs:
            return np.empty((1, 0))
        known, codes = self._known.setdefault(column, {}), list(map(tuple, archs))
        missing = [code for code in dict.fromkeys(codes) if code not in known]
        if len(known) + len(missing) > REMEMBERED:
            known.clear()
            missing = list(dict.fromkeys(codes))
        if len(missing) > REMEMBERED:
            return self.columns[column](archs)
        if missing:
            known.update(zip(missing, self.columns[column](missing).T, strict=True))
        return np.stack([known[code] for code in codes], axis=1)

    @cached_property
    def _known(self) -> dict[str, dict[Architecture, NDArray[np.float64]]]:
        return {}


def mean_of_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over rows, summed in order, because numpy's order differs between one column and several."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        total += row
    return total / len(rows)


def _check_column(column: str, columns: Mapping[str, object]) -> None:
    if column not in columns:
        raise UnknownNameError(f"The table has no column {column!r}.{near_miss(column, columns)}")


Records: TypeAlias = "Table | Surrogate"
