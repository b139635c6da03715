"""Several objectives for a single-objective model: each proposal uses its own random weights.

The scalarisation is that of ParEGO (Knowles, 2006, doi 10.1109/TEVC.2005.851274), an augmented Chebyshev norm; here of
the ranks of the values, so that their scales do not matter.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from archsieve.searchers.guided_model import Model, normal_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsieve.estimators.contract import Scores
    from archsieve.searchers.guided_model import Described

_SUM = 0.05  # weight of the sum beside the worst objective, so that dominated networks are below others
_MOST_WEIGHTS = 8  # drawn for a batch: each takes a model


def scalarised(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Scores:
    """Return the weighted sum for each network, shape (n,), of values (n, k), weights (k,) summing to 1; NaN stays.

    >>> scalarised(np.array([[1.0, 9.0], [9.0, 1.0], [np.nan, 5.0]]), np.array([0.9, 0.1])).argsort().tolist()
    [0, 1, 2]
    """
    places = np.stack([ndtr(normal_scores(column)) for column in values.T], axis=1)
    lacking = weights * (places - 1.0)
    score = lacking.min(axis=1) + _SUM * lacking.sum(axis=1)
    return np.where(np.isnan(values).any(axis=1), np.nan, score)


def promising(
    known: Described,
    values: NDArray[np.float64],
    others: Described,
    count: int,
    deviations: float,
    rng: np.random.Generator,
) -> list[int]:
    """Return the positions of the `count` most promising networks by models of several objectives.

    Args:
        known: networks with values.
        values: of the objectives, shape (n, k).
        others: networks to choose from.
        count: how many are wanted.
        deviations: added to the means.
        rng: draws the weights.
    """
    draws = min(count, _MOST_WEIGHTS)
    each = math.ceil(count / max(1, draws))
    chosen: dict[int, None] = {}
    for weights in rng.dirichlet(np.ones(values.shape[1]), draws):
        model = Model.fitted(known, normal_scores(scalarised(values, weights)))
        ranked = model.most_promising(others, len(chosen) + each, deviations)
        chosen |= dict.fromkeys([int(place) for place in ranked if place not in chosen][:each])
    return list(chosen)[:count]
