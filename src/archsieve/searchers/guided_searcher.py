"""Model-guided search: requests the candidates that a Gaussian process of code and features predicts to be best.

The first batch is drawn from the best tenth by the mean rank of the features. Afterwards a Gaussian process learns from
all scores, and each batch holds those of the highest mean plus half a standard deviation. docs/searchers_study.md says
what it finds beside others, and where its settings were chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.errors import SettingError
from archsieve.fronts import fronts_of
from archsieve.searchers.guided_model import Described, Model, normal_scores, percentiles
from archsieve.searchers.history import rank
from archsieve.searchers.modelled import Modelled
from archsieve.searchers.scalarised import promising
from archsieve.spaces.contract import size
from archsieve.spaces.sampling import draw_pool
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from archsieve.searchers.contract import Candidates
    from archsieve.spaces.contract import Architecture

_DRAWN = 2_000  # candidates for a batch where not all can be listed
_MOST_KNOWN = 500  # scores from before the search that a model learns from
_PARENTS = 10  # networks known to be best, whose mutants are among them
_MOST_MUTATIONS = 3
_TRUST = 0.5  # weight of the features' mean rank beside what earlier scores say
_SPREAD = 0.3  # of scores among networks that earlier scores place equally, in standard deviations


@dataclass(frozen=True)
class Guided:
    """Requests the candidates that a model, fitted to the scores so far, predicts to be best.

    Candidates up to `listed` are listed, and features are asked for of all. Of more, 2,000 are drawn for every batch:
    half at random and half as mutants of the ten best known; a model of the code alone chooses `screened` of them, of
    which features are asked for.

    With `earlier` the last features are scores that an earlier stage gave the candidates, for example after a short
    training. A model of code and features smooths them, the first batch are the best by these and by the mean rank of
    the other features, and later scores correct that order. An earlier search has scored its survivors, so that these
    features cost nothing.

    Args:
        features: estimators whose scores the model learns from, the cheap first; names stand for default settings.
        population: the first batch.
        batch: how many belong to each later one, all asked for with the same knowledge.
        share: the best part of the candidates by the features' mean rank, from which the first batch is drawn.
        deviations: how many standard deviations are added to the mean; more explore more.
        warm_start: whether the model learns from scores of this estimator, too, that the run folder held when the stage
            began: of an earlier search, or told. Which those are is recorded. With enough of them no first batch is
            drawn.
        earlier: how many of the features, the last ones, are scores of an earlier stage.
        listed: the most candidates that are listed.
        sample: where candidates are not listed, how many are drawn to choose the first batch from, and to rank among.
        screened: where they are not listed, of how many networks a batch features are asked for.
    """

    features: tuple[Any, ...] = field(
        default=("nwot", "swap", "synflow_log", "jacov"), metadata={"catalogue": "estimator"}
    )
    population: int = 8
    batch: int = 4
    share: float = 0.1
    deviations: float = 0.5
    warm_start: bool = False
    earlier: int = 0
    listed: int = 20_000
    sample: int = 200
    screened: int = 50
    name: ClassVar[str] = "guided"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check the settings; a list of features becomes a tuple."""
        object.__setattr__(self, "features", tuple(self.features))
        for name, least in (("population", 1), ("batch", 1), ("listed", 1), ("sample", 1), ("screened", 1)):
            check_whole(name, getattr(self, name), least)
        check_whole("earlier", self.earlier, 0)
        if self.earlier > len(self.features):
            settings = f"earlier={self.earlier}, {len(self.features)} features"
            raise SettingError(f"`earlier` cannot be more than the number of features, but got {settings}.")
        if not 0 < self.share <= 1:
            raise SettingError(f"`0 < share <= 1` must hold, but got share={self.share}.")
        if not math.isfinite(self.deviations):
            raise SettingError(f"`deviations` must be a finite number, but got {self.deviations}.")

    def begin(self, candidates: Candidates, rng: np.random.Generator) -> Modelled:
        """Return a new search."""
        seed = int(rng.integers(2**31))
        listed = _listed(candidates, self.listed)
        propose = _Drawn(self, candidates, seed) if listed is None else _Listed(self, candidates, seed, listed)
        return Modelled(self.population, self.batch, propose, replays=listed is None)

    @property
    def takes_objectives(self) -> bool:
        """Whether it accepts several objectives; not together with earlier scores."""
        return not (self.warm_start or self.earlier)

    def describes(self, budget: int, count: int) -> int:
        """Return the maximum number of `count` candidates that need features."""
        if count <= self.listed:
            return count
        batches = math.ceil(max(0, budget - self.population) / self.batch)
        return min(count, self.sample + self.screened * batches)


def _listed(candidates: Candidates, most: int) -> list[Architecture] | None:
    """Return the candidates as a list; None if there are too many candidates or codes to check."""
    if candidates.archs is not None:
        return list(candidates.archs) if len(candidates.archs) <= most else None
    space = candidates.space
    if size(space) > most or space.is_costly_to_list:
        return None
    return draw_pool(space, seed=0)


