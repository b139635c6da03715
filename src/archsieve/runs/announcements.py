"""Notices before many networks are scored: their number, why no table has the scores, and the expected time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from archsieve.estimators.contract import Fittable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from archsieve.runs.score_tables import ScoreTable
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task

MANY = 200
"""Number of networks from which a pass is announced."""
TRIAL_SECONDS = 5.0
"""Longest expected time of a round of the trial, estimated from the round before."""
_ROUNDS = (1, 4, 16, 64)  # networks timed at once; the first one also loads what all need
_SLOW = 4 * TRIAL_SECONDS  # longest expected time of the second round
_LOADING = 60.0
"""Seconds that loading may take. A first network that took longer was slow itself, and predicts the rest."""


def is_announced(members: Sequence[Any], count: int) -> bool:
    """Whether a pass is large enough to be announced, and a score table could have avoided it."""
    return count >= MANY and any(hasattr(e, "needs") and not isinstance(e, Fittable) for e in members)


def announcement(
    members: Sequence[Any], count: int, tables: Sequence[ScoreTable], space: SearchSpace, task: Task, seed: int
) -> str:
    """Return the sentence on what is computed, and why no table has it."""
    names = ", ".join(e.name for e in members)
    return f"{_reason(members, tables, space, task, seed)}: {count:,} networks are scored by {names}."


def _reason(members: Sequence[Any], tables: Sequence[ScoreTable], space: SearchSpace, task: Task, seed: int) -> str:
    """Return why no table has the scores."""
    if not tables:
        return "The score tables are left aside"
    about = [table for table in tables if table.is_about(space, table.card.seed)]
    if not about:
        return f"No score table is about the space {space.name} with these settings"
    recorded = [e for e in members if any(table.column_of(e) for table in about)]
    names = ", ".join(e.name for e in recorded or members)
    if not recorded:
        return f"No score table holds {names} with these settings"
    holders = [table for table in about if any(table.column_of(e) for e in recorded)]
    if not any(table.card.seed == seed for table in holders):
        return f"No score table of {names} knows seed {seed} (they know {_seeds(holders)})"
    own = [table for table in holders if table.knows(space, task, seed)]
    if own:
        return f"The score table {own[0].name} knows a sample of {own[0].card.count:,} networks"
    return f"No score table of {names} over the whole space is about the task {task.name} with these settings"


def _seeds(tables: Iterable[ScoreTable]) -> str:
    """Return text on the seeds that the tables cover, and on those with only a sample of the networks."""
    whole = {table.card.seed for table in tables if table.card.population == "all"}
    sample = {table.card.seed for table in tables} - whole
    parts = [_listed(whole), _listed(sample) and f"a sample for {_listed(sample)}"]
    return ", and ".join(part for part in parts if part)


def _listed(numbers: Iterable[int]) -> str:
    """Return numbers as an enumeration in words.

    >>> _listed({2, 0, 1})
    '0, 1 and 2'
    """
    *first, last = map(str, sorted(numbers)) if numbers else ("",)
    return f"{', '.join(first)} and {last}" if first else last


class Trial:
    """Times the first of many networks in growing rounds; the last round predicts the remaining time.

    Args:
        codes: the codes to score.
        are_neighbours: take adjacent codes, because these share work.
    """

    def __init__(self, codes: Sequence[Architecture], *, are_neighbours: bool = False) -> None:
        self.rest = list(codes)
        self._are_neighbours = are_neighbours
        self._timed, self._seconds = 0, 0.0

    def rounds(self) -> Iterator[list[Architecture]]:
        """Yield the codes of each round; the caller scores them and calls `add` with the seconds."""
        for place, count in enumerate(_ROUNDS):
            if place == 1 and _SLOW < self._seconds * count <= _LOADING * count:
                yield self._round(1)  # most of the time of the first one may be that of loading
            most = _SLOW if place == 1 else TRIAL_SECONDS
            if self._timed and self._seconds / self._timed * count > most:
                break
            yield self._round(count)

    def _round(self, count: int) -> list[Architecture]:
        """Return codes from all of the rest, or neighbours from its middle, and leave them out of the rest."""
        step = 1 if self._are_neighbours else len(self.rest) // count
        begin = (len(self.rest) - step * (count - 1)) // 2
        places = slice(begin, begin + step * (count - 1) + 1, step)
        chosen = self.rest[places]
        del self.rest[places]
        self._timed, self._seconds = count, 0.0
        return chosen

    def add(self, seconds: float) -> None:
        """Add the seconds that a worker spent on the current round."""
        self._seconds += seconds

    def sentence(self, workers: int) -> str:
        """Return a sentence on the expected remaining time."""
        each = self._seconds / max(1, self._timed)
        processes = "one process" if workers == 1 else f"{workers} processes"
        about = duration(each * len(self.rest) / workers)
        bound = "at most " if self._are_neighbours else ""  # larger chunks share more work
        return f"This takes {bound}about {about} of {processes}, as {self._timed} of them took here."


def duration(seconds: float) -> str:
    """Return a duration in words, rounded to the precision of an estimate.

    >>> [duration(s) for s in (0.2, 42, 700, 9000)]
    ['1 s', '42 s', '12 min', '2.5 h']
    """
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
