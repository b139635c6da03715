"""Features that are scores of estimators: a searcher declares them, and the session computes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from archsieve.errors import SettingError
from archsieve.registry import estimator_named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.searchers.contract import Searcher
    from archsieve.spaces.contract import Architecture, SearchSpace


def features_of(searcher: Searcher | None) -> tuple[AnyEstimator, ...]:
    """Return the estimators whose scores are a searcher's features; empty if it declares none.

    Names of estimators and proxies become estimators with their default settings.

    Raises:
        SettingError: they are no list.
        UnknownNameError: there is no estimator or proxy of that name.
    """
    declared = getattr(searcher, "features", ())
    if not isinstance(declared, tuple | list):
        raise SettingError(f"A searcher's `features` must be a tuple of estimators or names, but are {declared!r}.")
    return tuple(estimator_named(one)() if isinstance(one, str) else one for one in declared)


def refuse_features(searcher: Searcher) -> None:
    """Raise an error for a searcher with estimator features where nothing can score them.

    Raises:
        SettingError: it declares some.
    """
    if features := features_of(searcher):
        names = ", ".join(one.name for one in features)
        raise SettingError(
            f"The searcher {getattr(searcher, 'name', type(searcher).__name__)!r} learns from scores of {names}, which "
            f"a session computes: use it as the `search` of a stage."
        )


@dataclass(frozen=True, eq=False)
class Described:
    """Answers `Candidates.features` by scores, and counts the requested networks.

    Args:
        space: of the networks.
        estimators: one a feature.
        columns: returns the scores (n, k) of architectures by estimators.
    """

    space: SearchSpace
    estimators: tuple[AnyEstimator, ...]
    columns: Callable[[Sequence[AnyEstimator], Sequence[Architecture]], NDArray[np.float64]]
    networks: set[Architecture] = field(default_factory=set)

    def __call__(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the features (n, f); NaN for architectures that could not be scored."""
        if not len(archs):
            return np.empty((0, len(self.estimators)))
        self.networks.update(map(self.space.canonical, archs))
        return self.columns(self.estimators, archs)
