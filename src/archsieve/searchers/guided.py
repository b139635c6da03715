"""A stage with a search: ask, score, tell, until the budget is spent; requests are journalled before scoring."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from archsieve.errors import RunFolderError, SettingError
from archsieve.fingerprints import fingerprint
from archsieve.randomness import generator
from archsieve.searchers.contract import Candidates, comparing, told_value
from archsieve.searchers.features import Described, features_of
from archsieve.spaces.contract import check
from archsieve.values import is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Scores
    from archsieve.searchers.contract import Searcher, Stage
    from archsieve.spaces.contract import Architecture, SearchSpace

REPEATS = 1000
"""Proposals in a row that bring no new network, after which a search is over."""


class Journal(Protocol):
    """The requests of a search in order, stored so that a kill does not lose them."""

    def read(self) -> list[Architecture]:
        """Return all requests so far."""

    def add(self, archs: Sequence[Architecture]) -> None:
        """Append requests."""


@dataclass
class InMemory:
    """A journal that ends with the process."""

    archs: list[Architecture] = field(default_factory=list)

    def read(self) -> list[Architecture]:
        """Return all requests so far."""
        return list(self.archs)

    def add(self, archs: Sequence[Architecture]) -> None:
        """Append requests."""
        self.archs.extend(archs)


class Searched(NamedTuple):
    """The networks scored by a stage's search: codes, scores (n,), and the number of networks with features."""

    archs: list[Architecture]
    scores: Scores
    described: int


@dataclass(frozen=True, eq=False)
class Guide:
    """What a funnel's stages need to run searches.

    Args:
        space: where they search.
        seed: of their random numbers.
        journal: returns the journal of a search, given a name of the search and the estimators whose scores it is
            told; None: kills are not survived.
        stored: returns the scores of an estimator that are stored, by canonical code; None: nothing is known before a
            search.
        admits: returns which architectures are within a limit that is measured; None: all are.
        progress: called with a label, the number of networks scored and the budget after every batch of a search.
    """

    space: SearchSpace
    seed: int = 0
    journal: Callable[[str, Sequence[AnyEstimator]], Journal] | None = None
    stored: Callable[[AnyEstimator], Mapping[Architecture, float]] | None = None
    admits: Callable[[Sequence[Architecture]], NDArray[np.bool_]] | None = None
    progress: Callable[[str, int, int], None] | None = None

    def scored(
        self,
        stage: Stage,
        place: int,
        left: Sequence[Architecture] | None,
        columns: Callable[[Sequence[AnyEstimator], Sequence[Architecture]], NDArray[np.float64]],
    ) -> Searched:
        """Return the scores of a stage's search by canonical code.

        In the order of the candidates that are left, or where that is None, any network of the space, as asked.

        Args:
            stage: has a search.
            place: of the stage in the funnel.
            left: the candidates.
            columns: returns the scores (n, k) of architectures by estimators.
        """
        if stage.search is None or stage.budget is None:
            raise SettingError(f"The stage {stage.label!r} has no search.")
        features = Described(self.space, features_of(stage.search), columns)
        journal: Journal = InMemory()
        before: Mapping[Architecture, float] = {}
        if self.journal is not None:
            pool = None if left is None else list(left)
            name = fingerprint(stage.search, stage.estimator, self.seed, place, pool)
            estimators = [stage.estimator, *features.estimators]
            journal = self.journal(name, estimators)
            if self.stored is not None and getattr(stage.search, "warm_start", False):
                stored = self.stored(stage.estimator)
                before = _recorded(stored, self.journal(f"{name}, known before", estimators), journal)
        rng = generator(self.seed, "sample", "search", place)
        objectives = tuple(getattr(stage.estimator, "objectives", ()))
        told = objectives or (stage.estimator,)
        with comparing(f"The stage {stage.label!r}"):
            known = search(
                stage.search,
                Candidates(self.space, left, features if features.estimators else None, before, len(told)),
                lambda archs: columns(told, archs) if objectives else columns(told, archs)[:, 0],
                stage.budget,
                rng,
                journal=journal,
                admits=self.admits if left is None else None,
                progress=None if self.progress is None else partial(self.progress, f"{stage.label}: search"),
            )
        codes = list(known) if left is None else [arch for arch in left if arch in known]
        scores = np.array([known[code] for code in codes], dtype=np.float64)
        if objectives and codes:
            combined: Any = stage.estimator
            scores = combined.combine(scores, scores)
        return Searched(codes, scores, len(features.networks))


def _recorded(stored: Mapping[Architecture, float], record: Journal, asks: Journal) -> Mapping[Architecture, float]:
    """Return the scores stored when a search began; they are recorded then, and read from the record later."""
    codes = record.read()
    if not codes and not asks.read():
        codes = sorted(stored)
        record.add(codes)
    return {code: stored[code] for code in codes if code in stored}


