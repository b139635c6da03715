"""The history of a search: evaluated architectures, their scores, and the result."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from archsieve.errors import SettingError
from archsieve.searchers.contract import Candidates, SearchResult, comparing, order_best_first, record
from archsieve.searchers.features import refuse_features
from archsieve.spaces.contract import check_space
from archsieve.values import as_floats, check_whole, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.searchers.contract import Evaluate, Searcher
    from archsieve.spaces.contract import Architecture, SearchSpace


@dataclass
class History:
    """Every architecture evaluated and its score, in order, duplicates included.

    Args:
        evaluate: returns the scores (n,) of n architectures.
        searcher: name of the searcher if it compares scores of different calls; empty if it makes only one call.
    """

    evaluate: Evaluate
    searcher: str = ""
    archs: list[Architecture] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    started: float = field(default_factory=perf_counter)

    def ask(self, archs: Sequence[Architecture]) -> list[float]:
        """Return the scores of one batch, and record them.

        Raises:
            SettingError: `evaluate` returned something else than one score for each architecture, or asks a session for
                scores that cannot be compared.
        """
        with comparing(self.searcher):
            scores = as_floats(self.evaluate(archs))
        if scores.shape != (len(archs),):
            raise SettingError(
                f"`evaluate` must return one score for each architecture, shape ({len(archs)},), "
                f"but returned shape {scores.shape}."
            )
        self.archs.extend(archs)
        self.scores.extend(scores.tolist())
        return self.scores[-len(archs) :]

    def result(self, label: str) -> SearchResult:
        """Return the best (the first of equal ones), with the whole history as one round."""
        scores = np.array(self.scores, dtype=np.float64)
        best = order_best_first(scores)[:1]
        history = record(label, self.archs, scores, best, perf_counter() - self.started)
        return SearchResult(self.archs[best[0]], float(scores[best[0]]), (history,))


def maximise(
    searcher: Searcher,
    space: SearchSpace,
    evaluate: Evaluate,
    *,
    budget: int,
    rng: np.random.Generator,
    label: str = "",
    compares: bool = True,
    among: Sequence[Architecture] | None = None,
) -> SearchResult:
    """Return the best architecture that a searcher found (the first of equal ones).

    Args:
        searcher: asks for architectures.
        space: where it searches.
        evaluate: returns the scores (n,) of n architectures, which are those that the searcher asks for together.
        budget: evaluations in all; duplicates are evaluated, and counted, again.
        rng: the source of all randomness.
        label: of the round and in messages; the searcher's name unless given.
        compares: whether scores of several calls are compared, which relative scores do not allow.
        among: canonical codes of the networks that it may ask for; None: every network of the space.

    Raises:
        SettingError: the budget is below the searcher's population, it asks for nothing at all or learns from scores
            of estimators, or `evaluate` asks a session for scores that are relative to what else is scored.
    """
    check_space(space)
    if not callable(evaluate):
        whose = "lambda archs: session.scores([estimator], archs)[:, 0]"
        raise wrong_kind("`evaluate`", "a function that scores a list of architectures", evaluate, f"write {whose}")
    if not isinstance(rng, np.random.Generator):
        raise wrong_kind("`rng`", "a generator of numpy", rng, "write numpy.random.default_rng(0)")
    refuse_features(searcher)
    label = label or str(getattr(searcher, "name", type(searcher).__name__)).replace("_", " ")
    check_budget(budget, getattr(searcher, "population", 1))
    history = History(evaluate, label.capitalize() if compares else "")
    search = searcher.begin(Candidates(space, among), rng)
    while (left := budget - len(history.archs)) > 0 and (archs := search.ask(left)):
        search.tell(archs, np.array(history.ask(archs)))
    if not history.archs:
        raise SettingError(f"The searcher {label!r} asked for no architecture.")
    return history.result(label)


def rank(score: float) -> tuple[bool, float]:
    """Return a key that orders scores: NaN is the worst, below -inf, and equal to itself.

    >>> max([float("nan"), float("-inf"), -3.0], key=rank)
    -3.0
    >>> rank(float("nan")) < rank(float("-inf"))
    True
    """
    return (False, 0.0) if math.isnan(score) else (True, score)


def check_budget(budget: int, population: int = 1) -> None:
    """Check that a budget covers the first population.

    Raises:
        SettingError: it does not.
    """
    check_whole("budget", budget)
    check_whole("population", population)
    if budget < population:
        rule = "budget >= 1" if population == 1 else "budget >= population"
        value = "" if population == 1 else f", population={population}"
        raise SettingError(f"`{rule}` must hold, but got budget={budget}{value}.")
