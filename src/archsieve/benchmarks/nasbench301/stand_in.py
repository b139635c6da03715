"""A stand-in for NAS-Bench-301's surrogate: boosted trees fitted to 250 published cells, in plain numpy.

Made by `studies/make_standin301.py`, which also wrote the card beside the file: what it learnt from, and how well it
predicts cells it has not seen. It holds splits and leaves, and none of the published rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve._arrays import read_arrays
from archsieve._reading import parse_json, read_text
from archsieve.benchmarks.contract import Benchmark
from archsieve.benchmarks.digits import PackageSource
from archsieve.benchmarks.file_table import read_once
from archsieve.benchmarks.files import fault
from archsieve.benchmarks.records import Surrogate, mean_of_rows
from archsieve.spaces.darts.cell import (
    DILATED_3,
    DILATED_5,
    INPUTS,
    NODES,
    OPERATIONS,
    SEPARABLE_3,
    SEPARABLE_5,
    cells_of,
    edges_of,
)
from archsieve.spaces.darts.space import DARTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture

FILE = "nasbench301-standin.npz"
COLUMN = "standin_accuracy"
POINTWISE = {SEPARABLE_3: 2, SEPARABLE_5: 2, DILATED_3: 1, DILATED_5: 1}
"""1x1 convolutions of an operation."""
_WEIGHTS = (21, 10)  # of a 1x1 convolution on an edge: parameters in all normal cells to those in all reduction cells
_SOURCE = PackageSource(
    FILE,
    "this package",
    "Apache-2.0",
    "studies/make_standin301.py",
    "4c9e342a7599526295d381b1d340bb98c3616a37e03d42ab13b72925c5fcd689",
)
_CHUNK = 256  # codes at a time: some ten megabytes


@dataclass(frozen=True)
class StandIn(Benchmark):
    """`standin_accuracy`: the validation accuracy in percent that an ensemble of boosted trees predicts for any code.

    Made by members that each learnt from a bootstrap sample of the cells. What they differ by is stretched so that, in
    cross-validation, 68 % of the values lie within one spread of the prediction.

    >>> STANDIN.truth, STANDIN.space.name
    ('standin_accuracy', 'darts')
    """

    name: str = "nasbench301-standin"
    task: str = "cifar10"
    source: PackageSource = _SOURCE
    columns: tuple[str, ...] = (COLUMN,)
    truth: str = COLUMN

    @property
    def space(self) -> DARTS:
        """The space with the benchmark's settings."""
        return DARTS()

    @property
    def caution(self) -> str:
        """The sentence of caution shown beside its values."""
        tau = self.card()["cross_validation"]["tau"]
        return (
            f"Stand-in surrogate: no network was trained; a model fitted to {self.card()['count']} published cells "
            f"predicts it (tau with those it has not seen: {tau['mean']:.2f})."
        )

    def card(self) -> dict[str, Any]:
        """Return the training data of the model and its measured prediction error."""
        path = self.source.require().with_suffix(".json")
        try:
            return parse_json(read_text(path))  # type: ignore[no-any-return]
        except (OSError, ValueError) as error:
            raise fault(path, f"is damaged: reinstall archsieve ({error})") from error

    @read_once
    def load(self) -> Surrogate:
        """Read the trees.

        Raises:
            DataError: the file is damaged: the package is not whole.
        """
        return Surrogate({COLUMN: Trees.read(self.source.require_known()).predict})


