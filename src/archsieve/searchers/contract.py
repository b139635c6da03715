"""The searcher contract, and the types shared by all searchers: stages, rounds and results."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from archsieve.errors import SettingError
from archsieve.spaces.contract import check_space, one_hot
from archsieve.values import as_floats, check_list, check_number, check_whole, exact, named_in, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator, Scores
    from archsieve.spaces.contract import Architecture, SearchSpace

Evaluate: TypeAlias = "Callable[[Sequence[Architecture]], Scores]"


_ATTEMPTS = 100  # proposals outside the candidates before one of their list is drawn instead


@dataclass(frozen=True, eq=False)
class Candidates:
    """The architectures that a search may request: a whole space, or the survivors of earlier stages.

    Args:
        space: gives codes their meaning.
        archs: canonical codes of what is left; None: every network of the space.
        answers: returns the features (n, f) of architectures; those of `encoding` unless given.
        known: scores, by canonical code, that were stored before the search began; for a searcher with `warm_start`.
        objectives: how many scores each architecture gets.
    """

    space: SearchSpace
    archs: Sequence[Architecture] | None = None
    answers: Callable[[Sequence[Architecture]], NDArray[np.float64]] | None = None
    known: Mapping[Architecture, float] = field(default_factory=dict)
    objectives: int = 1

    def __post_init__(self) -> None:
        """Check the space."""
        check_space(self.space)

    @cached_property
    def _listed(self) -> frozenset[Architecture]:
        return frozenset(self.archs or ())

    def __contains__(self, arch: Architecture) -> bool:
        """Whether the network of a valid code is a candidate."""
        return self.archs is None or self.space.canonical(arch) in self._listed

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Return a random code of the space, redrawn while it is no candidate; after many tries one of the list."""
        for _ in range(_ATTEMPTS):
            if (arch := self.space.sample(rng)) in self:
                return arch
        return self._one_listed(rng)

    def mutate(self, arch: Architecture, rng: np.random.Generator) -> Architecture:
        """Return a random neighbour of a code, redrawn while it is no candidate; after many tries one of the list."""
        for _ in range(_ATTEMPTS):
            if (mutant := self.space.mutate(arch, rng)) in self:
                return mutant
        return self._one_listed(rng)

    def features(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the input features for a model, shape (n, f).

        Where the searcher declares `features`, these are their scores, in that order: computed and stored like all
        scores, and paid for. NaN: the architecture could not be scored; -inf is a score. Else those of `encoding`.
        """
        return self.encoding(archs) if self.answers is None else self.answers(archs)

    def encoding(self, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the space's own features of architectures if defined, else one-hot codes, shape (n, f)."""
        of_one = getattr(self.space, "features", None)
        return one_hot(self.space, archs) if of_one is None else as_floats([of_one(arch) for arch in archs])

    def _one_listed(self, rng: np.random.Generator) -> Architecture:
        if not self.archs:
            raise SettingError("A search needs at least one candidate, but got none.")
        return self.archs[int(rng.integers(len(self.archs)))]


def told_value(score: Any) -> Any:
    """Return the value passed to a search for one architecture: a float, or a tuple for several objectives."""
    return float(score) if np.ndim(score) == 0 else tuple(map(float, score))


class Search(Protocol):
    """A started search. It owns no loop, no clock and no files.

    `archsieve.searchers.batches.Batches` makes one from a function that yields lists of architectures.
    """

    def ask(self, n: int) -> list[Architecture]:
        """Return up to `n` architectures that may be scored at the same time; an empty list ends the search.

        Asked again before the tells, it returns the same ones. `n` never changes which architectures follow: how many
        belong together is a setting of the searcher.
        """

    def tell(self, archs: Sequence[Architecture], scores: Scores) -> None:
        """Record the scores of architectures, higher is better, in any order; NaN: could not be scored.

        A search that goes on after a kill is told first, in the order asked, what it asked for before.
        """


@runtime_checkable
class Searcher(Protocol):
    """A frozen dataclass of settings, registered in `SEARCHERS`, that starts searches.

    Optional attributes: `name`; `version`, an integer raised whenever it asks for others; `population`, how many it
    asks for before it learns anything, which is the least budget; `batch`, how many it asks for at a time afterwards;
    `features`, estimators or names of them whose scores `candidates.features` returns, none relative; with features,
    `describes(budget, count)`, of how many of the candidates it asks for features at most, without which its cost is
    unknown before the search; `warm_start`, whether it learns from `candidates.known`; `takes_objectives`, whether it
    can be told several scores of each architecture, as a row (n, k), where `candidates.objectives` is above 1.
    """

    def begin(self, candidates: Candidates, rng: np.random.Generator) -> Search:
        """Return a new search among the candidates; all its random numbers come from `rng`."""


_COMPARING: ContextVar[str] = ContextVar("comparing", default="")


@contextmanager
def comparing(searcher: str) -> Iterator[None]:
    """Declare that inside the context this searcher compares scores of different calls."""
    token = _COMPARING.set(searcher)
    try:
        yield
    finally:
        _COMPARING.reset(token)


def compared_by() -> str:
    """Return the name of the searcher that compares the requested scores with others; empty if none does."""
    return _COMPARING.get()


def order_best_first(scores: Scores) -> NDArray[np.intp]:
    """Return the positions from the best score to the worst; NaN last, ties in the given order."""
    is_nan = np.isnan(scores)
    return np.lexsort((np.arange(len(scores)), -np.where(is_nan, 0.0, scores), is_nan))


def count_kept(keep: float, n: int) -> int:
    """Return how many of `n` a fraction keeps: all if it is 1, else max(1, ceil(keep * (n - 1))), computed exactly.

    >>> count_kept(0.2, 142), count_kept(0.1, 31), count_kept(1, 31)
    (29, 3, 31)
    """
    fraction = exact(keep)
    return n if fraction == 1 else max(1, ceil(fraction * (n - 1)))


@dataclass(frozen=True)
class Stage:
    """One stage of a funnel: an estimator and exactly one rule for how many candidates to keep.

    Every candidate is scored, or, given a searcher and a budget, only those that the searcher asks for.

    Args:
        estimator: scores the candidates.
        keep: fraction in [0, 1]: n of n if it is 1, else max(1, ceil(keep * (n - 1))), in exact arithmetic. With
            distinct scores this is the method's "strictly above the (1 - keep) quantile".
        top: the number to keep, at least 1.
        above: keep what scores strictly above; the best one if none does.
        label: what tables and figures call it; the estimator's name unless given.
        search: asks for the candidates to score; only those scored can be kept, and `keep` is a fraction of them.
        budget: of the search: how many distinct networks, by canonical code, it may have scored.

    Ties are resolved by the order of the candidates, which the session has shuffled by seed; NaN ranks last.
    A stage never keeps none.

    >>> [Stage(None, keep=k).count(625) for k in (1.0, 0.25, 0.0)]
    [625, 156, 1]
    """

    estimator: AnyEstimator
    keep: float | None = None
    top: int | None = None
    above: float | None = None
    label: str = ""
    search: Searcher | None = field(default=None, metadata={"catalogue": "searcher"})
    budget: int | None = None

    def __post_init__(self) -> None:
        """Check that exactly one rule is given and in range, and that a search has a budget."""
        if isinstance(self.estimator, str | list | tuple | type):
            name = named_in("ESTIMATORS", self.estimator)
            raise wrong_kind("The estimator of a stage", "one estimator", self.estimator, name)
        self._check_search()
        rules = {k: v for k in ("keep", "top", "above") if (v := getattr(self, k)) is not None}
        if len(rules) != 1:
            raise SettingError(f"A stage needs exactly one of keep, top and above, but got {rules or 'none'}.")
        for name in ("keep", "above"):
            if name in rules:
                check_number(name, rules[name])
        if self.above is not None and self.above != self.above:
            raise SettingError(f"`above` must be a number, but got above={self.above}.")
        if self.top is not None:
            check_whole("top", self.top)
        if self.keep is not None and not 0 <= self.keep <= 1:
            raise SettingError(f"`0 <= keep <= 1` must hold, but got keep={self.keep}.")
        if self.top is not None and self.top < 1:
            raise SettingError(f"`top >= 1` must hold, but got top={self.top}.")
        if not self.label:
            object.__setattr__(self, "label", getattr(self.estimator, "name", "stage"))

    def _check_search(self) -> None:
        if self.search is None and self.budget is None:
            return
        if self.search is None or self.budget is None:
            raise SettingError(
                f"A stage needs both `search` and `budget`, or neither, but got search={self.search}, "
                f"budget={self.budget}."
            )
        if not isinstance(self.search, Searcher):
            raise SettingError(f"A stage's search must be a searcher with a method `begin`, but got {self.search!r}.")
        check_whole("budget", self.budget, 1)
        population = getattr(self.search, "population", 1)
        if self.budget < population:
            settings = f"budget={self.budget}, population={population}"
            raise SettingError(f"`budget >= population` must hold for a search, but got {settings}.")

    def asked(self, n: int) -> int:
        """Return the maximum number of `n` candidates that are scored."""
        return n if self.budget is None else min(n, self.budget)

    def count(self, n: int) -> int:
        """Return how many of `n` candidates the rules `keep` and `top` keep."""
        if self.top is not None:
            return min(n, self.top)
        if self.keep is None:
            raise SettingError("A stage with `above` keeps a number that depends on the scores.")
        return count_kept(self.keep, n)

    def select(self, scores: Scores) -> NDArray[np.intp]:
        """Return the positions kept, best first."""
        order = order_best_first(scores)
        if self.above is None:
            return order[: self.count(len(scores))]
        passed = order[scores[order] > self.above]
        return passed if len(passed) else order[:1]


def check_stages(stages: Any) -> None:
    """Check that a value is a list of stages.

    Raises:
        SettingError: it is one stage, a text, or holds something else.
    """
    check_list("`stages`", stages, "stages", "write [stage]" if isinstance(stages, Stage) else "")
    for stage in stages:
        if not isinstance(stage, Stage):
            raise wrong_kind("Each of `stages`", "a stage", stage, "write Stage(estimator, keep=0.5)")


@dataclass(frozen=True, eq=False)
class Round:
    """The record of one stage: codes (n, d), scores (n,), positions kept, seconds spent.

    `failed_parts` is how many have a score although a part of the estimator could not score them; `described` of how
    many networks the search of the stage was told features that are scores of estimators.
    """

    label: str
    archs: NDArray[np.integer[Any]]
    scores: Scores
    kept: NDArray[np.intp]
    seconds: float = 0.0
    failed_parts: int = 0
    described: int = 0

    @property
    def failures(self) -> int:
        """The number of candidates that could not be scored."""
        return int(np.isnan(self.scores).sum())


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The best architecture, the score that selected it (NaN if there is none), and every round.

    `best` is None where a stage of a funnel could score none of its candidates.
    """

    best: Architecture | None
    best_score: float
    rounds: tuple[Round, ...]


def record(
    label: str,
    archs: Sequence[Architecture],
    scores: Scores,
    kept: NDArray[np.intp],
    seconds: float = 0.0,
    described: int = 0,
) -> Round:
    """Return a round of plain tuples."""
    codes = np.asarray(archs)
    if codes.max(initial=0) <= np.iinfo(np.int8).max:
        codes = codes.astype(np.int8)
    return Round(label, codes, as_floats(scores), kept, seconds, described=described)
