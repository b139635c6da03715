"""A search written as a generator: it yields lists of architectures and is sent the lists of their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from archsieve.errors import SettingError
from archsieve.searchers.contract import told_value

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from archsieve.estimators.contract import Scores
    from archsieve.spaces.contract import Architecture

Steps: TypeAlias = "Generator[list[Architecture], list[Any], None]"
"""Yields what may be scored at the same time, and is sent the scores in the same order, of
several objectives as tuples; ends when it has nothing."""


class Batches:
    """A search whose generator yields batches; the next batch is made when all scores of the last are known.

    >>> def climb():
    ...     best, best_score = (0,), (yield [(0,)])[0]
    ...     while True:
    ...         lower, higher = yield [(best[0] - 1,), (best[0] + 1,)]
    ...         best = (best[0] + (1 if higher > lower else -1),)
    >>> search = Batches(climb())
    >>> search.tell(search.ask(9), [0.0])
    >>> search.ask(1), search.ask(9)
    ([(-1,)], [(-1,), (1,)])
    >>> search.tell([(1,), (-1,)], [1.0, 0.0])
    >>> search.ask(9)
    [(0,), (2,)]
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._batch: list[Architecture] = []
        self._scores: list[Any] | None = None  # None: nothing was asked for yet
        self._waiting: dict[Architecture, list[int]] = {}  # places without a score

    def ask(self, n: int) -> list[Architecture]:
        """Return up to `n` unscored architectures of the batch, repeated as often as the batch repeats them."""
        self._advance()
        places = sorted(place for same in self._waiting.values() for place in same)
        return [self._batch[place] for place in places[: max(0, n)]]

    def tell(self, archs: Sequence[Architecture], scores: Scores | Sequence[float]) -> None:
        """Record scores of architectures in this batch or in the batches that follow, in order.

        Raises:
            SettingError: an architecture is not asked for.
        """
        for arch, score in zip(archs, scores, strict=True):
            self._advance()
            code = tuple(map(int, arch))
            if self._scores is None or code not in self._waiting:
                raise SettingError(f"The search got a score for {code}, which it did not ask for.")
            self._scores[self._waiting[code].pop(0)] = told_value(score)
            if not self._waiting[code]:
                del self._waiting[code]

    def _advance(self) -> None:
        """Make the next batch if all scores of this one are known."""
        if self._waiting:
            return
        scores = [score for score in self._scores or () if score is not None]
        try:
            self._batch = next(self._steps) if self._scores is None else self._steps.send(scores)
        except StopIteration:
            self._batch = []
        self._scores = [None] * len(self._batch)
        for place, arch in enumerate(self._batch):
            self._waiting.setdefault(arch, []).append(place)
