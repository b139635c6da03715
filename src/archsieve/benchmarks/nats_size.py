"""NATS-Bench's size space: a user's own table of accuracies, one row a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from archsieve.benchmarks.contract import Benchmark
from archsieve.benchmarks.files import code, fault, read_columns, read_once, shown
from archsieve.benchmarks.nasbench201 import CODE_COLUMN, TableSource, assembled
from archsieve.spaces.nasbench201.size_space import NATSSize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.benchmarks.records import Table
    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task

_ORIGIN = (
    "https://github.com/D-X-Y/NATS-Bench (accuracies of the size search space), put into one table with the columns "
    "arch_str and test_acc_90; further columns of numbers become columns too"
)
_CITATION = "Dong et al., NATS-Bench, TPAMI 2021, arXiv 2009.00437"
_COMPARED = 1_500  # rows, at equal steps
_LEAST = 0.3  # rank correlation of accuracy and multiply-adds of a right join


@dataclass(frozen=True)
class SizeTable(Benchmark):
    """All 32,768 networks of the size space on a data set, from a file that the user made of the published one.

    The file is parquet or CSV; `arch_str` is the published string of channels, as "64:64:64:64:64", and `test_acc_90`
    the accuracy in percent. Digits are refused. Accuracy must rise with the multiply-adds of the strings, and more so
    than with those of the strings read backwards: otherwise rows and strings do not belong together.

    Attributes:
        classes: of the data set.
        shown_as: the form of the pictures, where archsieve has no task of this data set; empty: it has one.
    """

    name: str
    task: str
    source: TableSource
    classes: int
    shown_as: tuple[int, ...] = ()
    columns: tuple[str, ...] = field(default=("test_acc_90",))
    truth: str = "test_acc_90"

    @property
    def space(self) -> NATSSize:
        """The space."""
        return NATSSize()

    @property
    def task_settings(self) -> Mapping[str, Any]:
        """The form of the pictures, where noise stands for them."""
        return {"shape": self.shown_as, "num_outputs": self.classes} if self.shown_as else {}

    @property
    def caution(self) -> str:
        """Says so where archsieve has no task of the data set."""
        if not self.shown_as:
            return ""
        form = " x ".join(map(str, self.shown_as))
        return (
            f"{self.name}: archsieve has no task of this data set. Proxies that read data get noise of its form "
            f"({form}, {self.classes} classes), unless --task names pictures."
        )

    @read_once
    def load(self) -> Table:
        """Read the table.

        Raises:
            MissingDataError: the file is not there.
            MissingPackageError: the file is parquet and pyarrow is not installed.
            DataError: the file is damaged or of another format, or its values are not those of its networks.
        """
        path = self.source.require_known()
        raw = read_columns(path)
        for title in (CODE_COLUMN, *self.columns):
            if title not in raw:
                raise fault(path, f"lacks the column {title}; it has {', '.join(raw) or 'none'}")
        archs = [code(path, self.space.parse, _published(path, text)) for text in raw[CODE_COLUMN]]
        table = assembled(path, self.space, archs, raw, self.columns, self.truth)
        self._check_join(path, table)
        return table

    def _check_join(self, path: Path, table: Table) -> None:
        """Check that accuracy follows the size of the networks, and not that of the strings read backwards."""
        step = max(1, len(table.archs) // _COMPARED)
        archs, values = table.archs[::step], table.columns[self.truth][::step]
        forwards, backwards = (_agreement(self._macs(some), values) for some in (archs, [arch[::-1] for arch in archs]))
        if forwards < _LEAST or backwards > forwards:
            raise fault(
                path,
                f"has accuracies that do not follow the sizes of its networks (rank correlation {forwards:.2f}; read "
                f"backwards {backwards:.2f}). Its rows and their strings do not belong together",
            )

    def _macs(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        task = cast("Task", SimpleNamespace(input_shape=(3, 32, 32), num_outputs=10))
        return np.array([self.space.macs(arch, task) for arch in archs], dtype=np.float64)


def _published(path: Path, text: object) -> object:
    """Return a text that must be a string of channels."""
    if not isinstance(text, str) or ":" not in text:
        raise fault(
            path,
            f"holds {shown(text)} in its column {CODE_COLUMN}, which does not say whose numbers these are: write the "
            f"published string of channels, such as '64:64:64:64:64'",
        )
    return text


def _agreement(sizes: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Return the rank correlation; 0 where all values are equal."""
    from scipy.stats import spearmanr

    return 0.0 if np.ptp(values) == 0 else float(spearmanr(sizes, values).statistic)


def _table(data_set: str, task: str, classes: int, shape: tuple[int, ...] = ()) -> SizeTable:
    name = f"nats-size-{data_set}"
    return SizeTable(name, task, TableSource(f"{name}.parquet", _ORIGIN, "MIT (NATS-Bench)", _CITATION), classes, shape)


CIFAR10 = _table("cifar10", "cifar10", 10)
CIFAR100 = _table("cifar100", "cifar100", 100)
IMAGENET16 = _table("imagenet16-120", "synthetic", 120, (3, 16, 16))
