"""The funnel: each stage scores the survivors and keeps the best part, cheap estimators first."""

from __future__ import annotations

import warnings
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import SettingError
from archsieve.searchers.contract import SearchResult, check_stages, record
from archsieve.searchers.guided import Searched
from archsieve.values import as_floats, check_list, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self

    from numpy.typing import NDArray

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.searchers.contract import Round, Stage
    from archsieve.searchers.guided import Guide
    from archsieve.spaces.contract import Architecture


def run_funnel(
    stages: Sequence[Stage],
    pool: Sequence[Architecture] | None,
    scores: Callable[[Sequence[Any], Sequence[Architecture]], NDArray[np.float64]],
    *,
    on_round: Callable[[Round], None] | None = None,
    guide: Guide | None = None,
) -> FunnelRun:
    """Return an iterator over a funnel's executed stages, each with its round.

    It is used in a loop: `for stage, latest in run_funnel(...)`.

    A stage runs when its turn comes. Survivors stay in the order of the pool from stage to stage. That order resolves
    all ties; the scores of earlier stages do not. The funnel stops as soon as one architecture is left; a pool of one
    is not scored at all. If a stage can score none of its candidates, the funnel stops.

    Args:
        stages: what to score with and what to keep, in order.
        pool: the candidates, in the order that resolves ties; None: every network of the space, which only a first
            stage with a search can take. Survivors are then in the order in which it asked for them.
        scores: returns the scores (n, k) of n architectures by k estimators.
        on_round: deprecated: called with every round once it is over; the whole funnel then runs at once.
        guide: what stages with a search need.

    Raises:
        SettingError: no stages, an empty pool, none where it is needed, a search without a guide, or `scores` returned
            another shape; the last three when the stage runs.
    """
    check_stages(stages)
    if pool is not None:
        check_list("`pool`", pool, "architectures", "of a session it is `session.pool()`")
    if not callable(scores):
        raise wrong_kind("`scores`", "a function", scores, "of a session it is `session.scores`")
    if not stages:
        raise SettingError("A funnel needs at least one stage, but got none.")
    if pool is not None and not len(pool):
        raise SettingError("A funnel needs at least one architecture, but the pool is empty.")
    run = FunnelRun(_steps(stages, pool, scores, guide), pool)
    if on_round is not None:
        _warn("argument `on_round` of `run_funnel`", 3)
        for _, latest in run:
            on_round(latest)
    return run


def funnel_search(
    stages: Sequence[Stage],
    pool: Sequence[Architecture] | None,
    scores: Callable[[Sequence[Any], Sequence[Architecture]], NDArray[np.float64]],
    *,
    guide: Guide | None = None,
) -> SearchResult:
    """Run a funnel to its end, and return the last stage's best architecture with one round per stage.

    Arguments and errors are those of `run_funnel`.

    >>> from archsieve import Stage, funnel_search
    >>> stages = [Stage(sum, top=2), Stage(min, top=1)]  # what `scores` is called with
    >>> codes = [(0, 3), (1, 1), (2, 2)]
    >>> funnel_search(stages, codes, lambda called, archs: np.array([[f(a) for f in called] for a in archs])).best
    (2, 2)
    """
    return run_funnel(stages, pool, scores, guide=guide).result()


