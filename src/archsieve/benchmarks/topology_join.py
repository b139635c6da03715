"""Checks that accuracies are those of the cells of NAS-Bench-201's space, whichever data set they are of."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from archsieve.benchmarks.files import fault
from archsieve.benchmarks.joined import wrong_join
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.nasbench201.cell import CONV1, CONV3, EDGES, NONE, OPERATIONS, POOL, SKIP
from archsieve.spaces.nasbench201.space import NASBench201

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture

_FACTOR = 2  # by which a cell without input may be above chance, and below
_FLOOR = 0.75  # share of the lowest accuracy of a cell without input, below which no other cell is; answers vary
_LEAST_KNOWN = 0.5  # share of the codes with a value, below which only cells without input are checked
_LEAST_SPREAD, _MORE = 1e-4, 1.25  # of CIFAR-10: 2e-4, and 20 times that if another operation were the skip
_MIRROR = (5, 4, 2, 3, 1, 0)  # the edges of a cell, read from its output to its input
_MIRRORED = 0.1  # the opposite of a correlation with the gains below, which is .41 to .48 for columns of CIFAR-10
_GAINS = {
    (0, 5): (0.00, 0.03, 0.19, 0.40, -0.63),
    (1, 4): (-0.14, 0.04, 0.19, 0.27, -0.35),
}
"""Percent of accuracy by which a cell gains over its mirror image, by the operation on the first edge of a pair.

