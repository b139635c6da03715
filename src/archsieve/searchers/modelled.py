"""Model-based search in batches that can be resumed from stored scores alone.

A model's next proposal may differ on another processor. What was asked for before a kill is therefore never asked
again: it is taken as it was, and the model learns from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from archsieve.errors import SettingError
from archsieve.searchers.contract import told_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from archsieve.estimators.contract import Scores
    from archsieve.spaces.contract import Architecture

Propose: TypeAlias = "Callable[[list[Architecture], list[Any], int], list[Architecture]]"
"""Given all that was asked for, the scores of the batches that are complete, and a number, returns so many more.

What was asked for is longer than the scores where a kill fell into a batch: the rest of that batch is wanted then. An
empty list ends the search.
"""


class Modelled:
    """A search whose proposals depend on their position and on the scores of earlier batches.

    Args:
        population: how many belong to the first batch.
        batch: how many to each later one.
        propose: makes proposals.
        replays: whether it is called for batches of an earlier life too, because it asks for features, which are
            counted.
    """

    def __init__(self, population: int, batch: int, propose: Propose, *, replays: bool = False) -> None:
        self._population, self._batch, self._propose, self._replays = population, batch, propose, replays
        self._archs: list[Architecture] = []
        self._scores: list[Any] = []
        self._learnt = 0  # scores of batches that were complete when the last proposals were made

    def ask(self, n: int) -> list[Architecture]:
        """Return up to `n` unscored architectures of the batch."""
        if not self._waiting():
            self._extend()
        return [self._archs[place] for place in self._waiting()[: max(0, n)]]

    def tell(self, archs: Sequence[Architecture], scores: Scores | Sequence[float]) -> None:
        """Record scores of requested architectures, or, before any request, of those from before an interruption.

        Raises:
            SettingError: an architecture is not asked for.
        """
        for arch, score in zip(archs, scores, strict=True):
            code, waiting = tuple(map(int, arch)), self._waiting()
            if not waiting:
                if self._replays and self._start() == len(self._archs):
                    self._propose(self._archs, self._told(len(self._archs)), self._end() - len(self._archs))
                self._archs.append(code)
                self._scores.append(told_value(score))
                continue
            place = next((place for place in waiting if self._archs[place] == code), None)
            if place is None:
                raise SettingError(f"The search got a score for {code}, which it did not ask for.")
            self._scores[place] = told_value(score)

    def _waiting(self) -> list[int]:
        return [place for place in range(self._learnt, len(self._archs)) if self._scores[place] is None]

    def _extend(self) -> None:
        """Propose the missing part of the next batch."""
        self._learnt = self._start()
        proposals = self._propose(self._archs, self._told(self._learnt), self._end() - len(self._archs))
        self._archs += proposals
        self._scores += [None] * len(proposals)

    def _start(self) -> int:
        """Return the start position of the batch of the next proposal."""
        later = len(self._archs) - self._population
        return 0 if later < 0 else len(self._archs) - later % self._batch

    def _end(self) -> int:
        """Return the end position of that batch."""
        return self._population if len(self._archs) < self._population else self._start() + self._batch

    def _told(self, count: int) -> list[Any]:
        """Return the leading proposals whose scores are all known."""
        return [score for score in self._scores[:count] if score is not None]
