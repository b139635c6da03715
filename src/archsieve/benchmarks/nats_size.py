"""NATS-Bench's size space: a user's own table of accuracies, one row per network."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from archsieve.benchmarks.agreement import rank_correlation
from archsieve.benchmarks.files import fault
from archsieve.benchmarks.foreign_codes import is_size
from archsieve.benchmarks.joined import CODE_COLUMN, check_no_single_fraction, wrong_join
from archsieve.benchmarks.nats import NATSTable, source_of
from archsieve.spaces.nasbench201.size_space import NATSSize

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.benchmarks.records import Table
    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task

_COMPARED = 1_500  # rows, at equal steps
_LEAST = 0.3  # rank correlation of accuracy and multiply-adds of a right join
_LEAST_RISE = (
    0.6  # rank correlation of channels with the means of 4,096 networks that have them; 0.33 if shifted by one
)
_OF_CHANCE = 1.2  # times chance: all of these networks learn something in 90 epochs
_OF_CHANCE_EARLY = 0.5  # what is certain of other columns, such as those after one epoch
_TRUTH = "test_acc_90"
_TASK = cast("Task", SimpleNamespace(input_shape=(3, 32, 32), num_outputs=10))  # rankings are the same for other forms


@dataclass(frozen=True)
class SizeTable(NATSTable):
    """All 32,768 networks of the size space on a data set; `test_acc_90` is the accuracy in percent.

    `arch_str` is the published string of channels, as "64:64:64:64:64". Accuracy must rise with the multiply-adds of
    the strings, and more so than with those of the strings read backwards. A column of parameters or multiply-adds
    must follow those of the strings more than those of strings with two numbers exchanged. Without such a column,
    strings with two neighbouring numbers exchanged are not told from right ones, and a remark says so.
    """

    mark: ClassVar[str] = ":"
    refusal: ClassVar[str] = (
        "which does not say whose numbers these are: write the published string of channels, such as '64:64:64:64:64'"
    )

    columns: tuple[str, ...] = (_TRUTH,)
    truth: str = _TRUTH

    @property
    def space(self) -> NATSSize:
        """The space."""
        return NATSSize()

    def check_join(self, path: Path, table: Table) -> None:
        """Check that accuracy correlates with network size, and not with that of the reversed strings."""
        step = max(1, len(table.archs) // _COMPARED)
        archs, values = table.archs[::step], table.columns[self.truth][::step]
        forwards, backwards = (
            rank_correlation(self._macs(some), values) for some in (archs, [arch[::-1] for arch in archs])
        )
        if forwards < _LEAST or backwards > forwards:
            raise wrong_join(
                path,
                f"has accuracies that do not follow the sizes of its networks (rank correlation {forwards:.2f}; read "
                f"backwards {backwards:.2f})",
                "channels or rows in another order",
            )

        for title in self.accuracies_in(table):
            times = _OF_CHANCE if title == self.truth else _OF_CHANCE_EARLY
            check_no_single_fraction(path, self.space, table, (title,), 100 / self.classes * times)
        self._check_channels(path, table)
        for title in filter(is_size, table.columns):
            self._check_order(path, title, archs, table.columns[title][::step])

    def remarks(self, table: Table) -> tuple[str, ...]:
        """Return what could not be checked: the order of neighbouring numbers, without a column of sizes."""
        if any(map(is_size, table.columns)):
            return ()
        return (
            f"{self.name}: the file has no column of parameters or multiply-adds, so that the order of the channels "
            f"in {CODE_COLUMN} was not fully checked: two numbers of a string exchanged would go unnoticed. Add a "
            f"column params or flops of the published sizes.",
        )

    def _check_channels(self, path: Path, table: Table) -> None:
        """Check that mean accuracy rises with the channels of every part, as it does not where rows are shifted."""
        values, codes = table.columns[self.truth], np.array(table.archs)
        for place in range(codes.shape[1]):
            means = np.bincount(codes[:, place], values) / np.bincount(codes[:, place])
            if (agreed := rank_correlation(np.arange(len(means)), means)) < _LEAST_RISE:
                raise wrong_join(
                    path,
                    f"has accuracies whose means do not rise with number {place + 1} of its strings (rank correlation "
                    f"{agreed:.2f}, and {_LEAST_RISE} is needed)",
                    "channels or rows in another order, or rows shifted",
                )

    def _check_order(self, path: Path, title: str, archs: Sequence[Architecture], sizes: NDArray[np.float64]) -> None:
        """Check that sizes follow those of the strings more than those of strings with two numbers exchanged."""
        count = self._params if "param" in title.lower() else self._macs
        if not (np.isfinite(sizes).all() and np.ptp(sizes) > 0):
            raise fault(path, f"holds in its column {title!r} no sizes: each must be a number, and they must differ")
        own = rank_correlation(count(archs), sizes)
        for first, second in itertools.combinations(range(len(archs[0])), 2):
            order = list(range(len(archs[0])))
            order[first], order[second] = second, first
            if (agreed := rank_correlation(count([tuple(arch[o] for o in order) for arch in archs]), sizes)) > own:
                raise wrong_join(
                    path,
                    f"has a column {title!r} that follows the sizes of its strings less (rank correlation {own:.4f}) "
                    f"than if their numbers {first + 1} and {second + 1} were exchanged ({agreed:.4f})",
                    "channels in another order",
                )

    def _params(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        return np.array([self.space.params(arch, _TASK) for arch in archs], dtype=np.float64)

    def _macs(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        return np.array([self.space.macs(arch, _TASK) for arch in archs], dtype=np.float64)


def _table(data_set: str, task: str, classes: int, shape: tuple[int, ...] = ()) -> SizeTable:
    name = f"nats-size-{data_set}"
    return SizeTable(name, task, source_of(name, "size", _TRUTH), classes, shape)


CIFAR10 = _table("cifar10", "cifar10", 10)
CIFAR100 = _table("cifar100", "cifar100", 100)
IMAGENET16 = _table("imagenet16-120", "synthetic", 120, (3, 16, 16))
