"""Several objectives as one estimator: non-dominated architectures rank first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve.errors import SettingError
from archsieve.estimators.contract import is_relative
from archsieve.fronts import fronts_of
from archsieve.tasks.contract import Measure
from archsieve.values import dense_ranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Scores


@dataclass(frozen=True)
class Objectives:
    """Scores an architecture by its non-dominated front, and within a front by the first objective.

    Front 0 holds the architectures that no other one dominates, and its scores are in [0, 1); those of front 1 are in
    [-1, 0), and so on. The best score is that of the best by the first objective. What an objective cannot score has
    no score. Scores are relative to what is scored together; a search is told the scores of the parts.

    Args:
        parts: the objectives, of each of which higher is better, as of all scores: two at least.
    """

    parts: tuple[AnyEstimator, ...] = field(metadata={"catalogue": "estimator"})
    calibration: ClassVar[int | None] = None
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check the parts; a list of parts becomes a tuple."""
        object.__setattr__(self, "parts", tuple(self.parts))
        names = [part.name for part in self.parts]
        if len(names) < 2 or len(set(names)) < len(names):
            raise SettingError(f"`objectives` must be two or more different estimators, but got {', '.join(names)}.")
        for name in sorted({"params", "macs", "flops"} & set(names)):
            raise SettingError(f"The objective {name!r} favours large networks: write '-{name}' to favour small ones.")

    @property
    def name(self) -> str:
        """The names of the objectives."""
        return f"objectives[{', '.join(part.name for part in self.parts)}]"

    @property
    def objectives(self) -> tuple[AnyEstimator, ...]:
        """The objectives, passed to multi-objective searchers."""
        return self.parts

    def combine(self, columns: NDArray[np.float64], reference: NDArray[np.float64]) -> Scores:
        """Return minus the front index plus the rank within the front, shape (n,), of columns (n, k)."""
        fronts, ranks = fronts_of(columns), dense_ranks(columns[:, 0])
        places = ranks / (ranks.max(initial=0) + 1)
        return np.where(fronts < 0, np.nan, places - fronts)


@dataclass(frozen=True)
class Lower:
    """Scores an architecture by minus the score of another estimator, e.g. "-macs" to prefer small networks.

    Args:
        of: the estimator.
    """

    of: AnyEstimator = field(metadata={"catalogue": "estimator"})
    calibration: ClassVar[int | None] = None
    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """The estimator's name after a minus sign."""
        return f"-{self.of.name}"

    @property
    def measure(self) -> Measure:
        """The measure shown to readers: the estimator's own value."""
        return Measure(self.of.name, higher_is_better=False)

    @property
    def parts(self) -> tuple[AnyEstimator, ...]:
        """The estimator."""
        return (self.of,)

    @property
    def is_relative(self) -> bool:
        """Whether the estimator's scores are relative."""
        return is_relative(self.of)

    def combine(self, columns: NDArray[np.float64], reference: NDArray[np.float64]) -> Scores:
        """Return minus the scores, shape (n,)."""
        return 0.0 - columns[:, 0]
