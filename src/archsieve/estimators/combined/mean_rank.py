"""The mean rank: an architecture's average rank over several estimators."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve.errors import SettingError
from archsieve.estimators.contract import check_estimators, is_relative
from archsieve.values import check_list, check_number, check_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Scores


@dataclass(frozen=True)
class MeanRank:
    """Scores an architecture by its mean percentile rank over the parts, in [0, 1], higher is better.

    The percentile rank in a part is the share of the reference that is worse, ties counted half; NaN ranks lowest.
    Unlike `vote` it needs no threshold and tells all architectures apart.

    Args:
        parts: the estimators that rank.
        calibration: codes of the space to rank among; None for the codes being scored.
        weights: how much each part counts in the mean, one number a part, at least 0 and not all 0; None: all the same.
    """

    parts: tuple[AnyEstimator, ...] = field(metadata={"catalogue": "estimator"})
    calibration: int | None = None
    weights: tuple[float, ...] | None = field(default=None, metadata={"added": True})
    name: ClassVar[str] = "mean_rank"

    def __post_init__(self) -> None:
        """Check the settings; a list of parts becomes a tuple."""
        check_estimators(self.parts, "`parts`")
        object.__setattr__(self, "parts", tuple(self.parts))
        if not self.parts:
            raise SettingError("A mean rank needs at least one part, but got none.")
        if self.calibration is not None:
            check_whole("calibration", self.calibration, 1)
        if self.weights is not None:
            _check_weights(self.weights, len(self.parts))
            object.__setattr__(self, "weights", tuple(float(weight) for weight in self.weights))

    @property
    def version(self) -> int:
        """2 if a calibrated composite has a part whose scores depend on the pool, because those scores changed."""
        return 1 if self.calibration is None or not any(map(is_relative, self.parts)) else 2

    def combine(self, columns: NDArray[np.float64], reference: NDArray[np.float64]) -> Scores:
        """Return the mean percentile ranks, shape (n,), of columns (n, k) within the reference (m, k)."""
        ranks = [percentile_rank(columns[:, k], reference[:, k]) for k in range(columns.shape[1])]
        return np.asarray(np.average(ranks, axis=0, weights=self.weights), dtype=np.float64)


def _check_weights(weights: tuple[float, ...], parts: int) -> None:
    """Check that there is one weight per part, and that their weighted mean exists."""
    check_list("`weights`", weights, "numbers")
    for weight in weights:
        check_number("weights", weight)
    if len(weights) != parts:
        raise SettingError(
            f"A mean rank needs one weight for each of its {parts} parts, but got {len(weights)} weights: {weights}."
        )
    for weight in weights:
        if not (math.isfinite(weight) and weight >= 0):
            raise SettingError(f"Each weight must be a finite number of at least 0, but got {weight} in {weights}.")
    if not any(weights):
        raise SettingError(f"At least one weight must be above 0, but got {weights}.")


def percentile_rank(values: Scores, reference: Scores) -> Scores:
    """Return the share of the reference (m,) that is worse than each value (n,); ties count half.

    >>> percentile_rank(np.array([1.0, 2.0, np.nan]), np.array([1.0, 2.0, 3.0, np.nan]))
    array([0.375, 0.625, 0.125])
    """
    ordered = np.sort(np.where(np.isnan(reference), -np.inf, reference))
    filled = np.where(np.isnan(values), -np.inf, values)
    sides = [np.searchsorted(ordered, filled, side=side) for side in ("left", "right")]
    return np.asarray((sides[0] + sides[1]) / (2 * len(ordered)), dtype=np.float64)
