"""VKDNW's aggregate: five rankings of a pool in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archsieve.errors import SettingError
from archsieve.estimators.combined.az_nas import sum_of_log_places
from archsieve.estimators.size import MACS
from archsieve.estimators.zero_cost.estimator import ZeroCost

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Scores

_PROXIES = ("vkdnw", "jacov", "az_expressivity", "az_trainability")


@dataclass(frozen=True)
class VKDNWAggregate:
    """Scores an architecture by its places in the rankings of vkdnw, jacov, expressivity, trainability and MACs.

    The sum over the five of log(place / m), where the best of a reference of m has place m and ties share the lower
    place; in (-inf, 0]. Relative to the reference: scores of different pools cannot be compared. NaN in a part ranks
    lowest. Source: Tybl and Neumann, arXiv 2502.04975; their complexity is FLOPs, here `macs`.

    Args:
        batch_size: inputs that the four proxies look at.
        calibration: codes of the space to rank among; None for the codes being scored.
    """

    batch_size: int = 64
    calibration: int | None = None
    name: ClassVar[str] = "vkdnw_agg"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("batch_size", "calibration"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise SettingError(f"`{name} >= 1` must hold, but got {name}={number}.")

    @property
    def parts(self) -> tuple[AnyEstimator, ...]:
        """The four proxies and the multiply-adds."""
        return (*(ZeroCost(name, self.batch_size) for name in _PROXIES), MACS())

    def combine(self, columns: NDArray[np.float64], reference: NDArray[np.float64]) -> Scores:
        """Return the sum of the logarithms of the places, shape (n,)."""
        return sum_of_log_places(columns, reference)
