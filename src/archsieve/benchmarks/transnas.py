"""TransNAS-Bench-101: a user's own tables of its two spaces, with one benchmark for each of the seven tasks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from archsieve.benchmarks.contract import Benchmark
from archsieve.benchmarks.files import fault, read_once
from archsieve.benchmarks.joined import check_range, read_joined
from archsieve.benchmarks.nasbench201 import CODE_COLUMN, TableSource
from archsieve.spaces.transnas.layout import EDGES, ZERO
from archsieve.spaces.transnas.macro_space import TransNASMacro
from archsieve.spaces.transnas.space import TransNASMicro

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from archsieve.benchmarks.records import Table
    from archsieve.spaces.contract import Architecture

SIZES = "encoder_params"
"""The column of parameters without the head, by which the join is checked."""
_PICTURE = (3, 256, 256)
_LEAST, _TOLERANCE = 0.95, 0.02  # share of the parameters in the file that are in proportion, and how nearly
_COMPARED = 1_500  # rows, at equal steps
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
    "room_layout": _Metric("neg_loss", -math.inf, 0, 9),
    "jigsaw": _Metric("top1", 0, 100, 1000),
    "segmentsemantic": _Metric("mIoU", 0, 100, 17),
    "normal": _Metric("ssim", -1, 100, 3),
    "autoencoder": _Metric("ssim", -1, 100, 3),
}
"""The seven tasks: accuracies and mean intersection over union in percent, structural similarities, negative losses."""


@dataclass(frozen=True)
class TransNASTable(Benchmark):
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

    @read_once
    def load(self) -> Table:
        """Read the table.

        Raises:
            MissingDataError: the file is not there.
            MissingPackageError: the file is parquet and pyarrow is not installed.
            DataError: the file is damaged or of another format, or its values are not those of its networks.
        """
        path, space = self.source.require_known(), self.space
        is_published = (lambda text: "_" in text) if self.kind == "micro" else (lambda text: text.endswith("basic"))
        example = space.describe((1, 0, 2, 3, 3, 3) if self.kind == "micro" else (0, 1, 2, 3, 4, 4))
        table = read_joined(path, space, (CODE_COLUMN,), self.columns, is_published, example)
        if len(table.archs) != _COUNTS[self.kind]:
            raise fault(path, f"holds {len(table.archs):,} architectures, but {space.name} has {_COUNTS[self.kind]:,}")
        check_range(path, space, table, self.truth, self.metric.least, self.metric.most)
        self._check_sizes(path, table)
        if self.kind == "micro":
            self._check_unreached(path, table)
        return table

    def _check_sizes(self, path: Path, table: Table) -> None:
        """Check that the parameter counts in the file are those of the architectures, in either unit."""
        step = max(1, len(table.archs) // _COMPARED)
        own = np.array([self.space.encoder_params(arch) for arch in table.archs[::step]], dtype=np.float64)
        ratios = table.columns[SIZES][::step] / own
        agreed = float(np.mean(np.abs(ratios / np.median(ratios) - 1) <= _TOLERANCE))
        if agreed < _LEAST:
            raise fault(
                path,
                f"holds sizes in its column {SIZES!r} that are not those of its architectures ({agreed:.0%} are in "
                f"proportion, and {_LEAST:.0%} must be). Its rows and their strings do not belong together (rows in "
                f"another order, edges in another order, operations renumbered, or modules read backwards)",
            )

    def _check_unreached(self, path: Path, table: Table) -> None:
        """Check that cells without a path from input to output are worse than most others."""
        values, reached = table.columns[self.truth], np.array([_reaches_output(arch) for arch in table.archs])
        unreached, middle = float(np.quantile(values[~reached], 0.9)), float(np.median(values[reached]))
        if unreached > middle:
            raise fault(
                path,
                f"holds {self.truth} {unreached:g} or more for a tenth of the cells whose output no input reaches, but "
                f"{middle:g} (median) for the others. Its rows and their architectures do not belong together "
                f"(operations renumbered, or edges in another order)",
            )


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
