"""NAS-Bench-201's accuracies on CIFAR-10: one row per cell, in a parquet or CSV file with named columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.benchmarks.column_files import read_columns
from archsieve.benchmarks.file_table import TableSource
from archsieve.benchmarks.files import NASLIB_NO_SCORE
from archsieve.benchmarks.joined import CODE_COLUMN, require_columns
from archsieve.benchmarks.nats_topology import TopologyTable
from archsieve.errors import UnknownNameError
from archsieve.registry import near_miss

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture

_ZEN = "published_zen"


@dataclass(frozen=True)
class NASBench201Table(TopologyTable):
    """All 15,625 cells, accuracies in percent; further numeric columns of the file become columns too.

    `test_acc_200` and `val_acc_200` follow the 200-epoch schedule; `test_acc_12` and `val_acc_12` are other
    trainings, with a 12-epoch schedule of their own, not the first 12 epochs of the long one; `published_zen`
    is NASLib's score, NaN where that gave none; `index` is NATS-Bench's own number of the cell. A file of a user's own
    needs `arch_str` and `test_acc_200` only.

    >>> CIFAR10.truth, CIFAR10.columns[:2]
    ('test_acc_200', ('test_acc_200', 'val_acc_200'))
    """

    columns: tuple[str, ...] = ("test_acc_200", "val_acc_200", "test_acc_12", "val_acc_12", _ZEN, "index")

    @property
    def noise(self) -> Mapping[str, float]:
        """The standard deviation of one value in percent, from cells above 88 % with identical networks."""
        return {"test_acc_200": 0.15, "val_acc_200": 0.30}

    def numbers(self, path: Path, raw: Mapping[str, Sequence[Any]]) -> dict[str, NDArray[np.float64]]:
        """Return the columns of numbers of a file; raises as `load`."""
        columns = super().numbers(path, raw)
        if _ZEN in columns:
            columns[_ZEN] = np.where(columns[_ZEN] == NASLIB_NO_SCORE, np.nan, columns[_ZEN])
        return columns

    def text(self, column: str) -> dict[Architecture, str]:
        """Return a text column by code, such as `unique_str`, NATS-Bench's string of the active part of a cell.

        Raises:
            UnknownNameError: the file has no such column.
            DataError: as `load`.
        """
        path = self.source.require_known()
        raw = read_columns(path, is_known=self.source.is_known())
        require_columns(path, raw, (CODE_COLUMN,))
        if column not in raw:
            raise UnknownNameError(f"The file {path} has no column {column!r}.{near_miss(column, raw)}")
        return dict(zip(self.codes(path, raw), map(str, raw[column]), strict=True))


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
    classes=10,
)
"""The best test accuracy, 94.3733 %, is a tie of two different networks: 333132 and 333123."""
