"""NAS-Bench-201's accuracies on CIFAR-10: one row per cell, in a parquet or CSV file with named columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.benchmarks.file_table import FileTable
from archsieve.benchmarks.files import NASLIB_NO_SCORE, assemble, code, fault, read_columns
from archsieve.errors import UnknownNameError
from archsieve.registry import listed, near_miss
from archsieve.sources import Source
from archsieve.spaces.nasbench201.space import NASBench201
from archsieve.values import field_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.benchmarks.records import Table
    from archsieve.sources import FileState
    from archsieve.spaces.contract import Architecture, SearchSpace

CODE_COLUMN = "arch_str"


@dataclass(frozen=True)
class TableSource(Source):
    """A parquet file, or the same table as a CSV file beside it with the same name."""

    def find(self) -> Path | None:
        """Return the path of the parquet file, else of the CSV file, else None."""
        csv_file = self.file.removesuffix(".parquet") + ".csv"
        return super().find() or Source(csv_file, self.origin, self.licence, self.citation).find()

    def state(self, *, check: bool = False) -> FileState:
        """Return whether the file is present; a CSV file is written by the user and has no known hash."""
        path = self.find()
        if check and path is not None and path.suffix == ".csv":
            return "unchecked"
        return super().state(check=check)


@dataclass(frozen=True)
class NASBench201Table(FileTable):
    """All 15,625 cells, accuracies in percent; further numeric columns of the file become columns too.

    `test_acc_200` and `val_acc_200` follow the 200-epoch schedule; `test_acc_12` and `val_acc_12` are other
    trainings, with a 12-epoch schedule of their own, not the first 12 epochs of the long one; `published_zen`
    is NASLib's score, NaN where that gave none; `index` is NATS-Bench's own number of the cell.

    >>> CIFAR10.truth, CIFAR10.columns[:2]
    ('test_acc_200', ('test_acc_200', 'val_acc_200'))
    """

    name: str
    task: str
    source: Source
    columns: tuple[str, ...] = (
        "test_acc_200",
        "val_acc_200",
        "test_acc_12",
        "val_acc_12",
        "published_zen",
        "index",
    )
    truth: str = "test_acc_200"

    @property
    def noise(self) -> Mapping[str, float]:
        """The standard deviation of one value in percent, from cells above 88 % with identical networks."""
        return {"test_acc_200": 0.15, "val_acc_200": 0.30}

    @property
    def space(self) -> NASBench201:
        """The space with the benchmark's settings."""
        return NASBench201()

    def read(self, path: Path) -> Table:
        """Return the table of the file; raises as `load`."""
        raw = _read(path, self.columns, is_known=self.source.is_known())
        return assembled(path, self.space, self._codes(path, raw), raw, self.columns, self.truth)

    def text(self, column: str) -> dict[Architecture, str]:
        """Return a text column by code, such as `unique_str`, NATS-Bench's string of the active part of a cell.

        Raises:
            UnknownNameError: the file has no such column.
            DataError: as `load`.
        """
        path = self.source.require_known()
        raw = _read(path, self.columns, is_known=self.source.is_known())
        if column not in raw:
            raise UnknownNameError(f"The file {path} has no column {column!r}.{near_miss(column, raw)}")
        return dict(zip(self._codes(path, raw), map(str, raw[column]), strict=True))

    def _codes(self, path: Path, raw: dict[str, list[Any]]) -> list[Architecture]:
        space = self.space
        return [code(path, space.parse, text) for text in raw[CODE_COLUMN]]


def assembled(
    path: Path,
    space: SearchSpace,
    archs: Sequence[Architecture],
    raw: Mapping[str, list[Any]],
    needed: tuple[str, ...],
    truth: str,
) -> Table:
    """Return the table of a file's numeric columns after the checks of `assemble`.

    Raises:
        DataError: one of the needed columns holds more than numbers, or as `assemble`.
    """
    measured = {name: _numbers(path, name, raw[name], name in needed) for name in raw}
    numbers = {name: values for name, values in measured.items() if values is not None}
    return assemble(path, space, archs, numbers, truth=truth)


def _numbers(path: Path, name: str, values: list[Any], is_needed: bool) -> NDArray[np.float64] | None:
    """Return a column as numbers, with empty fields as NaN; None for a text column."""
    try:
        column = field_values(values)
    except (TypeError, ValueError, OverflowError) as error:
        if is_needed:
            raise fault(path, f"holds more than numbers in its column {name!r}: {error}") from error
        return None
    return np.where(column == NASLIB_NO_SCORE, np.nan, column) if name == "published_zen" else column


def _read(path: Path, needed: tuple[str, ...], *, is_known: bool) -> dict[str, list[Any]]:
    """Return the file's columns; the required ones and the codes must be among them."""
    columns = read_columns(path, is_known=is_known)
    missing = [name for name in (CODE_COLUMN, *needed) if name not in columns]
    if missing:
        raise fault(path, f"lacks the columns {', '.join(missing)}; it has {listed(columns) or 'none'}")
    return columns


CIFAR10 = NASBench201Table(
    name="nasbench201-cifar10",
    task="cifar10",
    source=TableSource(
        file="nasbench201-cifar10.parquet",
        origin="https://github.com/D-X-Y/NATS-Bench (accuracies) and https://github.com/automl/NASLib (zen), "
        "put into one table with the columns arch_str, test_acc_200, val_acc_200, test_acc_12, val_acc_12, "
        "published_zen and index",
        licence="MIT (NATS-Bench, NAS-Bench-201), Apache-2.0 (NASLib)",
        citation="Dong and Yang, NAS-Bench-201, ICLR 2020, arXiv 2001.00326; Dong et al., NATS-Bench, "
        "TPAMI 2021, arXiv 2009.00437",
        sha256="bad1fbd59efa17ab86c1bfc6c94fa24cf0f45e24d5edae267f8078d5a5e0f8ed",
    ),
)
"""The best test accuracy, 94.3733 %, is a tie of two different networks: 333132 and 333123."""