class FunnelRun:
    """A running funnel: an iterator over `(stage, round)`, and the result so far.

    Its attributes `best`, `best_score` and `rounds` are those of the result, which `run_funnel` itself returned
    before version 0.2. They are deprecated; the first use runs the stages that are left.
    """

    def __init__(self, steps: Iterator[tuple[Stage, Round]], pool: Sequence[Architecture] | None) -> None:
        self._steps, self._pool = steps, pool
        self._rounds: list[Round] = []
        self._error: BaseException | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Stage, Round]:
        if self._error is not None:
            raise self._error
        try:
            stage, latest = next(self._steps)
        except StopIteration:
            raise
        except BaseException as error:  # a generator that failed looks like one that is over
            self._error = error
            raise
        self._rounds.append(latest)
        return stage, latest

    def result(self) -> SearchResult:
        """Run the remaining stages, and return the result; raises as they do."""
        for _ in self:
            pass
        return result_of(self._rounds, self._pool)

    @property
    def best(self) -> Architecture | None:
        """The best architecture; deprecated."""
        return self._old("best").best

    @property
    def best_score(self) -> float:
        """The score that selected it; deprecated."""
        return self._old("best_score").best_score

    @property
    def rounds(self) -> tuple[Round, ...]:
        """All rounds; deprecated."""
        return self._old("rounds").rounds

    def _old(self, name: str) -> SearchResult:
        _warn(f"attribute `{name}` of what `run_funnel` returns", 4)
        return self.result()


def _warn(what: str, depth: int) -> None:
    """Warn that something is deprecated, attributed to the caller `depth` frames up."""
    text = (
        f"The {what} is deprecated: iterate over `(stage, round)`, or call `funnel_search`, which returns the result."
    )
    warnings.warn(text, DeprecationWarning, stacklevel=depth)


def _steps(
    stages: Sequence[Stage],
    pool: Sequence[Architecture] | None,
    scores: Callable[[Sequence[Any], Sequence[Architecture]], NDArray[np.float64]],
    guide: Guide | None,
) -> Iterator[tuple[Stage, Round]]:
    """Yield each executed stage with its round."""
    survivors = None if pool is None else list(pool)
    for place, stage in enumerate(stages):
        if survivors is not None and len(survivors) == 1:
            return
        started = perf_counter()
        archs, column, described = _scored(stage, place, survivors, scores, guide)
        has_failed = bool(np.isnan(column).all())
        kept = stage.select(column)[: 0 if has_failed else None]
        yield stage, record(stage.label, archs, column, kept, perf_counter() - started, described)
        if has_failed:
            return
        survivors = [archs[i] for i in np.sort(kept)]


def result_of(rounds: Sequence[Round], pool: Sequence[Architecture] | None) -> SearchResult:
    """Return the result of a funnel; its best is None if the last stage could score no candidate."""
    if not rounds:
        return SearchResult(pool[0] if pool else None, float("nan"), ())
    last = rounds[-1]
    if not len(last.kept):
        return SearchResult(None, float("nan"), tuple(rounds))
    best = tuple(last.archs[last.kept[0]].tolist())
    return SearchResult(best, float(last.scores[last.kept[0]]), tuple(rounds))


def _scored(
    stage: Stage,
    place: int,
    left: list[Architecture] | None,
    scores: Callable[[Sequence[Any], Sequence[Architecture]], NDArray[np.float64]],
    guide: Guide | None,
) -> Searched:
    """Return the architectures that a stage scored, with their scores."""
    columns = partial(_columns, scores, stage.label)
    if stage.search is None:
        if left is None:
            raise SettingError(f"The stage {stage.label!r} scores all candidates, but got no pool of them.")
        return Searched(left, columns([stage.estimator], left)[:, 0], 0)
    if guide is None:
        raise SettingError(f"The stage {stage.label!r} searches, so the funnel needs a `guide` with the space.")
    searched = guide.scored(stage, place, left, columns)
    if not searched.archs:
        raise SettingError(f"The search of the stage {stage.label!r} asked for no candidate.")
    return searched


def _columns(
    scores: Callable[[Sequence[Any], Sequence[Architecture]], NDArray[np.float64]],
    label: str,
    estimators: Sequence[AnyEstimator],
    archs: Sequence[Architecture],
) -> NDArray[np.float64]:
    """Return the scores that a stage needs, shape (n, k)."""
    table = as_floats(scores(estimators, archs))
    shape = len(archs), len(estimators)
    if table.shape != shape:
        wanted = "one column" if len(estimators) == 1 else f"{len(estimators)} columns"
        raise SettingError(
            f"`scores` must return {wanted} for the stage {label!r}, shape {shape}, but returned shape {table.shape}."
        )
    return table
