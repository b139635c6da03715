"""Computation of scores on an executor, chunk by chunk; a long pass is announced first."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from archsieve.errors import WorkerError
from archsieve.runs.announcements import Trial, announcement, is_announced
from archsieve.runs.attempts import Lost
from archsieve.runs.chunks import ChunkScores, chunks_of, is_narrow, score_chunk, shares_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from archsieve.estimators.contract import Context
    from archsieve.runs.arithmetic import Arithmetic
    from archsieve.runs.chunks import Chunk
    from archsieve.runs.executors import Executor
    from archsieve.runs.score_tables import ScoreTable
    from archsieve.spaces.contract import Architecture

_MOST_IN_A_ROW = 10  # networks whose workers die, without a score between them


@dataclass(frozen=True, eq=False)
class Computing:
    """The executor and settings by which scores are computed.

    Attributes:
        executor: maps chunks to scores.
        plugins: modules that workers import first.
        arithmetic: how an accelerator computes.
        tables: the score tables on offer, named in announcements.
        progress: called with (label, done, total).
        notify: called with sentences before and in a long pass; None: nobody listens.
    """

    executor: Executor
    plugins: tuple[str, ...]
    arithmetic: Arithmetic
    tables: tuple[ScoreTable, ...]
    progress: Callable[[str, int, int], None]
    notify: Callable[[str], None] | None

    def scored(
        self, members: Sequence[Any], codes: Sequence[Architecture], contexts: Sequence[Context]
    ) -> Iterator[ChunkScores]:
        """Yield the scores of codes by the members of a pass."""
        if self.notify is None or not is_announced(members, len(codes)):
            yield from self._chunks(members, codes, contexts)
            return
        space, task, seed = contexts[0].space, contexts[0].task, contexts[0].seed
        self.notify(announcement(members, len(codes), self.tables, space, task, seed))
        trial = Trial(codes, are_neighbours=shares_work(members, space, task))
        for part in trial.rounds():
            for result in self._chunks(members, part, contexts):
                trial.add(result.seconds)
                yield result
        self.notify(trial.sentence(self.executor.workers))
        yield from self._chunks(members, trial.rest, contexts)

    def _chunks(
        self, members: Sequence[Any], codes: Sequence[Architecture], contexts: Sequence[Context]
    ) -> Iterator[ChunkScores]:
        """Yield the scores of chunks; a chunk that kills its workers is split until single networks remain.

        Raises:
            WorkerError: the workers of ten networks in a row died.
        """
        chunks = chunks_of(members, codes, contexts, self.executor.workers, self.plugins, self.arithmetic)
        sources: list[Iterator[Chunk]] = [chunks]
        in_a_row = 0
        while sources:
            parts: list[Iterator[Chunk]] = []
            for result in self.executor.map(score_chunk, _until(parts, sources[-1])):
                if not isinstance(result, Lost):
                    in_a_row = 0
                    yield result
                elif is_narrow(result.item):
                    in_a_row += 1
                    yield result.item.failed(result.reason, result.seconds)
                    if in_a_row >= _MOST_IN_A_ROW:
                        raise _hopeless(result)
                else:
                    parts.append(result.item.parts())
            if parts:
                sources.append(chain(*parts))
            else:
                sources.pop()


def _until(parts: list[Iterator[Chunk]], source: Iterator[Chunk]) -> Iterator[Chunk]:
    """Yield chunks until one must be split first."""
    while not parts:
        for chunk in source:
            yield chunk
            break
        else:
            return


def _hopeless(lost: Lost) -> WorkerError:
    return WorkerError(
        f"The workers of {_MOST_IN_A_ROW} networks in a row died, and none was scored: {lost.reason}. Finished scores "
        "are stored: run the same command again, with fewer --workers if memory ran out."
    )
