"""Combination of several rankings of a pool: the sum of the logarithms of an architecture's ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve.estimators.size import MACS
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.values import check_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Scores


@dataclass(frozen=True)
class LogPlaces:
    """Scores an architecture by its ranks in several proxies and in multiply-adds.

    The sum over them of log(place / m), where the best of a reference of m has place m and ties share the lower place;
    in (-inf, 0]. Relative to the reference: scores of different pools cannot be compared. NaN in a part ranks lowest. A
    subclass names its proxies.

    Args:
        batch_size: inputs that each proxy looks at.
        calibration: codes of the space to rank among; None for the codes being scored.
    """

    batch_size: int = 64
    calibration: int | None = None
    proxies: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Check the settings."""
        check_whole("batch_size", self.batch_size, 1)
        if self.calibration is not None:
            check_whole("calibration", self.calibration, 1)

    @property
    def parts(self) -> tuple[AnyEstimator, ...]:
        """The proxies and the multiply-adds."""
        return (*(ZeroCost(name, self.batch_size) for name in self.proxies), MACS())

    def combine(self, columns: NDArray[np.float64], reference: NDArray[np.float64]) -> Scores:
        """Return the sum over columns (n, k) of log(rank / m) within the reference (m, k), shape (n,)."""
        places = np.stack([_places(columns[:, k], reference[:, k]) for k in range(columns.shape[1])], axis=1)
        return np.asarray(np.log(places / len(reference)).sum(axis=1))


def _places(values: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 + the number of worse reference values, at most the size of the reference."""
    ordered = np.sort(np.where(np.isnan(reference), -np.inf, reference))
    below = np.searchsorted(ordered, np.where(np.isnan(values), -np.inf, values), side="left")
    return np.minimum(below + 1, len(ordered)).astype(np.float64)