Least squares over all cells of NATS-Bench's test accuracies on CIFAR-10 (arXiv 2009.00437), operations in order.
"""


def check_accuracies(path: Path, values: NDArray[np.float64], chance: float, column: str) -> None:
    """Check that accuracies of all codes, in order, are those of the cells of these codes.

    Cells whose output no input reaches are near chance. Cells that are one network agree more than if another operation
    were the skip. Accuracy rises from poolings to 1x1 and to 3x3 convolutions. A convolution is worth more, and a
    pooling less, near the input than near the output. On published accuracies these refuse every other order of
    operations, and every other order of edges.

    Args:
        path: the file, for the messages.
        values: in percent; NaN where one is missing.
        chance: the accuracy of a guess, in percent.
        column: title of the column, for the messages.

    Raises:
        DataError: they are not.
    """
    check_chance(path, values, chance, column)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) >= _LEAST_KNOWN * len(values):
        _check_skip(path, values, known, column)
        _check_operations(path, values, known, column)
        _check_direction(path, values, column)


@cache
def all_codes() -> tuple[Architecture, ...]:
    """Return the codes of the space in order."""
    return tuple(enumerate_space(NASBench201()))


def check_chance(path: Path, values: NDArray[np.float64], chance: float, column: str) -> None:
    """Check that no cell is far below chance, and that those without a path from input to output are not above.

    A cell with such a path must not be below all those without one, which always answer the same.
    """
    without = values[_unreached() & np.isfinite(values)]
    could_be_fraction = chance < _FACTOR  # a fraction may be more than half of chance
    floor = _FLOOR * float(without.min(initial=chance)) if could_be_fraction else chance / _FACTOR
    for row in np.flatnonzero((values < chance / _FACTOR) | (~_unreached() & (values < floor))):
        raise fault(
            path,
            f"holds the accuracy {values[row]:g} as {column} of {NASBench201().describe(all_codes()[row])!r}, "
            f"less than chance, which is {chance:.3g} percent: it is a fraction, or of another data set",
        )
    for row in np.flatnonzero(_unreached() & (values > chance * _FACTOR)):
        raise wrong_join(
            path,
            f"holds the accuracy {values[row]:g} as {column} of {NASBench201().describe(all_codes()[row])!r}, "
            f"whose output no input reaches: chance is {chance:.3g}",
            "operations renumbered, or edges or rows in another order",
        )


def _check_skip(path: Path, values: NDArray[np.float64], known: NDArray[np.intp], column: str) -> None:
    """Check that cells of one network agree more than those that would be one, were another operation the skip."""
    spread = {option: _spread_within_networks(values, known, option) for option in (SKIP, CONV1, CONV3, POOL)}
    likeliest = min(spread, key=spread.__getitem__)
    if spread[SKIP] > max(_LEAST_SPREAD, _MORE * spread[likeliest]):
        raise wrong_join(
            path,
            f"has accuracies in its column {column!r} that differ more between cells that are one network "
            f"({spread[SKIP]:.2g} of the variance) than if {OPERATIONS[likeliest]} were the skip "
            f"({spread[likeliest]:.2g})",
            "operations renumbered",
        )


def _check_operations(path: Path, values: NDArray[np.float64], known: NDArray[np.intp], column: str) -> None:
    """Check that mean accuracy rises from pooling to 1x1 and to 3x3 convolutions, as in all published data sets."""
    counts = [(_codes()[known] == option).sum(axis=1) for option in (POOL, CONV1, CONV3)]
    means = [float(np.average(values[known], weights=count)) for count in counts]
    if not means[0] < means[1] < means[2]:
        by_name = ", ".join(f"{OPERATIONS[o]} {m:.2f}" for o, m in zip((POOL, CONV1, CONV3), means, strict=True))
        raise wrong_join(
            path,
            f"has accuracies in its column {column!r} that do not rise from poolings to 1x1 and 3x3 convolutions "
            f"(means by operation: {by_name})",
            "operations renumbered",
        )


def _check_direction(path: Path, values: NDArray[np.float64], column: str) -> None:
    """Check that operations gain near the input or near the output where they do on CIFAR-10."""
    gains = values - values[_rows_of(_codes()[:, list(_MIRROR)])]
    gains = np.where(np.isfinite(gains), gains, 0.0)
    lengths = float(np.linalg.norm(gains) * np.linalg.norm(_known_gains()))
    if lengths > 0 and (agreement := float(gains @ _known_gains()) / lengths) < -_MIRRORED:
        raise wrong_join(
            path,
            f"has accuracies in its column {column!r} that fit cells read from output to input better than cells read "
            f"from input to output (correlation {agreement:.2f} with what operations gain near the input)",
            "edges in another order",
        )


@cache
def _known_gains() -> NDArray[np.float64]:
    """Return by how much each cell should be better than its mirror image."""
    gains = np.zeros(len(all_codes()))
    for (first, last), by_operation in _GAINS.items():
        gains += np.array(by_operation)[_codes()[:, first]] - np.array(by_operation)[_codes()[:, last]]
    return gains


@cache
def _codes() -> NDArray[np.int64]:
    return np.array(all_codes())


@cache
def _unreached() -> NDArray[np.bool_]:
    return np.array([not _reaches_output(arch) for arch in all_codes()])


def _rows_of(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the places of codes among all codes, in order."""
    places: NDArray[np.int64] = codes @ len(OPERATIONS) ** np.arange(len(EDGES) - 1, -1, -1)
    return places


@cache
def _networks() -> NDArray[np.int64]:
    """Return the number of the network of each code, in order of the codes."""
    canonical = _rows_of(np.array([NASBench201().canonical(arch) for arch in all_codes()]))
    return np.unique(canonical, return_inverse=True)[1]


def _spread_within_networks(values: NDArray[np.float64], known: NDArray[np.intp], skip: int) -> float:
    """Return the share of the variance that lies between cells of one network, if `skip` were the skip; in [0, 1]."""
    numbers = np.arange(len(OPERATIONS))
    numbers[[SKIP, skip]] = numbers[[skip, SKIP]]
    networks, values = _networks()[_rows_of(numbers[_codes()[known]])], values[known]
    means = np.bincount(networks, values) / np.maximum(np.bincount(networks), 1)
    total = float(values.var())
    return float(np.mean((values - means[networks]) ** 2)) / total if total > 0 else 0.0


def _reaches_output(arch: Architecture) -> bool:
    """Whether the operations that pass data on connect the first node to the last."""
    reached = {0}
    for (source, target), operation in sorted(zip(EDGES, arch, strict=True)):
        if operation != NONE and source in reached:
            reached.add(target)
    return max(target for _, target in EDGES) in reached
