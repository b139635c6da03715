"""Score tables shipped with the package: scores of whole spaces, each with a card that records how they were made.

A table is `NAME.npz` (the codes of distinct networks, and a column of scores for each estimator) and `NAME.json`, its
card. It answers for a space, task, seed and estimator only if all settings and versions are those of the card; one of a
whole space answers for another copy of the task's pictures too, and whoever uses it says so. All were computed on a
CPU: a session on another device uses none unless the caller passes it.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import DataError, MissingDataError
from archsieve.estimators.contract import Outcome
from archsieve.fingerprints import identity
from archsieve.registry import TASKS
from archsieve.spaces.text import encode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from archsieve.estimators.contract import AnyEstimator
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Metric, Task

CODES = "codes"


@dataclass(frozen=True)
class Card:
    """The record of how a table was made.

    Attributes:
        space: identity of the space.
        task: identity of the task, the hash of its pictures included.
        seed: of the run.
        estimators: identity of the estimator of each column.
        population: "all", or "sample": the distinct networks it knows.
        count: how many those are.
        command: what made it.
        seconds: of one process, summed over all; of all columns together.
        versions: of Python, torch, numpy and archsieve.
        processor: what it was computed on.
        sha256: of the table's file.
        failures: why a score is missing, by column and code.
    """

    space: dict[str, Any]
    task: dict[str, Any]
    seed: int
    estimators: dict[str, dict[str, Any]]
    population: str
    count: int
    command: str
    seconds: float
    versions: dict[str, str]
    processor: str
    sha256: str
    failures: dict[str, dict[str, str]]


@dataclass(frozen=True)
class ScoreTable:
    """One score table; its scores are read on first use."""

    path: Path
    card: Card

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    def knows(self, space: SearchSpace, task: Task, seed: int) -> bool:
        """Whether the table covers this space, task and seed."""
        return self.is_about(space, seed) and bool(identity(task) == self.card.task)

    def is_about(self, space: SearchSpace, seed: int) -> bool:
        """Whether the table covers this space and seed, for any task."""
        space = space.whole
        if self.card.space.get("type") != type(space).__name__ or self.card.seed != seed:
            return False
        return bool(identity(space) == self.card.space)

    def column_of(self, estimator: AnyEstimator | dict[str, Any]) -> str | None:
        """Return the column of an estimator or identity; None if no column has its settings and version."""
        target = identity(estimator)
        return next((name for name, recorded in self.card.estimators.items() if recorded == target), None)

    def get(self, column: str, archs: Collection[Architecture]) -> dict[Architecture, Outcome]:
        """Return the outcomes of the codes that the table holds."""
        reasons = self.card.failures.get(column, {})
        rows = {arch: row for arch in archs if (row := self._rows.get(arch)) is not None}
        values = self._columns[column][list(rows.values())].tolist()
        return {
            a: Outcome(v, reasons.get(encode(a)) if math.isnan(v) else None) for a, v in zip(rows, values, strict=True)
        }

    def knows_another_copy(self, space: SearchSpace, task: Task, seed: int) -> bool:
        """Whether the table covers this space and seed, for the same task on another copy of its pictures."""
        if self.card.population != "all" or not self.is_about(space, seed):
            return False
        own_task, content = identity(task), {"content": self.card.task.get("content")}
        return "content" in own_task and own_task != self.card.task and {**own_task, **content} == self.card.task

    @property
    def archs(self) -> list[Architecture]:
        """The codes in the table, in row order."""
        return list(self._rows)

    @cached_property
    def _columns(self) -> Mapping[str, NDArray[Any]]:
        if hashlib.sha256(self.path.read_bytes()).hexdigest() != self.card.sha256:
            raise DataError(f"The score table {self.path} does not match its card: reinstall archsieve.")
        with np.load(self.path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}

    @cached_property
    def _rows(self) -> dict[Architecture, int]:
        return {tuple(code): row for row, code in enumerate(self._columns[CODES].tolist())}


@dataclass(frozen=True)
class Recorded:
    """The task of a score table whose pictures are missing; it gives no batches, only the table's scores.

    Args:
        table: its name.
    """

    table: str

    @property
    def name(self) -> str:
        """The task's name."""
        return str(self._card.task["name"])

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(TASKS[self.name].input_shape)

    @property
    def num_outputs(self) -> int:
        """Number of classes."""
        return int(TASKS[self.name].num_outputs)

    @property
    def higher_is_better(self) -> bool:
        """Direction of the metric."""
        return bool(TASKS[self.name].higher_is_better)

    def identity(self) -> dict[str, Any]:
        """Return the identity of the task that the table was made with."""
        return self._card.task

    def batches(self, split: str, **settings: Any) -> Iterator[tuple[Tensor, Tensor]]:
        """Raise an error: the pictures are missing.

        Raises:
            MissingDataError: always.
        """
        raise MissingDataError(
            f"The images of {self.name} are missing (see `archsieve data`), and the shipped scores do not cover "
            f"this request."
        )

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the task's loss."""
        return TASKS[self.name]().loss(outputs, targets)  # type: ignore[no-any-return]

    def metric(self) -> Metric:
        """Return the task's metric."""
        return TASKS[self.name]().metric()  # type: ignore[no-any-return]

    @property
    def _card(self) -> Card:
        return next(table.card for table in shipped() if table.name == self.table)


@cache
def shipped() -> tuple[ScoreTable, ...]:
    """Return the shipped tables, those of whole spaces first."""
    folder = Path(str(files("archsieve.runs"))) / "tables"
    tables = [ScoreTable(path.with_suffix(".npz"), read_card(path)) for path in sorted(folder.glob("*.json"))]
    return tuple(sorted(tables, key=lambda table: table.card.population != "all"))


def read_card(path: Path) -> Card:
    """Return the card in a file."""
    return Card(**json.loads(path.read_text(encoding="utf-8")))


def whole_tables(space: SearchSpace, estimators: Sequence[AnyEstimator], seed: int) -> tuple[ScoreTable, ...]:
    """Return shipped tables over all of a space that together hold every one of these estimators.

    They are all of one task, whichever that is; none if there is an estimator that they do not hold.
    """
    about = [t for t in shipped() if t.card.population == "all" and t.is_about(space, seed)]
    for first in about:
        mates = [table for table in about if table.card.task == first.card.task]
        holders = [next((table for table in mates if table.column_of(e)), None) for e in estimators]
        if None not in holders:
            return tuple(table for table in mates if table in holders)
    return ()
