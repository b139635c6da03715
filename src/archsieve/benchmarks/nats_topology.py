"""NATS-Bench's topology space on CIFAR-100 and ImageNet16-120: a user's own table, one row a cell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.benchmarks.contract import Benchmark
from archsieve.benchmarks.files import code, fault, read_columns, read_once, shown
from archsieve.benchmarks.foreign import check_sizes
from archsieve.benchmarks.nasbench201 import CODE_COLUMN, TableSource, assembled
from archsieve.spaces.nasbench201.cell import CONV1, CONV3, EDGES, NONE, OPERATIONS, POOL
from archsieve.spaces.nasbench201.space import NASBench201

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from archsieve.benchmarks.records import Table
    from archsieve.spaces.contract import Architecture

_ORIGIN = (
    "https://github.com/D-X-Y/NATS-Bench (accuracies of the topology search space), put into one table with the "
    "columns arch_str and test_acc_200; further columns of numbers become columns too"
)
_CITATION = "Dong et al., NATS-Bench, TPAMI 2021, arXiv 2009.00437"


@dataclass(frozen=True)
class TopologyTable(Benchmark):
    """All 15,625 cells on another data set, from a file that the user made of the published one.

    The file is parquet or CSV. `arch_str` is the published string of a cell, which names the operation and the source
    of every edge: digits and tuples, whose order could be anybody's, are refused. The rows and their strings must
    belong together: a cell whose output no input reaches has an accuracy near chance, cells do better by their 3x3
    convolutions than by their 1x1 convolutions, and by these than by poolings, and columns of sizes are those of the
    cells.

    Attributes:
        classes: of the data set.
        shown_as: the form of the pictures, where archsieve has no task of this data set; empty: it has one.
    """

    name: str
    task: str
    source: TableSource
    classes: int
    shown_as: tuple[int, ...] = ()
    columns: tuple[str, ...] = field(default=("test_acc_200",))
    truth: str = "test_acc_200"

    @property
    def space(self) -> NASBench201:
        """The space with the benchmark's settings."""
        return NASBench201()

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
            DataError: the file is damaged or of another format, or its values are not those of its cells.
        """
        path = self.source.require_known()
        raw = read_columns(path)
        for title in (CODE_COLUMN, *self.columns):
            if title not in raw:
                raise fault(path, f"lacks the column {title}; it has {', '.join(raw) or 'none'}")
        archs = [code(path, self.space.parse, _published(path, text)) for text in raw[CODE_COLUMN]]
        table = assembled(path, self.space, archs, raw, self.columns, self.truth)
        check_sizes(path, self.space, table)
        self._check_chance(path, table)
        self._check_operations(path, table)
        return table

    def _check_chance(self, path: Path, table: Table) -> None:
        """Check that a cell without a path from input to output knows no more than chance."""
        chance, values = 100 / self.classes, table.columns[self.truth]
        for arch, value in zip(table.archs, values.tolist(), strict=True):
            if value > 2 * chance and not _reaches_output(arch):
                raise fault(
                    path,
                    f"holds the accuracy {value:g} for {self.space.describe(arch)!r}, whose output no input reaches: "
                    f"chance is {chance:.3g}. Its rows and their architectures do not belong together (operations "
                    f"renumbered, or edges in another order)",
                )

    def _check_operations(self, path: Path, table: Table) -> None:
        """Check that accuracies rise from pooling to 1x1 and to 3x3 convolutions, as on every data set published."""
        codes, values = np.array(table.archs), table.columns[self.truth]
        means = [float(np.average(values, weights=(codes == option).sum(axis=1))) for option in (POOL, CONV1, CONV3)]
        if not means[0] < means[1] < means[2]:
            shown_means = ", ".join(
                f"{OPERATIONS[o]} {m:.2f}" for o, m in zip((POOL, CONV1, CONV3), means, strict=True)
            )
            raise fault(
                path,
                f"has accuracies that do not rise from poolings to 1x1 and 3x3 convolutions (means by operation: "
                f"{shown_means}). Its rows and their architectures do not belong together (operations renumbered)",
            )


def _published(path: Path, text: object) -> object:
    """Return a text that must name the operation and the source of each edge."""
    if not isinstance(text, str) or "~" not in text:
        raise fault(
            path,
            f"holds {shown(text)} in its column {CODE_COLUMN}, which does not say whose order of edges and operations "
            f"it has: write the published string, such as {NASBench201().describe((3, 3, 3, 1, 2, 3))!r}",
        )
    return text


def _reaches_output(arch: Architecture) -> bool:
    """Whether operations that pass something on lead from the first node to the last."""
    reached = {0}
    for (source, target), operation in sorted(zip(EDGES, arch, strict=True)):
        if operation != NONE and source in reached:
            reached.add(target)
    return max(target for _, target in EDGES) in reached


def _table(name: str, task: str, classes: int, shape: tuple[int, ...] = ()) -> TopologyTable:
    source = TableSource(f"{name}.parquet", _ORIGIN, "MIT (NATS-Bench)", _CITATION)
    return TopologyTable(name, task, source, classes, shape)


CIFAR100 = _table("nasbench201-cifar100", "cifar100", 100)
IMAGENET16 = _table("nasbench201-imagenet16-120", "synthetic", 120, (3, 16, 16))
