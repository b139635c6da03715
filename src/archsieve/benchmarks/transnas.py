"""TransNAS-Bench-101: a user's own tables of its two spaces, with one benchmark for each of the seven tasks."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from archsieve.benchmarks.agreement import check_alike, check_fit
from archsieve.benchmarks.file_table import FileTable, TableSource
from archsieve.benchmarks.files import fault
from archsieve.benchmarks.joined import (
    CODE_COLUMN,
    check_no_single_fraction,
    check_percent,
    check_proportional,
    check_range,
    read_joined,
    wrong_join,
)
from archsieve.benchmarks.records import Table
from archsieve.spaces.transnas.layout import EDGES, OPERATIONS, ZERO
from archsieve.spaces.transnas.macro_space import TransNASMacro
from archsieve.spaces.transnas.space import TransNASMicro

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture

SIZES = "encoder_params"
"""The column of parameters without the head, by which the join is checked."""
_PICTURE = (3, 256, 256)
_FRACTION = 1  # percent, below which a value is a fraction, or that of a network that failed
_FAILED = 0.01  # share of networks that may have failed
_BELOW, _ABOVE = 0.5, 1.25  # times the accuracies of the others: a fraction, times 100, lies between them
_MORE = 1.25  # times the variance within networks, by which another order of edges is more likely
_FROM_INPUT = {edge for edge, (source, _) in enumerate(EDGES) if source == 0}
_ORDERS_OF_SAME_SIZE = tuple(
    list(order)
    for order in itertools.permutations(range(len(EDGES)))
    if {order[edge] for edge in _FROM_INPUT} == _FROM_INPUT and sorted(order) != list(order)
)
_COUNTS = {"micro": 4096, "macro": 3256}
_ORIGIN = (
    "https://github.com/yawen-d/TransNASBench (its file transnas-bench_v10141024.pth), put into a table with the "
    "columns arch_str, encoder_params and, for each task, its metric on validation and test pictures"
)


class _Metric(NamedTuple):
    """The metric of a task, its range, and the number of outputs of the task; higher is better."""

    name: str
    least: float
    most: float
    outputs: int
    is_classification: bool = False


TASKS = {
    "class_scene": _Metric("top1", 0, 100, 47, is_classification=True),
    "class_object": _Metric("top1", 0, 100, 75, is_classification=True),
    "room_layout": _Metric("neg_loss", -1000, 0, 9),
    "jigsaw": _Metric("top1", 0, 100, 1000),
    "segmentsemantic": _Metric("mIoU", 0, 100, 17),
    "normal": _Metric("ssim", -1, 1, 3),
    "autoencoder": _Metric("ssim", -1, 1, 3),
}
"""The seven tasks: accuracies and mean intersection over union in percent, structural similarities, negative losses."""


@dataclass(frozen=True)
class TransNASTable(FileTable):
    """All networks of one space evaluated on one task, from a file made from the published one.

    The file is parquet or CSV. `arch_str` is the published string of a network; digits and tuples, whose order could
    be anybody's, are refused. `encoder_params` must be in proportion to the parameters of the networks, and cells whose
    output no input reaches must be worse than most others.

    Attributes:
        kind: "micro" or "macro".
        of_task: one of `TASKS`.
    """

    kind: str
    of_task: str
    source: TableSource
    task: str = "synthetic"

    @property
    def name(self) -> str:
        """The names of the space and the task."""
        return f"transnas-{self.kind}-{self.of_task.replace('_', '-')}"

    @property
    def space(self) -> TransNASMicro | TransNASMacro:
        """The space with the benchmark's settings."""
        return TransNASMicro() if self.kind == "micro" else TransNASMacro()

    @property
    def columns(self) -> tuple[str, ...]:
        """The metric on test and validation pictures, and the sizes."""
        return (self.truth, f"{self.of_task}_valid_{self.metric.name}", SIZES)

    @property
    def truth(self) -> str:
        """The metric on test pictures."""
        return f"{self.of_task}_test_{self.metric.name}"

    @property
    def metric(self) -> _Metric:
        """The metric of the task."""
        return TASKS[self.of_task]

    @property
    def task_settings(self) -> Mapping[str, Any]:
        """The shape of the pictures, which noise replaces."""
        return {"shape": _PICTURE, "num_outputs": self.metric.outputs}

    @property
    def caution(self) -> str:
        """States that archsieve has no task of the data set, and where the published head is not built."""
        form = " x ".join(map(str, _PICTURE))
        head = (
            ""
            if self.metric.is_classification
            else " Its networks are built with a linear layer, not with its decoder."
        )
        return (
            f"{self.name}: archsieve has no task of this data set. Proxies that read data get noise of its form "
            f"({form}, {self.metric.outputs} outputs), unless --task names pictures.{head}"
        )

    def read(self, path: Path) -> Table:
        """Return the table of the file; raises as `load`."""
        space = self.space
        is_published = (lambda text: "_" in text) if self.kind == "micro" else (lambda text: text.endswith("basic"))
        example = space.describe((1, 0, 2, 3, 3, 3) if self.kind == "micro" else (0, 1, 2, 3, 4, 4))
        table = read_joined(path, space, (CODE_COLUMN,), self.columns, is_published, example)
        if len(table.archs) != _COUNTS[self.kind]:
            raise fault(path, f"holds {len(table.archs):,} architectures, but {space.name} has {_COUNTS[self.kind]:,}")
        for column in self.columns[:2]:
            self._check_values(path, table, column)
        check_proportional(
            path,
            table,
            SIZES,
            space.encoder_params,
            "rows or edges in another order, operations renumbered, or modules read backwards",
        )
        check_alike(path, table, self.columns[0], self.columns[1])
        for column in self.columns[:2]:
            check_fit(path, table, column)
        if self.kind == "micro":
            self._check_unreached(path, table)
            self._check_networks(path, table)
        return table

    def _check_values(self, path: Path, table: Table, column: str) -> None:
        """Check that a column has values of the metric, and all of one unit."""
        if self.metric.least != 0:
            check_range(path, self.space, table, column, self.metric.least, self.metric.most)
            return
        check_percent(path, self.space, table, (column,))
        trained = [self.kind == "macro" or _reaches_output(arch) for arch in table.archs]
        archs = tuple(itertools.compress(table.archs, trained))
        values = table.columns[column][trained]
        low, high = _BELOW * np.quantile(values, _FAILED), _ABOVE * values.max()
        could_be_fraction = (100 * values >= low) & (100 * values <= high)  # else the network failed
        values = np.where(could_be_fraction, values, np.nan)
        check_no_single_fraction(path, self.space, Table(archs, {column: values}), (column,), _FRACTION)

    def _check_unreached(self, path: Path, table: Table) -> None:
        """Check that cells without a path from input to output are worse than most others."""
        values, reached = table.columns[self.truth], np.array([_reaches_output(arch) for arch in table.archs])
        unreached, middle = float(np.quantile(values[~reached], 0.9)), float(np.median(values[reached]))
        if unreached >= middle:
            raise wrong_join(
                path,
                f"holds {self.truth} {unreached:g} or more for a tenth of the cells whose output no input reaches, but "
                f"{middle:g} (median) for the others",
                "operations renumbered, or edges in another order",
            )

    def _check_networks(self, path: Path, table: Table) -> None:
        """Check that cells of one network agree more than those that would be one, were edges in another order.

        Of all orders, those are tried that leave the parameters of every cell as they are.
        """
        networks = np.unique([self.space.canonical(arch) for arch in table.archs], axis=0, return_inverse=True)[1]
        values, codes = table.columns[self.truth], np.array(table.archs)
        digits = len(OPERATIONS) ** np.arange(len(EDGES))
        rows = np.argsort(codes @ digits)  # every code is there
        own = _spread(values, networks)
        for order in _ORDERS_OF_SAME_SIZE:
            moved = networks[rows[codes[:, order] @ digits]]
            if own > _MORE * (spread := _spread(values, moved)) > 0:
                raise wrong_join(
                    path,
                    f"has a {self.truth} that differs more between cells that are one network (variance {own:.3g}) "
                    f"than if edges had another order ({spread:.3g})",
                    "edges in another order",
                )


