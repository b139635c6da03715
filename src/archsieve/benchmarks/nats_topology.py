"""NATS-Bench's topology space on CIFAR-100 and ImageNet16-120: a user's own table, one row a cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve.benchmarks.files import fault
from archsieve.benchmarks.foreign_codes import check_sizes
from archsieve.benchmarks.nasbench201 import CIFAR10
from archsieve.benchmarks.nats import NATSTable, source_of
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.nasbench201.cell import CONV1, CONV3, EDGES, NONE, OPERATIONS, POOL, SKIP
from archsieve.spaces.nasbench201.space import NASBench201

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.benchmarks.records import Table
    from archsieve.spaces.contract import Architecture

_TRUTH = "test_acc_200"
_LEAST_SPREAD, _MORE = 1e-4, 1.25  # of CIFAR-10: 2e-4, and 20 times that if another operation were the skip
_MIRROR = (5, 4, 2, 3, 1, 0)  # the edges of a cell, read from its output to its input
_MIRRORED = 0.2  # the opposite of a correlation with CIFAR-10's gains over mirror images


@dataclass(frozen=True)
class TopologyTable(NATSTable):
    """All 15,625 cells on another data set; `test_acc_200` is the accuracy in percent.

    `arch_str` is the published string of a cell, which names the operation and the source of every edge. A cell whose
    output no input reaches must have an accuracy near chance; cells that are one network must agree more than if
    another operation were the skip; cells must do better by their 3x3 convolutions than by their 1x1 convolutions, and
    by these than by poolings; columns of sizes must be those of the cells. These refuse every other order of edges and
    of operations but one: edges read from the output to the input. Where the table of CIFAR-10 is at hand, it refuses
    that one.
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
        """Check the sizes, the cells at chance level, and the mean accuracy by operation and by order of the edges."""
        check_sizes(path, self.space, table)
        self.check_values(path, table.lookup(self.truth, _all_codes()))

    def check_values(self, path: Path, values: NDArray[np.float64]) -> None:
        """Check that accuracies of all codes, in order, are those of the cells of these codes.

        Raises:
            DataError: they are not.
        """
        self._check_chance(path, values)
        self._check_skip(path, values)
        self._check_operations(path, values)
        self._check_direction(path, values)

    def _check_chance(self, path: Path, values: NDArray[np.float64]) -> None:
        """Check that cells without a path from input to output have chance accuracy."""
        chance = 100 / self.classes
        for row in np.flatnonzero(_unreached() & (values > 2 * chance)):
            raise fault(
                path,
                f"holds the accuracy {values[row]:g} for {self.space.describe(_all_codes()[row])!r}, whose output no "
                f"input reaches: chance is {chance:.3g}. Its rows and their architectures do not belong together "
                f"(operations renumbered, or edges in another order)",
            )

    def _check_skip(self, path: Path, values: NDArray[np.float64]) -> None:
        """Check that cells of one network agree more than those that would be one, were another operation the skip."""
        spread = {option: _spread_within_networks(values, option) for option in (SKIP, CONV1, CONV3, POOL)}
        likeliest = min(spread, key=spread.__getitem__)
        if spread[SKIP] > max(_LEAST_SPREAD, _MORE * spread[likeliest]):
            raise fault(
                path,
                f"has accuracies that differ more between cells that are one network ({spread[SKIP]:.2g} of the "
                f"variance) than if {OPERATIONS[likeliest]} were the skip ({spread[likeliest]:.2g}). Its rows and "
                f"their architectures do not belong together (operations renumbered)",
            )

    def _check_operations(self, path: Path, values: NDArray[np.float64]) -> None:
        """Check that mean accuracy rises from pooling to 1x1 and to 3x3 convolutions, as in all published data sets."""
        counts = [(_codes() == option).sum(axis=1) for option in (POOL, CONV1, CONV3)]
        means = [float(np.average(values, weights=count)) for count in counts]
        if not means[0] < means[1] < means[2]:
            shown_means = ", ".join(
                f"{OPERATIONS[o]} {m:.2f}" for o, m in zip((POOL, CONV1, CONV3), means, strict=True)
            )
            raise fault(
                path,
                f"has accuracies that do not rise from poolings to 1x1 and 3x3 convolutions (means by operation: "
                f"{shown_means}). Its rows and their architectures do not belong together (operations renumbered)",
            )

    def _check_direction(self, path: Path, values: NDArray[np.float64]) -> None:
        """Check that the cells that are better than their mirror images are so on CIFAR-10, if its table is here."""
        if not CIFAR10.is_present():
            return
        mirrored = _rows_of(_codes()[:, list(_MIRROR)])
        known = CIFAR10.load().lookup(CIFAR10.truth, _all_codes())
        gains, known_gains = values - values[mirrored], known - known[mirrored]
        lengths = float(np.linalg.norm(gains) * np.linalg.norm(known_gains))
        if lengths > 0 and (agreement := float(gains @ known_gains) / lengths) < -_MIRRORED:
            raise fault(
                path,
                f"has accuracies by which cells read from output to input follow those on CIFAR-10 better than cells "
                f"read from input to output (correlation {agreement:.2f} of the differences). Its rows and their "
                f"architectures do not belong together (edges in another order)",
            )


@cache
def _all_codes() -> tuple[Architecture, ...]:
    return tuple(enumerate_space(NASBench201()))


@cache
def _codes() -> NDArray[np.int64]:
    return np.array(_all_codes())


@cache
def _unreached() -> NDArray[np.bool_]:
    return np.array([not _reaches_output(arch) for arch in _all_codes()])


def _rows_of(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of codes among all codes, in order."""
    places: NDArray[np.int64] = codes @ len(OPERATIONS) ** np.arange(len(EDGES) - 1, -1, -1)
    return places


@cache
def _networks() -> NDArray[np.int64]:
    """Return the number of the network of each code, in order of the codes."""
    canonical = _rows_of(np.array([NASBench201().canonical(arch) for arch in _all_codes()]))
    return np.unique(canonical, return_inverse=True)[1]


def _spread_within_networks(values: NDArray[np.float64], skip: int) -> float:
    """Return the share of the variance that lies between cells of one network, if `skip` were the skip; in [0, 1]."""
    numbers = np.arange(len(OPERATIONS))
    numbers[[SKIP, skip]] = numbers[[skip, SKIP]]
    networks = _networks()[_rows_of(numbers[_codes()])]
    means = np.bincount(networks, values) / np.bincount(networks)
    total = float(values.var())
    return float(np.mean((values - means[networks]) ** 2)) / total if total > 0 else 0.0


def _reaches_output(arch: Architecture) -> bool:
    """Whether the operations that pass data on connect the first node to the last."""
    reached = {0}
    for (source, target), operation in sorted(zip(EDGES, arch, strict=True)):
        if operation != NONE and source in reached:
            reached.add(target)
    return max(target for _, target in EDGES) in reached


def _table(name: str, task: str, classes: int, shape: tuple[int, ...] = ()) -> TopologyTable:
    return TopologyTable(name, task, source_of(name, "topology", _TRUTH), classes, shape)


CIFAR100 = _table("nasbench201-cifar100", "cifar100", 100)
IMAGENET16 = _table("nasbench201-imagenet16-120", "synthetic", 120, (3, 16, 16))
