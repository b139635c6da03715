"""A benchmark: a table of recorded values for the codes of a space, with its provenance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from archsieve.errors import ArchitectureError, UnknownNameError
from archsieve.registry import BENCHMARKS, TASKS, near_miss

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from archsieve.sources import Source
    from archsieve.space import Architecture, SearchSpace
    from archsieve.task import Task


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of numbers by raw code; NaN where a column has no value for a code.

    >>> table = Table(((0, 1), (1, 1)), {"accuracy": np.array([90.0, 80.0])})
    >>> table.lookup("accuracy", [(1, 1), (0, 1)])
    array([80., 90.])
    """

    archs: tuple[Architecture, ...]
    columns: Mapping[str, NDArray[np.float64]]

    @cached_property
    def _rows(self) -> dict[Architecture, int]:
        return {arch: row for row, arch in enumerate(self.archs)}

    def lookup(self, column: str, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the column's values of those codes, shape (n,), NaN where the table has no such code.

        Raises:
            UnknownNameError: no such column.
        """
        if column not in self.columns:
            raise UnknownNameError(f"The table has no column {column!r}.{near_miss(column, self.columns)}")
        rows = np.array([self._rows.get(arch, -1) for arch in archs], dtype=int)
        return np.where(rows >= 0, self.columns[column][rows], np.nan)

    def within(self, space: SearchSpace) -> Table:
        """Return the table of those of its codes that are architectures of the space."""
        kept = [row for row, arch in enumerate(self.archs) if space.is_valid(arch)]
        if len(kept) == len(self.archs):
            return self
        columns = {name: values[kept] for name, values in self.columns.items()}
        return Table(tuple(self.archs[row] for row in kept), columns)

    def row(self, arch: Architecture) -> dict[str, float]:
        """Return all columns of one code.

        Raises:
            ArchitectureError: the table does not hold it.
        """
        if arch not in self._rows:
            raise ArchitectureError(f"The table has no row for {arch}.")
        return {name: float(values[self._rows[arch]]) for name, values in self.columns.items()}


class Benchmark(Protocol):
    """Where a table comes from and what it is about; `load` reads it."""

    @property
    def name(self) -> str:
        """The registered name."""

    @property
    def space(self) -> SearchSpace:
        """The space, with the settings, the table is about."""

    @property
    def task(self) -> str:
        """Name of the task its accuracies are about."""

    @property
    def source(self) -> Source:
        """Provenance of its file."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns, known before reading."""

    @property
    def truth(self) -> str | None:
        """The column that is the truth unless another is named; None where the table has none."""

    def is_present(self) -> bool:
        """Whether its file can be found."""

    def load(self) -> Table:
        """Read the table.

        Raises:
            MissingDataError: the file is not there.
            DataError: the file is damaged or of another format.
        """


def benchmarks_of(space: SearchSpace) -> list[Benchmark]:
    """Return the registered benchmarks about exactly this space, or all of it, in order of registration."""
    return [b for name in BENCHMARKS if (b := BENCHMARKS[name]).space == space.whole]


def task_of(benchmark: Benchmark) -> Task:
    """Return the task the benchmark's accuracies are about."""
    return cast("Task", TASKS[benchmark.task](**_task_settings(benchmark)))


def is_about(benchmark: Benchmark, task: Task) -> bool:
    """Whether the benchmark's accuracies are about this task; one that has `task_settings` is about those alone."""
    settings = _task_settings(benchmark)
    return benchmark.task == task.name and all(getattr(task, key, None) == value for key, value in settings.items())


def noisy_truths(
    benchmark: Benchmark,
    table: Table,
    column: str,
    archs: Sequence[Architecture],
    draws: int,
    rng: np.random.Generator,
) -> NDArray[np.float64] | None:
    """Return repetitions of a truth that differ by its own noise, shape (r, n); None where nothing is known of it.

    A benchmark that has `repetitions` of the column has trained that often; one that has `noise` gives the standard
    deviation of one training, of which `draws` repetitions are drawn.
    """
    if names := getattr(benchmark, "repetitions", {}).get(column):
        return np.stack([table.lookup(name, archs) for name in names])
    if deviation := getattr(benchmark, "noise", {}).get(column):
        return table.lookup(column, archs) + rng.normal(0.0, deviation, (draws, len(archs)))
    return None


def _task_settings(benchmark: Benchmark) -> Mapping[str, float]:
    return getattr(benchmark, "task_settings", {})


def find_benchmark(space: SearchSpace, column: str | None = None, name: str | None = None) -> Benchmark:
    """Return the first benchmark about `space` that is present and has `column` (None: any truth).

    Raises:
        UnknownNameError: no benchmark is about this space, or none has such a column.
        MissingDataError: one would do, but its file is not there.
    """
    about = [BENCHMARKS[name]] if name else benchmarks_of(space)
    if any(b.space != space.whole for b in about):
        raise UnknownNameError(f"The benchmark {name!r} is not about the space {space.name} with these settings.")
    if not about:
        raise UnknownNameError(f"No benchmark is about the space {space.name} with these settings: no truth is known.")
    fitting = [b for b in about if (b.truth if column is None else column in b.columns)]
    if not fitting:  # a user's copy may have more columns than are declared
        fitting = [b for b in about if b.is_present() and column in b.load().columns]
    if not fitting:
        known = sorted({c for b in about for c in b.columns})
        raise UnknownNameError(f"No benchmark of {space.name} has a column {column!r}.{near_miss(str(column), known)}")
    present = [b for b in fitting if b.is_present()]
    if not present:
        fitting[0].load()  # raises, and says where the file comes from
    return present[0]
