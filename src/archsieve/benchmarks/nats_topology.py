"""NATS-Bench's topology space on CIFAR-100 and ImageNet16-120: a user's own table, one row a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve.benchmarks.files import fault
from archsieve.benchmarks.foreign_codes import check_sizes
from archsieve.benchmarks.nats import NATSTable, source_of
from archsieve.spaces.nasbench201.cell import CONV1, CONV3, EDGES, NONE, OPERATIONS, POOL
from archsieve.spaces.nasbench201.space import NASBench201

if TYPE_CHECKING:
    from pathlib import Path

    from archsieve.benchmarks.records import Table
    from archsieve.spaces.contract import Architecture

_TRUTH = "test_acc_200"


@dataclass(frozen=True)
class TopologyTable(NATSTable):
    """All 15,625 cells on another data set; `test_acc_200` is the accuracy in percent.

    `arch_str` is the published string of a cell, which names the operation and the source of every edge. A cell whose
    output no input reaches must have an accuracy near chance, cells do better by their 3x3 convolutions than by their
    1x1 convolutions, and by these than by poolings, and columns of sizes are those of the cells.
    """

    mark: ClassVar[str] = "~"
    refusal: ClassVar[str] = (
        f"which does not say whose order of edges and operations it has: write the published string, such as "
        f"{NASBench201().describe((3, 3, 3, 1, 2, 3))!r}"
    )

    columns: tuple[str, ...] = (_TRUTH,)
    truth: str = _TRUTH

    @property
    def space(self) -> NASBench201:
        """The space with the benchmark's settings."""
        return NASBench201()

    def check_join(self, path: Path, table: Table) -> None:
        """Check sizes, cells that know no more than chance, and what the operations are worth."""
        check_sizes(path, self.space, table)
        self._check_chance(path, table)
        self._check_operations(path, table)

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


def _reaches_output(arch: Architecture) -> bool:
    """Whether operations that pass something on lead from the first node to the last."""
    reached = {0}
    for (source, target), operation in sorted(zip(EDGES, arch, strict=True)):
        if operation != NONE and source in reached:
            reached.add(target)
    return max(target for _, target in EDGES) in reached


def _table(name: str, task: str, classes: int, shape: tuple[int, ...] = ()) -> TopologyTable:
    return TopologyTable(name, task, source_of(name, "topology", _TRUTH), classes, shape)


CIFAR100 = _table("nasbench201-cifar100", "cifar100", 100)
IMAGENET16 = _table("nasbench201-imagenet16-120", "synthetic", 120, (3, 16, 16))
