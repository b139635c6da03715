"""The vote: an architecture passes if enough estimators rank it high."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, floor
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve.errors import SettingError
from archsieve.estimators.contract import check_estimators, is_relative
from archsieve.values import check_number, check_whole, exact

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Scores


@dataclass(frozen=True)
class Vote:
    """Scores an architecture by the number of parts whose score for it is strictly above their quantile.

    In 0..k for k parts, higher is better; "at least 2 of 3" is a stage with `above = 1`. The first stage of the
    pipelines of "Good Performance Estimation strategies are All You Need in NAS" (TPAMI 2025), which takes l2_norm,
    nwot and zen at the 0.8 quantile. Quantiles interpolate linearly; NaN gets no vote and ranks lowest.

    Args:
        parts: the estimators that vote.
        quantile: in [0, 1), of each part's scores over the reference.
        calibration: codes of the space to take quantiles over; None for the codes being scored.
    """

    parts: tuple[AnyEstimator, ...] = field(metadata={"catalogue": "estimator"})
    quantile: float = 0.8
    calibration: int | None = None
    name: ClassVar[str] = "vote"

    def __post_init__(self) -> None:
        """Check the settings; a list of parts becomes a tuple."""
        check_estimators(self.parts, "`parts`")
        object.__setattr__(self, "parts", tuple(self.parts))
        if not self.parts:
            raise SettingError("A vote needs at least one part, but got none.")
        check_number("quantile", self.quantile)
        if not 0 <= self.quantile < 1:
            raise SettingError(f"`0 <= quantile < 1` must hold, but got quantile={self.quantile}.")
        if self.calibration is not None:
            check_whole("calibration", self.calibration, 1)

    @property
    def version(self) -> int:
        """2 if a calibrated composite has a part whose scores depend on the pool, because those scores changed."""
        return 1 if self.calibration is None or not any(map(is_relative, self.parts)) else 2

    def combine(self, columns: NDArray[np.float64], reference: NDArray[np.float64]) -> Scores:
        """Return the votes, shape (n,), of columns (n, k) by the quantiles of the reference (m, k)."""
        votes = [_strictly_above(columns[:, k], reference[:, k], self.quantile) for k in range(columns.shape[1])]
        return np.asarray(np.sum(votes, axis=0), dtype=np.float64)


def _strictly_above(values: NDArray[np.float64], reference: NDArray[np.float64], quantile: float) -> NDArray[np.bool_]:
    """Return which values exceed the linearly interpolated quantile, exactly, with -inf allowed."""
    ordered = np.sort(np.where(np.isnan(reference), -np.inf, reference))
    position = exact(quantile) * (len(ordered) - 1)
    below, above = ordered[floor(position)], ordered[ceil(position)]
    if below == above:
        return np.asarray(values > above)
    # The quantile lies between two neighbours; a value from elsewhere may lie there too.
    threshold = below + float(position - floor(position)) * (above - below) if np.isfinite(below) else above
    return np.asarray((values >= above) | (values > threshold))
