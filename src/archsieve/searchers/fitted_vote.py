"""RoBoT: a vote of estimators whose weights are fitted while networks are trained.

Each vector of weights ranks all candidates, and is worth what its best one turns out to be. A Gaussian process over the
weights proposes which vector to try next; afterwards the best one's ranking is followed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.errors import SettingError
from archsieve.searchers.guided_model import Described, Model, normal_scores, percentiles
from archsieve.searchers.modelled import Modelled
from archsieve.spaces.contract import size
from archsieve.spaces.sampling import draw_pool
from archsieve.values import check_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsieve.searchers.contract import Candidates
    from archsieve.spaces.contract import Architecture

_SUMS = 2_000_000  # votes that are summed at a time, to limit memory
_MOST_DRAWN = 100_000  # vectors of weights
_ALIKE = 5  # vectors of weights with one best candidate that the model learns from


@dataclass(frozen=True)
class FittedVote:
    """Requests the best candidates by weighted votes of its features, then by the best weights so far.

    The vote of a feature is the percentile rank of a candidate by it; weights lie in [-1, 1], so that a feature may
    count against. Of `drawn` vectors, the first gives all features the same weight. Up to `explored` networks are each
    the best by a vector that the model promises most; all later ones follow the ranking by the vector whose best
    network has the best score, of those with the same best network the one that ranks all known networks best. Source:
    He et al., "Robustifying and Boosting Training-Free Neural Architecture Search", arXiv 2403.07591 (RoBoT).

    Left open there and chosen here: percentile ranks in the place of raw scores, a model over a fixed set of vectors,
    and the tie between vectors with one best network.

    Args:
        features: estimators that vote; names stand for default settings.
        explored: how many networks are spent on choosing the weights.
        population: the first batch, by vectors drawn at random.
        batch: how many belong to each later one.
        drawn: vectors of weights to choose among, at most 100,000.
        deviations: how many standard deviations the model adds to a vector's mean; more explore more.
        listed: the most candidates; all must be listed.
    """

    features: tuple[Any, ...] = field(
        default=("nwot", "swap", "synflow_log", "jacov"), metadata={"catalogue": "estimator"}
    )
    explored: int = 20
    population: int = 4
    batch: int = 2
    drawn: int = 1_000
    deviations: float = 1.0
    listed: int = 20_000
    name: ClassVar[str] = "fitted_vote"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check the settings; a list of features becomes a tuple."""
        object.__setattr__(self, "features", tuple(self.features))
        for name in ("explored", "population", "batch", "drawn", "listed"):
            check_whole(name, getattr(self, name), 1)
        if self.drawn > _MOST_DRAWN:
            raise SettingError(f"`drawn <= {_MOST_DRAWN:,}` must hold, but got drawn={self.drawn}.")
        if not self.features:
            raise SettingError("A fitted vote needs at least one feature, but got none.")
        if not math.isfinite(self.deviations):
            raise SettingError(f"`deviations` must be a finite number, but got {self.deviations}.")

    def begin(self, candidates: Candidates, rng: np.random.Generator) -> Modelled:
        """Return a new search.

        Raises:
            SettingError: there are more candidates than may be listed.
        """
        archs = _listed(candidates, self.listed)
        return Modelled(self.population, self.batch, _Votes(self, candidates, archs, rng))

    def describes(self, budget: int, count: int) -> int:
        """Return how many of `count` candidates need features: all."""
        return count


def _listed(candidates: Candidates, most: int) -> list[Architecture]:
    space, archs = candidates.space, candidates.archs
    is_small = size(space) <= most and not space.is_costly_to_list if archs is None else len(archs) <= most
    if not is_small:
        raise SettingError(
            f"A fitted vote ranks all candidates, but there are more than listed={most} of them: put a stage before it "
            f"that keeps fewer, or a pool of that size."
        )
    return draw_pool(space, seed=0) if archs is None else list(archs)


class _Votes:
    """Proposals by weighted votes."""

    def __init__(
        self, settings: FittedVote, candidates: Candidates, archs: list[Architecture], rng: np.random.Generator
    ) -> None:
        self._settings, self._canonical, self._archs = settings, candidates.space.canonical, archs
        self._places = {arch: place for place, arch in enumerate(archs)}
        features = candidates.features(archs) if archs else np.empty((0, len(settings.features)))
        self._votes = percentiles(features, features)
        self._weights = np.vstack([np.ones(features.shape[1]), rng.uniform(-1, 1, (settings.drawn, features.shape[1]))])
        self._weights = self._weights[: settings.drawn]
        self._best = _best_by_each(self._votes, self._weights)

    def __call__(self, archs: list[Architecture], scores: list[float], count: int) -> list[Architecture]:
        """Return `count` more proposals, or fewer at the end."""
        asked = [self._places[self._canonical(arch)] for arch in archs]
        told = dict(zip(asked, scores, strict=False))  # a batch may be incomplete
        taken = set(asked)
        chosen: list[int] = []
        left = min(count, self._settings.explored - len(asked))
        for place in self._by_promise(told).tolist() if left > 0 and self._archs else ():
            if len(chosen) < left and place not in taken:
                taken.add(place)
                chosen.append(place)
        if len(chosen) < count and self._archs:
            order = np.argsort(-np.round(self._votes @ self._best_weights(told), 9), kind="stable")
            chosen += [place for place in order.tolist() if place not in taken][: count - len(chosen)]
        return [self._archs[place] for place in chosen]

    def _by_promise(self, told: dict[int, float]) -> NDArray[np.intp]:
        """Return the best candidate of each weight vector, the most promising vectors first."""
        if not told:
            return self._best
        known = [i for place in told for i in np.flatnonzero(self._best == place)[:_ALIKE].tolist()]
        if not known:
            return self._best
        targets = normal_scores(np.array([told[int(self._best[i])] for i in known]))
        model = Model.fitted(self._described(np.array(known)), targets)
        whole = self._described(np.arange(len(self._weights)))
        return np.asarray(self._best[model.most_promising(whole, len(self._weights), self._settings.deviations)])

    def _described(self, vectors: NDArray[np.intp]) -> Described:
        return Described(np.empty((len(vectors), 0), dtype=np.int8), (self._weights[vectors] + 1) / 2)

    def _best_weights(self, told: dict[int, float]) -> NDArray[np.float64]:
        """Return the weight vector whose best candidate scored highest; equal weights before any score."""
        places = list(told)
        values = normal_scores(np.array([told[place] for place in places]))
        worth = dict(zip(places, values.tolist(), strict=True))
        tried = [i for i in range(len(self._weights)) if int(self._best[i]) in worth]
        if not tried:
            return np.asarray(self._weights[0])
        top = max(worth[int(self._best[i])] for i in tried)
        leading = [i for i in tried if worth[int(self._best[i])] == top]
        agreement = [_correlation(self._votes[places] @ self._weights[i], values) for i in leading]
        return np.asarray(self._weights[leading[int(np.argmax(np.round(agreement, 9)))]])


def _best_by_each(votes: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the position of the best candidate (n, f) for each vector (m, f), shape (m,); ties go to the first."""
    best, top = np.zeros(len(weights), dtype=np.intp), np.full(len(weights), -np.inf)
    block = max(1, _SUMS // len(weights))
    for start in range(0, len(votes), block):
        sums = np.round(votes[start : start + block] @ weights.T, 9)
        places = sums.argmax(axis=0)
        values = sums[places, np.arange(len(weights))]
        best, top = np.where(values > top, start + places, best), np.maximum(values, top)
    return best


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return Pearson's correlation; 0 if a side is constant."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