class _Proposals:
    """Common part of both ways to propose candidates: how networks are described to the model."""

    def __init__(self, settings: Guided, candidates: Candidates, seed: int) -> None:
        self._settings, self._candidates, self._seed = settings, candidates, seed
        self._known: dict[Architecture, NDArray[np.float64]] = {}  # features by canonical code
        before = candidates.known if settings.warm_start else {}
        at_hand = sorted((code for code in before if code in candidates), key=lambda code: (rank(before[code]), code))
        chosen = np.linspace(0, len(at_hand) - 1, min(len(at_hand), _MOST_KNOWN)).astype(int)
        self._before = {at_hand[i]: before[at_hand[i]] for i in chosen}

    def _with_known(
        self, archs: Sequence[Architecture], scores: Sequence[Any]
    ) -> tuple[list[Architecture], NDArray[np.float64]]:
        """Return networks and scores after the earlier known ones, without repetitions."""
        told = dict(zip(archs, scores, strict=True))
        merged = {**{code: score for code, score in self._before.items() if code not in told}, **told}
        return list(merged), np.array(list(merged.values()), dtype=np.float64)

    def _has_model(self, scores: Sequence[Any]) -> bool:
        """Whether there are enough scores to fit a model."""
        return len(scores) > 0 or len(self._before) >= self._settings.population

    def _rng(self, place: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, place])

    def _features(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the features of architectures, (n, f), each requested once."""
        if not self._settings.features:
            return np.empty((len(archs), 0))
        if missing := [arch for arch in dict.fromkeys(archs) if arch not in self._known]:
            self._known |= zip(missing, self._candidates.features(missing), strict=True)
        return np.stack([self._known[arch] for arch in archs])

    def _decisions(self, archs: Sequence[Architecture]) -> NDArray[np.integer[Any]]:
        """Return the decisions to compare for equality, (n, d): the space's own features, else the codes."""
        of_one = getattr(self._candidates.space, "features", None)
        rows = np.asarray(archs if of_one is None else [of_one(arch) for arch in archs])
        return rows.astype(np.int8) if np.abs(rows).max(initial=0) < 128 and rows.dtype.kind in "iu" else rows

    def _drawn_of_best(self, ranks: NDArray[np.float64], place: int) -> NDArray[np.intp]:
        """Return a first batch drawn from the best part by mean rank (n,); ties in the given order."""
        count = min(self._settings.population, len(ranks))
        best = np.argsort(-ranks, kind="stable")[: max(count, round(self._settings.share * len(ranks)))]
        return self._rng(place).choice(best, count, replace=False)


class _Listed(_Proposals):
    """Proposals among listed candidates, all with features."""

    def __init__(self, settings: Guided, candidates: Candidates, seed: int, archs: list[Architecture]) -> None:
        super().__init__(settings, candidates, seed)
        self._archs = archs
        self._places = {arch: place for place, arch in enumerate(archs)}
        features = self._features(archs)
        self._all = Described(self._decisions(archs), percentiles(features, features))
        earlier = settings.earlier
        self._prior = _order_by_earlier(self._all, features, earlier) if earlier and archs else None

    def __call__(self, archs: list[Architecture], scores: list[Any], count: int) -> list[Architecture]:
        """Return `count` more proposals, or fewer at the end."""
        canonical = self._candidates.space.canonical
        asked = {self._places[canonical(arch)] for arch in archs}
        told = [canonical(arch) for arch in archs[: len(scores)]]
        wanted = len(archs) - len(scores) + count
        positions = self._batch(told, scores, wanted) if self._has_model(scores) else self._first(wanted)
        return [self._archs[i] for i in positions if i not in asked][:count]

    def _first(self, count: int) -> list[int]:
        """Return the positions of the first batch."""
        if self._prior is not None:
            return list(np.argsort(-self._prior, kind="stable")[:count])
        has_features = bool(self._settings.features)
        ranks = self._all.features.mean(axis=1) if has_features else np.zeros(len(self._archs))
        return list(self._drawn_of_best(ranks, 0))

    def _batch(self, told: list[Architecture], scores: list[Any], count: int) -> list[int]:
        """Return the positions of a batch of unscored networks."""
        described, prior, deviations = self._all, self._prior, self._settings.deviations
        archs, values = self._with_known(told, scores)
        known = np.array([self._places[arch] for arch in archs])
        left = np.setdiff1d(np.arange(len(self._archs)), [self._places[arch] for arch in told])
        if values.ndim == 2:
            rng = self._rng(1 + len(told))
            return list(left[promising(described.at(known), values, described.at(left), count, deviations, rng)])
        targets = normal_scores(values)
        if prior is not None:
            targets = prior[known].mean() + _SPREAD * targets - prior[known]
        model = Model.fitted(described.at(known), targets)
        offset = None if prior is None else prior[left]
        return list(left[model.most_promising(described.at(left), count, deviations, offset)])


def _order_by_earlier(described: Described, features: NDArray[np.float64], earlier: int) -> NDArray[np.float64]:
    """Return the candidates' normal scores (n,) by earlier scores, smoothed by a model, and by the features."""
    others = described.features[:, :-earlier]
    bare = Described(described.decisions, others)
    total = np.zeros(len(features))
    for column in features[:, -earlier:].T:
        smoothed = Model.fitted(bare, normal_scores(column)).mean(bare)
        total += percentiles(smoothed[:, None], smoothed[:, None])[:, 0] / earlier
    if others.shape[1]:
        mean = others.mean(axis=1, keepdims=True)
        total += _TRUST * percentiles(mean, mean)[:, 0]
    return normal_scores(np.round(total, 9))


class _Drawn(_Proposals):
    """Proposals in a space too large to list: candidates are drawn for every batch."""

    def __init__(self, settings: Guided, candidates: Candidates, seed: int) -> None:
        super().__init__(settings, candidates, seed)
        if settings.earlier:
            raise SettingError(
                f"A guided search with `earlier` scores needs candidates that an earlier stage has scored, at most "
                f"listed={settings.listed}."
            )
        self._reference: NDArray[np.float64] | None = None

    def __call__(self, archs: list[Architecture], scores: list[Any], count: int) -> list[Architecture]:
        """Return `count` more proposals, or fewer if no more are found."""
        canonical = self._candidates.space.canonical
        codes = [canonical(arch) for arch in archs]
        wanted = len(archs) - len(scores) + count
        if not self._has_model(scores):
            sample = self._sample(self._rng(0), self._settings.sample)
            ranks = percentiles(*[self._features(sample)] * 2).mean(axis=1) if self._settings.features else None
            drawn = self._drawn_of_best(np.zeros(len(sample)) if ranks is None else ranks, 1)
            proposals = [sample[i] for i in drawn]
        else:
            proposals = self._batch(codes[: len(scores)], scores, wanted)
        asked = set(codes)
        return [arch for arch in proposals if arch not in asked][:count]

    def _batch(self, told: list[Architecture], scores: list[Any], count: int) -> list[Architecture]:
        settings, (known, values) = self._settings, self._with_known(told, scores)
        drawn = self._around(told, known, values)
        if not drawn:
            return []
        codes, others = self._decisions(known), self._decisions(drawn)
        if settings.features:
            bare = Described(codes, np.empty((len(known), 0)))
            described = Described(others, np.empty((len(drawn), 0)))
            screened = self._promising(bare, values, described, max(count, settings.screened), len(told))
            drawn, others = [drawn[i] for i in screened], others[screened]
        described = Described(others, self._percentiles(drawn))
        chosen = self._promising(Described(codes, self._percentiles(known)), values, described, count, len(told))
        return [drawn[i] for i in chosen]

    def _promising(
        self, known: Described, values: NDArray[np.float64], others: Described, count: int, place: int
    ) -> Sequence[int]:
        deviations = self._settings.deviations
        if values.ndim == 2:
            return promising(known, values, others, count, deviations, self._rng(1 + place))
        return list(Model.fitted(known, normal_scores(values)).most_promising(others, count, deviations))

    def _percentiles(self, archs: list[Architecture]) -> NDArray[np.float64]:
        if self._reference is None:
            self._reference = self._features(self._sample(self._rng(0), self._settings.sample))
        return percentiles(self._features(archs), self._reference)

    def _sample(self, rng: np.random.Generator, count: int) -> list[Architecture]:
        """Return about `count` distinct networks."""
        archs = self._candidates.archs
        if archs is not None:
            return [archs[i] for i in rng.choice(len(archs), min(count, len(archs)), replace=False)]
        canonical = self._candidates.space.canonical
        return list(dict.fromkeys(canonical(self._candidates.sample(rng)) for _ in range(count)))

    def _around(
        self, told: list[Architecture], known: list[Architecture], scores: NDArray[np.float64]
    ) -> list[Architecture]:
        """Return unscored candidates for a batch: random ones, and mutants of the best known."""
        rng, candidates = self._rng(1 + len(told)), self._candidates
        standing = fronts_of(scores) if scores.ndim == 2 else -normal_scores(scores)
        standing = np.where(standing == -1, np.inf, standing) if scores.ndim == 2 else standing
        best = [known[i] for i in np.argsort(standing, kind="stable")[:_PARENTS]]
        drawn = [*best, *self._sample(rng, _DRAWN // 2)]
        for _ in range(_DRAWN // 2):
            mutant = best[int(rng.integers(len(best)))]
            for _ in range(int(rng.integers(_MOST_MUTATIONS)) + 1):
                mutant = candidates.mutate(mutant, rng)
            drawn.append(candidates.space.canonical(mutant))
        asked = set(told)
        return [arch for arch in dict.fromkeys(drawn) if arch not in asked]
