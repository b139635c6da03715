"""Scores of composite estimators: which part scores they need, and how they are combined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from archsieve.estimators.contract import Composite, is_relative

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Scores
    from archsieve.spaces.contract import Architecture


class Combining(NamedTuple):
    """Computes columns of scores, including those of composites.

    Attributes:
        pool: the codes to score; relative scores are relative to these.
        sample: returns the codes of a calibration sample of a given size.
        scores: returns the scores (n,) of codes by an estimator that is no composite, fitted to the pool if it learns.
        references: columns (m, k) of calibration samples that are known already, by composite.
    """

    pool: Sequence[Architecture]
    sample: Callable[[int], Sequence[Architecture]]
    scores: Callable[[Any, Sequence[Architecture]], Scores]
    references: Mapping[Any, NDArray[np.float64]]

    def needed(
        self, estimator: AnyEstimator, archs: Sequence[Architecture] | None = None
    ) -> Iterator[tuple[Any, Sequence[Architecture]]]:
        """Yield each non-composite estimator with the codes it must score, calibration samples included."""
        archs = self.pool if archs is None else archs
        if not isinstance(estimator, Composite):
            yield estimator, archs
            return
        for part in estimator.parts:
            yield from self.needed(part, archs)
        if estimator.calibration is not None and not self._knows(estimator):
            for part in estimator.parts:
                yield from self.needed(part, self.sample(estimator.calibration))

    def column(self, estimator: AnyEstimator, archs: Sequence[Architecture] | None = None) -> Scores:
        """Return the scores of the pool or of other codes, shape (n,); NaN if no part could score a code.

        A calibration sample is scored by the model that scores the pool, and by the same thresholds.
        """
        archs = self.pool if archs is None else archs
        if not isinstance(estimator, Composite):
            return self.scores(estimator, archs)
        columns = self._columns(estimator, archs)
        if estimator.calibration is not None:
            reference = self.reference(estimator)
        else:
            reference = columns if archs is self.pool else self._columns(estimator, self.pool)
        scores = np.array(estimator.combine(columns, reference), dtype=np.float64)
        scores[np.isnan(columns).all(axis=1)] = np.nan
        return scores

    def reference(self, composite: Composite) -> NDArray[np.float64]:
        """Return the parts' scores of the calibration sample, shape (m, k)."""
        if self._knows(composite):
            return self.references[composite]
        return self._columns(composite, self.sample(composite.calibration or 0))

    def _columns(self, composite: Composite, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        return np.stack([self.column(part, archs) for part in composite.parts], axis=1)

    def _knows(self, composite: Composite) -> bool:
        return is_lasting(composite) and composite in self.references


def lasting(estimator: AnyEstimator) -> Iterator[Composite]:
    """Yield each composite, nested ones included, whose reference is the same in every call of a session."""
    if isinstance(estimator, Composite):
        if is_lasting(estimator):
            yield estimator
        for part in estimator.parts:
            yield from lasting(part)


def is_lasting(composite: Composite) -> bool:
    """Whether the reference is calibrated and independent of any pool, so that it can be reused."""
    if composite.calibration is None or any(map(is_relative, composite.parts)):
        return False
    try:
        hash(composite)
    except TypeError:  # it cannot be looked up
        return False
    return True
