"""Scores that a session looks up in tables instead of computing them, and the pictures they were computed on."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from archsieve.errors import DataError
from archsieve.estimators.contract import Composite
from archsieve.fingerprints import fingerprint, identity
from archsieve.tasks.data.published import words_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from archsieve.estimators.contract import AnyEstimator, Outcome
    from archsieve.runs.score_tables import ScoreTable
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


@dataclass(frozen=True)
class RecordedScores:
    """The score tables that a session uses.

    Attributes:
        own: those about its space, task and seed.
        others: those about its space and seed, and about its task on another copy of the pictures. They hold all
            networks of the space, so that no stage compares scores made on two sets of pictures.
    """

    own: tuple[ScoreTable, ...] = ()
    others: tuple[ScoreTable, ...] = ()

    @classmethod
    def of(cls, tables: Iterable[ScoreTable], space: SearchSpace, task: Task, seed: int) -> RecordedScores:
        """Return the tables that match this space, task and seed."""
        offered = tuple(tables)
        own = tuple(table for table in offered if table.knows(space, task, seed))
        rest = (table for table in offered if table not in own)
        return cls(own, tuple(table for table in rest if table.knows_another_copy(space, task, seed)))

    @property
    def hashes(self) -> Iterator[str]:
        """The hashes of the tables."""
        return (table.card.sha256 for table in (*self.own, *self.others))

    def other(self, estimator: Any) -> ScoreTable | None:
        """Return the table, made on another copy of the pictures, that has all scores of an estimator.

        None where there is none, or where a table made on the session's own pictures knows the estimator. A caller that
        has the estimator's identity may give that instead.
        """
        if not self.others:
            return None
        settings = identity(estimator)
        if any(table.column_of(settings) for table in self.own):
            return None
        return next((table for table in self.others if table.column_of(settings)), None)

    def others_behind(self, estimator: AnyEstimator) -> dict[str, tuple[Any, ScoreTable]]:
        """Return by name the tables made on another copy that an estimator, its parts or teachers use."""
        if not self.others:
            return {}
        if table := self.other(estimator):
            return {estimator.name: (estimator, table)}
        return self._behind_parts(estimator)

    def prints_behind(self, estimator: AnyEstimator) -> list[str]:
        """Return the task fingerprints of those tables, for an estimator that is itself in none of them."""
        if not self.others:
            return []
        return sorted({fingerprint(table.card.task) for _, table in self._behind_parts(estimator).values()})

    def _behind_parts(self, estimator: AnyEstimator) -> dict[str, tuple[Any, ScoreTable]]:
        return {name: pair for part in _within(estimator) for name, pair in self.others_behind(part).items()}

    def recall(self, estimator: AnyEstimator, codes: Collection[Architecture]) -> dict[Architecture, Outcome]:
        """Return the tables' outcomes for these codes.

        Raises:
            DataError: a table that should know all networks of its space lacks one.
        """
        scores: dict[Architecture, Outcome] = {}
        if not codes:
            return scores
        if whole_table := self.other(estimator):
            scores = whole_table.get(str(whole_table.column_of(estimator)), codes)
            if len(scores) < len(codes):
                raise DataError(
                    f"The score table {whole_table.path} should hold all networks of its space, but has no score for "
                    f"{min(set(codes) - scores.keys())}. To compute the scores: --recompute (in Python: tables=())."
                )
            return scores
        for table in self.own:
            if column := table.column_of(estimator):
                scores = {**table.get(column, codes), **scores}
        return scores


def sentences(sources: Iterable[tuple[Any, ScoreTable]]) -> tuple[str, ...]:
    """Return one sentence for each table made on other pictures than the session's."""
    groups: dict[tuple[Path, bool], list[tuple[Any, ScoreTable]]] = {}
    for estimator, table in sources:
        sees = bool({"data", "labels"} & set(getattr(estimator, "needs", ("data",))))
        groups.setdefault((table.path, sees), []).append((estimator, table))
    return tuple(_sentence([e.name for e, _ in group], group[0][1], sees) for (_, sees), group in groups.items())


def _sentence(names: Sequence[str], table: ScoreTable, sees: bool) -> str:
    begin = f"{', '.join(names)}: scores of the table {table.name}"
    if not sees:
        return f"{begin}. They do not depend on the pictures."
    return (
        f"{begin}, made on {pictures_of(table, 'another')}, not on yours. To compute them on yours: --recompute (in "
        "Python: tables=())."
    )


def pictures_of(table: ScoreTable, which: str = "a") -> str:
    """Return text on the pictures that a table was made on."""
    task = table.card.task
    return f"{which} copy of {task['name']} ({words_of(task['content'])})" if "content" in task else str(task["name"])


def _within(estimator: AnyEstimator) -> Iterator[Any]:
    """Yield the parts of a composite, else the estimators among the settings, such as teachers."""
    if isinstance(estimator, Composite):
        yield from estimator.parts
    elif is_dataclass(estimator):
        for setting in fields(estimator):
            value = getattr(estimator, setting.name)
            yield from (item for item in (value if isinstance(value, tuple) else (value,)) if is_dataclass(item))
