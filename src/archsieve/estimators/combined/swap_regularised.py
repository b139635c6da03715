"""SWAP with a preferred size: activation patterns are counted, and networks of other sizes are penalised."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve.errors import SettingError
from archsieve.estimators.size import PARAMS
from archsieve.estimators.zero_cost.estimator import ZeroCost
from archsieve.values import check_number, check_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Scores


@dataclass(frozen=True)
class RegularisedSwap:
    """Scores an architecture by swap * exp(-(P - mu)^2 / sigma), P its parameters; in [0, inf), higher is better.

    Source: Peng et al., "SWAP-NAS", arXiv 2403.04161, which chooses mu and sigma by hand for each space, in thousands
    of parameters. Here they are in parameters; where None, they are those of the reference: mu the largest network,
    sigma twice the variance. Then a score is relative to the reference. NaN where swap has none.

    Args:
        mu: preferred number of parameters; None for the largest of the reference.
        sigma: how fast others fall off, in parameters squared, above 0; None for twice the variance in the reference.
        batch_size: items in the batch.
        calibration: codes of the space that are the reference; None for the codes being scored.
    """

    mu: float | None = None
    sigma: float | None = None
    batch_size: int = 64
    calibration: int | None = None
    name: ClassVar[str] = "swap_regularised"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("mu", "sigma"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name))
        if self.mu is not None and not math.isfinite(self.mu):
            raise SettingError(f"`mu` must be finite, but got mu={self.mu}.")
        if self.calibration is not None:
            check_whole("calibration", self.calibration, 1)
        check_whole("batch_size", self.batch_size, 1)
        if self.sigma is not None and not self.sigma > 0:
            raise SettingError(f"`sigma > 0` must hold, but got sigma={self.sigma}.")

    @property
    def is_relative(self) -> bool:
        """Whether mu or sigma is computed from the scored codes."""
        return self.calibration is None and (self.mu is None or self.sigma is None)

    @property
    def parts(self) -> tuple[AnyEstimator, ...]:
        """The estimators of patterns and parameters."""
        return ZeroCost("swap", self.batch_size), PARAMS()

    def combine(self, columns: NDArray[np.float64], reference: NDArray[np.float64]) -> Scores:
        """Return the size-regularised pattern counts, shape (n,), of columns (n, 2)."""
        patterns, params = columns.T
        mu = reference[:, 1].max() if self.mu is None else self.mu
        sigma = 2 * reference[:, 1].var() if self.sigma is None else self.sigma
        if sigma == 0:  # one size only
            return np.asarray(patterns)
        return np.asarray(patterns * np.exp(-((params - mu) ** 2) / sigma))