def search(
    searcher: Searcher,
    candidates: Candidates,
    scores: Callable[[Sequence[Architecture]], Scores],
    budget: int,
    rng: np.random.Generator,
    *,
    journal: Journal,
    admits: Callable[[Sequence[Architecture]], NDArray[np.bool_]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[Architecture, Any]:
    """Return the scores of the distinct requested networks by canonical code, in the order of requests.

    What is known is told without being scored again. A proposal that is no candidate is told as one that could not be
    scored. The search is over when the budget is spent, every candidate is scored, the search has nothing left, or
    `REPEATS` proposals in a row bring nothing new. What is not admitted is told as one that could not be scored, too,
    and is no part of the budget.

    Raises:
        ArchitectureError: the search asked for something that is no architecture.
        RunFolderError: the journal is not that of this search.
    """
    most = budget if candidates.archs is None else min(budget, len(candidates.archs))
    running = searcher.begin(candidates, rng)
    told = _Told(candidates, admits)
    archs = _until_spent(journal.read(), candidates, most, told)
    earlier = told.scored(archs, scores)
    try:
        running.tell(archs, earlier)
    except SettingError as error:
        raise RunFolderError(
            f"The journal in this run folder belongs to another search: {error} Scores or versions have "
            f"changed since. Choose another folder."
        ) from error
    while len(told.known) < most and told.repeats < REPEATS:
        if progress is not None:
            progress(len(told.known), most)
        archs = [tuple(map(int, arch)) for arch in running.ask(most - len(told.known))]
        if not archs:
            break
        for arch in archs:
            _is_candidate(candidates, arch)  # raises before anything wrong is journalled
        journal.add(archs)
        running.tell(archs, told.scored(archs, scores))
    if progress is not None and told.known:
        progress(len(told.known), len(told.known))  # the bar goes away, even if the search ended early
    return told.known


@dataclass
class _Told:
    """What a search has received: scores by canonical code, and the number of consecutive repeated proposals."""

    candidates: Candidates
    admits: Callable[[Sequence[Architecture]], NDArray[np.bool_]] | None = None
    beyond: set[Architecture] = field(default_factory=set)
    known: dict[Architecture, Any] = field(default_factory=dict)  # of several objectives tuples
    repeats: int = 0

    def scored(
        self, archs: Sequence[Architecture], scores: Callable[[Sequence[Architecture]], Scores]
    ) -> NDArray[np.float64]:
        """Return the scores of proposals, NaN for non-candidates; new networks are scored."""
        canonical = self.candidates.space.canonical
        codes = [canonical(arch) if _is_candidate(self.candidates, arch) else None for arch in archs]
        self.admit(codes)
        codes = [None if code in self.beyond else code for code in codes]
        new: dict[Architecture, None] = {}
        for code in codes:
            is_new = code is not None and code not in self.known and code not in new
            self.repeats = 0 if is_new else self.repeats + 1
            if is_new and code is not None:
                new[code] = None
        if new:
            self.known |= zip(new, map(told_value, scores(list(new))), strict=True)
        nothing = (math.nan,) * self.candidates.objectives if self.candidates.objectives > 1 else math.nan
        return np.array([nothing if code is None else self.known[code] for code in codes], dtype=np.float64)

    def admit(self, codes: Iterable[Architecture | None]) -> None:
        """Measure which of the networks are beyond a measured limit."""
        if self.admits is None:
            return
        new = [code for code in dict.fromkeys(codes) if code is not None and code not in self.known]
        new = [code for code in new if code not in self.beyond]
        if new:
            self.beyond |= {code for code, admitted in zip(new, self.admits(new), strict=True) if not admitted}


def _until_spent(archs: Iterable[Architecture], candidates: Candidates, most: int, told: _Told) -> list[Architecture]:
    """Return the part of a journal that the budget covers; an earlier budget may have been larger."""
    archs, canonical = list(archs), candidates.space.canonical
    if told.admits is not None:
        told.admit(canonical(arch) for arch in archs if _is_candidate(candidates, arch))
    kept: list[Architecture] = []
    networks: set[Architecture] = set()
    for arch in archs:
        if len(networks) >= most:
            break
        kept.append(arch)
        if _is_candidate(candidates, arch) and canonical(arch) not in told.beyond:
            networks.add(canonical(arch))
    return kept


def _is_candidate(candidates: Candidates, arch: Architecture) -> bool:
    """Whether a code is a candidate; codes that the space excludes are not.

    Raises:
        ArchitectureError: it is no code of the space at all.
    """
    space = candidates.space
    has_form = len(arch) == len(space.choices) and all(
        is_whole(option) and 0 <= option < n for option, n in zip(arch, space.choices, strict=True)
    )
    if has_form and not space.is_valid(arch):
        return False
    return check(space, arch) in candidates
