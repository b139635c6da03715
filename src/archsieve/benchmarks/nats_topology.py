"""NATS-Bench's topology space on CIFAR-100 and ImageNet16-120: a user's own table, one row a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archsieve.benchmarks.foreign_codes import check_sizes
from archsieve.benchmarks.nats import NATSTable, source_of
from archsieve.benchmarks.topology_join import all_codes, check_accuracies
from archsieve.spaces.nasbench201.space import NASBench201

if TYPE_CHECKING:
    from pathlib import Path

    from archsieve.benchmarks.records import Table

TRUTH = "test_acc_200"


@dataclass(frozen=True)
class TopologyTable(NATSTable):
    """All 15,625 cells on one data set; `test_acc_200` is the accuracy in percent.

    `arch_str` is the published string of a cell, which names the operation and the source of every edge. Accuracies
    must be those of the cells (`topology_join.check_accuracies`), and so must columns of sizes.
    """

    mark: ClassVar[str] = "~"
    refusal: ClassVar[str] = (
        f"which does not say whose order of edges and operations it has: write the published string, such as "
        f"{NASBench201().describe((3, 3, 3, 1, 2, 3))!r}"
    )
    columns: tuple[str, ...] = (TRUTH,)
    truth: str = TRUTH

    @property
    def space(self) -> NASBench201:
        """The space with the benchmark's settings."""
        return NASBench201()

    def check_join(self, path: Path, table: Table) -> None:
        """Check that sizes and accuracies are those of the cells.

        Raises:
            DataError: they are not.
        """
        check_sizes(path, self.space, table)
        for column in self.accuracies_in(table):
            check_accuracies(path, table.lookup(column, all_codes()), 100 / self.classes, column)


def _table(name: str, task: str, classes: int, shape: tuple[int, ...] = ()) -> TopologyTable:
    return TopologyTable(name, task, source_of(name, "topology", TRUTH), classes, shape)


CIFAR100 = _table("nasbench201-cifar100", "cifar100", 100)
IMAGENET16 = _table("nasbench201-imagenet16-120", "synthetic", 120, (3, 16, 16))