def _spread(values: NDArray[np.float64], networks: NDArray[np.int64]) -> float:
    """Return the variance within networks."""
    means = np.bincount(networks, values) / np.bincount(networks)
    return float(np.mean((values - means[networks]) ** 2))


def _reaches_output(arch: Architecture) -> bool:
    """Whether the operations that pass data on connect the first node to the last."""
    reached = {0}
    for (source, target), operation in zip(EDGES, arch, strict=True):
        if operation != ZERO and source in reached:
            reached.add(target)
    return 3 in reached


def _table(kind: str, task: str) -> TransNASTable:
    citation = "Duan et al., TransNAS-Bench-101, CVPR 2021, arXiv 2105.11871"
    return TransNASTable(kind, task, TableSource(f"transnas-{kind}.parquet", _ORIGIN, "MIT (TransNASBench)", citation))


MICRO = {task: _table("micro", task) for task in TASKS}
MACRO = {task: _table("macro", task) for task in TASKS}
(
    MICRO_CLASS_SCENE,
    MICRO_CLASS_OBJECT,
    MICRO_ROOM_LAYOUT,
    MICRO_JIGSAW,
    MICRO_SEGMENTSEMANTIC,
    MICRO_NORMAL,
    MICRO_AUTOENCODER,
) = MICRO.values()
(
    MACRO_CLASS_SCENE,
    MACRO_CLASS_OBJECT,
    MACRO_ROOM_LAYOUT,
    MACRO_JIGSAW,
    MACRO_SEGMENTSEMANTIC,
    MACRO_NORMAL,
    MACRO_AUTOENCODER,
) = MACRO.values()
