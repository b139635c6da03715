"""A Gaussian process over codes and features: the expected score of a network and its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, solve_triangular
from scipy.special import ndtri
from scipy.stats import rankdata

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from archsieve.estimators.contract import Scores

_BLOCK = 512  # networks predicted at a time
_DIGITS = 9  # by which two promises differ, so that rounding decides no tie


class Setting(NamedTuple):
    """One setting of the kernel: length scales over codes and features, and the share of noise."""

    code_length: float
    feature_length: float
    noise: float


GRID = tuple(Setting(*values) for values in product((0.25, 0.5, 1.0), (0.3, 0.8, 2.0), (0.01, 0.05, 0.2)))
"""The settings to choose from, by the likelihood of what is known."""


class Described(NamedTuple):
    """Networks as model inputs: decisions (n, d) compared for equality, and features (n, f) in [0, 1]."""

    decisions: NDArray[np.integer]
    features: NDArray[np.float64]

    def at(self, positions: NDArray[np.intp] | slice) -> Described:
        """Return the networks at these positions."""
        return Described(self.decisions[positions], self.features[positions])


def normal_scores(scores: Scores) -> Scores:
    """Return each score's rank among all as a normal quantile; ties share one, NaN is lowest.

    Only the order of the scores counts, so that a few failed trainings do not hide what tells the best apart.

    >>> normal_scores(np.array([90.0, float("nan"), 91.0, -np.inf])).round(2)
    array([ 0.32, -1.15,  1.15, -0.32])
    """
    is_score = ~np.isnan(scores)
    places = np.full(len(scores), (1 + np.sum(~is_score)) / 2)
    places[is_score] = np.sum(~is_score) + rankdata(scores[is_score])
    return np.asarray(ndtri((places - 0.5) / max(1, len(scores))), dtype=np.float64)


def percentiles(values: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the reference (m, f) that is worse than each value (n, f); ties count half, NaN is lowest.

    >>> percentiles(np.array([[1.0], [np.nan]]), np.array([[1.0], [2.0], [3.0], [np.nan]])).tolist()
    [[0.375], [0.125]]
    """
    shares = np.empty(values.shape)
    for k in range(values.shape[1]):
        ordered = np.sort(np.where(np.isnan(reference[:, k]), -np.inf, reference[:, k]))
        filled = np.where(np.isnan(values[:, k]), -np.inf, values[:, k])
        below, upto = (np.searchsorted(ordered, filled, side=side) for side in ("left", "right"))
        shares[:, k] = (below + upto) / (2 * max(1, len(ordered)))
    return shares


@dataclass(frozen=True, eq=False)
class Model:
    """A Gaussian process with the kernel setting of highest likelihood.

    The kernel is the product of an exponential of the share of decisions that differ and a squared exponential of the
    mean squared difference of features.

    Args:
        known: the networks that it learnt from.
        setting: of the kernel.
        factor: the Cholesky factor of the kernel among them, noise included.
        weights: of each of them.
        variance: before anything is known.
    """

    known: Described
    setting: Setting
    factor: NDArray[np.float64]
    weights: NDArray[np.float64]
    variance: float

    @classmethod
    def fitted(cls, known: Described, targets: Scores, grid: Iterable[Setting] = GRID) -> Model:
        """Return the model fitted to networks and their targets (n,), for example normal scores."""
        differing, distances = _distances(known, known)
        has_features = known.features.shape[1] > 0
        settings = grid if has_features else {s._replace(feature_length=1.0): None for s in grid}
        best: tuple[float, Model] | None = None
        for setting in settings:
            kernel = _kernel(differing, distances, setting)
            kernel[np.diag_indices_from(kernel)] += setting.noise
            try:
                factor, _ = cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
            except LinAlgError:
                continue
            weights = cho_solve((factor, True), targets, check_finite=False)
            variance = max(float(targets @ weights) / len(targets), 1e-6)
            likelihood = -0.5 * len(targets) * np.log(variance) - np.log(np.diag(factor)).sum()
            if best is None or likelihood > best[0] + 1e-9:
                best = float(likelihood), cls(known, setting, factor, weights, variance)
        if best is None:
            raise ArithmeticError("No kernel of the grid could be factored.")
        return best[1]

    def predict(self, networks: Described) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of the predicted targets, shape (n,) each."""
        kernel = _kernel(*_distances(networks, self.known), self.setting)
        explained = solve_triangular(self.factor, kernel.T, lower=True, check_finite=False)
        left = np.maximum(1.0 - np.einsum("ij,ij->j", explained, explained), 0.0)
        return kernel @ self.weights, np.sqrt(self.variance * left)

    def mean(self, networks: Described) -> NDArray[np.float64]:
        """Return only the mean, in a tenth of the time."""
        blocks = (networks.at(slice(start, start + _BLOCK)) for start in range(0, len(networks.decisions), _BLOCK))
        parts = [_kernel(*_distances(block, self.known), self.setting) @ self.weights for block in blocks]
        return np.concatenate(parts) if parts else np.empty(0)

    def most_promising(
        self, networks: Described, count: int, deviations: float, prior: Scores | None = None
    ) -> NDArray[np.intp]:
        """Return the positions of the `count` networks with the highest upper confidence bound, best first.

        Networks are looked at in the order of their means, and no further than one could still be among them. `prior`
        (n,) is added to the means.
        """
        offset = np.zeros(len(networks.decisions)) if prior is None else prior
        means = np.round(offset + self.mean(networks), _DIGITS)
        order = np.argsort(-means, kind="stable")
        promises = np.full(len(means), -np.inf)
        largest = max(deviations, 0.0) * float(np.sqrt(self.variance))
        for start in range(0, len(order), _BLOCK):
            block = order[start : start + _BLOCK]
            if start >= count and np.sort(promises)[-count] >= means[block[0]] + largest:
                break
            mean, deviation = self.predict(networks.at(block))
            promises[block] = np.round(offset[block] + mean + deviations * deviation, _DIGITS)
        return np.argsort(-promises, kind="stable")[:count]


def _kernel(differing: NDArray[np.float64], distances: NDArray[np.float64], setting: Setting) -> NDArray[np.float64]:
    exponents = differing / -setting.code_length
    exponents += distances / (-2.0 * setting.feature_length**2)
    return np.exp(exponents, out=exponents)


def _distances(some: Described, others: Described) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of differing decisions, and the mean squared feature difference, both (n, m)."""
    differing = np.zeros((len(some.decisions), len(others.decisions)))
    for k in range(some.decisions.shape[1]):
        differing += some.decisions[:, k, None] != others.decisions[None, :, k]
    squared = np.zeros_like(differing)
    for k in range(some.features.shape[1]):
        squared += (some.features[:, k, None] - others.features[None, :, k]) ** 2
    return differing / max(1, some.decisions.shape[1]), squared / max(1, some.features.shape[1])