@dataclass(frozen=True, eq=False)
class Trees:
    """An ensemble of m members, each a sum of t complete trees with k splits and k + 1 leaves.

    Node i goes on to 2 i + 1 where the feature is at most the threshold, and else to 2 i + 2.

    Args:
        feature: of each split, shape (m, t, k).
        threshold: of each split, shape (m, t, k).
        leaf: values, shape (m, t, k + 1).
        base: the constant of each member, to which its trees add, shape (m,).
        stretch: factor of the members' deviations from their mean.
    """

    feature: NDArray[np.integer]
    threshold: NDArray[np.floating]
    leaf: NDArray[np.floating]
    base: NDArray[np.floating]
    stretch: float

    @classmethod
    def read(cls, path: Path) -> Trees:
        """Read the trees of a file.

        Raises:
            DataError: it is damaged.
        """
        try:
            *parts, stretch = read_arrays(path, ("feature", "threshold", "leaf", "base", "stretch")).values()
        except (OSError, ValueError) as error:
            raise fault(path, f"is damaged: reinstall archsieve ({error})") from error
        feature, threshold, leaf, base = parts
        members, trees, splits = feature.shape if feature.ndim == 3 else (0, 0, 0)
        shapes = [(members, trees, splits), (members, trees, splits + 1), (members,)]
        if [p.shape for p in parts[1:]] != shapes or (splits & (splits + 1)) or feature.max() >= features([]).shape[1]:
            raise fault(path, "holds no complete trees over these features: reinstall archsieve")
        return cls(feature, threshold, leaf, base, float(stretch))

    def predict(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the members' predictions, shape (m, n)."""
        predictions = self.members(features(archs))
        mean = mean_of_rows(predictions)
        return mean + self.stretch * (predictions - mean)

    def members(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the members' predictions for rows of features, shape (m, n)."""
        parts = [self._members(rows[i : i + _CHUNK]) for i in range(0, len(rows), _CHUNK)]
        return np.concatenate(parts, axis=1) if parts else np.empty((len(self.base), 0))

    def _members(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        count, (members, trees, splits) = len(rows), self.feature.shape
        every, row = np.arange(members * trees), np.arange(count)[:, None]
        feature, threshold = (part.reshape(members * trees, splits) for part in (self.feature, self.threshold))
        node = np.zeros((count, members * trees), dtype=np.int64)
        for _ in range(self._depth):
            node = 2 * node + 1 + (rows[row, feature[every, node]] > threshold[every, node])
        leaves = self.leaf.reshape(members * trees, splits + 1)[every, node - splits]
        sums = leaves.reshape(count, members, trees).sum(axis=2, dtype=np.float64)
        return np.ascontiguousarray((sums + self.base).T)

    @cached_property
    def _depth(self) -> int:
        return int(self.feature.shape[2] + 1).bit_length() - 1


def features(archs: Sequence[Architecture]) -> NDArray[np.float32]:
    """Return the features of codes for the trees, shape (n, 261).

    Of each cell: which operation is on which edge; how many of each there are on edges from inputs, from nodes, and in
    all; of each node the longest way from an input, in edges and in 1x1 convolutions, and its mean; the edges from
    inputs; the 1x1 convolutions. And those of both, weighted, for the size of the network. Whole numbers and quarters,
    so that a threshold between two is exact.
    """
    rows = np.empty((len(archs), 2 * 130 + 1), dtype=np.float32)
    for row, arch in zip(rows, archs, strict=True):
        cells = [_cell(code) for code in cells_of(arch)]
        size = sum(weight * cell[-1] for weight, cell in zip(_WEIGHTS, cells, strict=True))
        row[:] = [*cells[0], *cells[1], size]
    return rows


def _cell(code: Architecture) -> list[float]:
    """Return the features of one cell; the last is its number of 1x1 convolutions."""
    wired = np.zeros((sum(NODES), len(OPERATIONS)))
    origins = np.zeros((2, len(OPERATIONS)))
    edges, convolutions = dict.fromkeys(INPUTS, 0), dict.fromkeys(INPUTS, 0)
    pointwise = 0
    for source, target, operation in edges_of(code):
        wired[sum(range(NODES[0], target)) + source, operation] = 1
        origins[int(source not in INPUTS), operation] += 1
        own = POINTWISE.get(operation, 0)
        edges[target] = max(edges.get(target, 0), edges[source] + 1)
        convolutions[target] = max(convolutions.get(target, 0), convolutions[source] + own)
        pointwise += own
    ways, deep = ([lengths[node] for node in NODES] for lengths in (edges, convolutions))
    counts = [*origins.ravel(), *origins.sum(axis=0)]
    return [*wired.ravel(), *counts, *ways, *deep, sum(deep) / len(deep), origins[0].sum(), pointwise]


STANDIN = StandIn()
