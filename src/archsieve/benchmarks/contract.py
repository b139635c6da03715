"""A benchmark: recorded or predicted values for the codes of a space, with their provenance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from archsieve.defaults import completed, default, required
from archsieve.errors import ArchitectureError, SettingError, UnknownNameError
from archsieve.registry import BENCHMARKS, TASKS, near_miss
from archsieve.spaces.sampling import draw_up_to
from archsieve.values import as_floats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from archsieve.sources import Source
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


SAMPLE = 1000
"""How many codes stand for a space whose values are all predicted."""
REMEMBERED = 50_000
"""How many codes a surrogate remembers its predictions of."""


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
        _check_column(column, self.columns)
        rows = np.array([self._rows.get(arch, -1) for arch in archs], dtype=int)
        return np.where(rows >= 0, as_floats(self.columns[column][rows]), np.nan)

    def within(self, space: SearchSpace) -> Table:
        """Return the table of those of its codes that are architectures of the space."""
        rows = [row for row, arch in enumerate(self.archs) if space.is_valid(arch)]
        if len(rows) == len(self.archs):
            return self
        columns = {name: values[rows] for name, values in self.columns.items()}
        return Table(tuple(self.archs[row] for row in rows), columns)

    def row(self, arch: Architecture) -> dict[str, float]:
        """Return all columns of one code.

        Raises:
            ArchitectureError: the table does not hold it.
        """
        if arch not in self._rows:
            raise ArchitectureError(f"The table has no row for {arch}.")
        return {name: float(values[self._rows[arch]]) for name, values in self.columns.items()}


@dataclass(frozen=True, eq=False)
class Surrogate:
    """Named columns that are functions of the code, for a space too large to list: there are no rows to rank among.

    Args:
        columns: by name, what returns the predictions of a model's members for n codes, shape (m, n).

    >>> model = Surrogate({"ones": lambda archs: np.array([[sum(a) + error for a in archs] for error in (-1.0, 1.0)])})
    >>> model.lookup("ones", [(1, 1), (0, 1)]), model.spread("ones", [(1, 1)])
    (array([2., 1.]), array([1.]))
    """

    columns: Mapping[str, Callable[[Sequence[Architecture]], NDArray[np.float64]]]

    def lookup(self, column: str, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the mean of the members' predictions, shape (n,).

        Raises:
            UnknownNameError: no such column.
        """
        return mean_of_rows(self._members(column, archs))

    def spread(self, column: str, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the standard deviation of the members' predictions, shape (n,); raises as `lookup`."""
        members = self._members(column, archs)
        return np.sqrt(mean_of_rows((members - mean_of_rows(members)) ** 2))

    def within(self, space: SearchSpace) -> Surrogate:
        """Return itself: it lists no codes that could lie outside of the space."""
        return self

    def _members(self, column: str, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the members' predictions, shape (m, n); those of the latest codes are remembered."""
        _check_column(column, self.columns)
        if not archs:
            return np.empty((1, 0))
        known, codes = self._known.setdefault(column, {}), list(map(tuple, archs))
        missing = [code for code in dict.fromkeys(codes) if code not in known]
        if len(known) + len(missing) > REMEMBERED:
            known.clear()
            missing = list(dict.fromkeys(codes))
        if len(missing) > REMEMBERED:
            return self.columns[column](archs)
        if missing:
            known.update(zip(missing, self.columns[column](missing).T, strict=True))
        return np.stack([known[code] for code in codes], axis=1)

    @cached_property
    def _known(self) -> dict[str, dict[Architecture, NDArray[np.float64]]]:
        return {}


def mean_of_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of rows, added in their order: numpy adds a single column in another order than several."""
    total = np.zeros(rows.shape[1])
    for row in rows:
        total += row
    return total / len(rows)


def _check_column(column: str, columns: Mapping[str, object]) -> None:
    if column not in columns:
        raise UnknownNameError(f"The table has no column {column!r}.{near_miss(column, columns)}")


Records: TypeAlias = "Table | Surrogate"


class Benchmark(ABC):
    """The source of recorded values, and the space and task they are about; `load` reads them.

    A subclass must have what is `required` or abstract here; the rest has defaults. A benchmark that is no subclass
    works as well: what it leaves out gets the same defaults.
    """

    @required
    @abstractmethod
    def name(self) -> str:
        """The registered name."""

    @required
    @abstractmethod
    def space(self) -> SearchSpace:
        """The space, with the settings, the table is about."""

    @required
    @abstractmethod
    def task(self) -> str:
        """Name of the task its accuracies are about."""

    @required
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of its columns, known before reading."""

    @abstractmethod
    def load(self) -> Records:
        """Read the table, or what predicts its values.

        Raises:
            MissingDataError: the file is not there.
            DataError: the file is damaged or of another format.
        """

    @default
    def truth(self) -> str | None:
        """The column that is the truth unless another is named; None where the table has none."""
        return None

    @default
    def source(self) -> Source | None:
        """Provenance of its file; None where its values are in no file."""
        return None

    @default
    def caution(self) -> str:
        """A sentence about its values that a user must see beside them; empty if they need none."""
        return ""

    @default
    def task_settings(self) -> Mapping[str, float]:
        """The settings of the task; empty: its accuracies are about the task with any settings."""
        return {}

    @default
    def choosers(self) -> Mapping[str, tuple[str, ...]]:
        """For a truth, the columns of single complete trainings with other seeds, by which a search would choose."""
        return {}

    @default
    def repetitions(self) -> Mapping[str, tuple[str, ...]]:
        """For a truth, the columns of its repetitions."""
        return {}

    @default
    def noise(self) -> Mapping[str, float]:
        """For a truth, the standard deviation of one training."""
        return {}

    def is_present(self) -> bool:
        """Whether its source can be found."""
        return self.source is None or self.source.find() is not None


def completed_benchmark(benchmark: Any) -> Benchmark:
    """Return a benchmark that has all that `Benchmark` has: itself, or a view of one that is no subclass."""
    return completed(benchmark, Benchmark)  # type: ignore[type-abstract]


def caution_of(benchmark: Benchmark) -> str:
    """Return the sentence that a user must see beside the benchmark's values; empty if they need none."""
    return str(completed_benchmark(benchmark).caution)


def codes_of(records: Records, space: SearchSpace, seed: int) -> list[Architecture]:
    """Return the codes that a table lists; where all are predicted, a sample of the space drawn by the seed."""
    return list(records.archs) if isinstance(records, Table) else draw_up_to(space, seed, SAMPLE)


def table_of(benchmark: Benchmark) -> Table:
    """Read a benchmark that must list its codes.

    Raises:
        SettingError: it predicts its values.
    """
    records = benchmark.load()
    if not isinstance(records, Table):
        raise SettingError(
            f"The benchmark {benchmark.name} predicts values and lists no codes: name a benchmark with a table."
        )
    return records


def benchmarks_of(space: SearchSpace) -> list[Benchmark]:
    """Return the registered benchmarks about exactly this space, or all of it, in order of registration."""
    whole = space.whole
    names = [name for name in BENCHMARKS if BENCHMARKS.may_be_about(name, whole.name)]
    return [b for name in names if (b := BENCHMARKS[name]).space == whole]


def task_of(benchmark: Benchmark) -> Task:
    """Return the task the benchmark's accuracies are about."""
    return cast("Task", TASKS[benchmark.task](**_task_settings(benchmark)))


def is_about(benchmark: Benchmark, task: Task) -> bool:
    """Whether the benchmark's accuracies are about this task; if it has `task_settings`, these must be equal too."""
    settings = _task_settings(benchmark)
    return benchmark.task == task.name and all(getattr(task, key, None) == value for key, value in settings.items())


def noisy_truths(
    benchmark: Benchmark,
    records: Records,
    column: str,
    archs: Sequence[Architecture],
    draws: int,
    rng: np.random.Generator,
) -> NDArray[np.float64] | None:
    """Return repetitions of a truth that differ by its own noise, shape (r, n); None where nothing is known of it.

    A benchmark with `repetitions` of the column has recorded that many trainings. One with `noise` gives the standard
    deviation of one training; `draws` repetitions are drawn from it. A surrogate's deviation between members is used
    in the same way.
    """
    if names := completed_benchmark(benchmark).repetitions.get(column):
        return np.stack([records.lookup(name, archs) for name in names])
    deviation: float | NDArray[np.float64] | None = completed_benchmark(benchmark).noise.get(column)
    if deviation is None and isinstance(records, Surrogate):
        deviation = records.spread(column, archs)
    if deviation is None:
        return None
    return records.lookup(column, archs) + rng.normal(0.0, deviation, (draws, len(archs)))


def _task_settings(benchmark: Benchmark) -> Mapping[str, float]:
    return completed_benchmark(benchmark).task_settings


def find_benchmark(space: SearchSpace, column: str | None = None, name: str | None = None) -> Benchmark:
    """Return the first benchmark about `space` that has `column` (None: any truth), one whose data are here if any are.

    Raises:
        UnknownNameError: no benchmark is about this space, or none has such a column.
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
        names = sorted({c for b in about for c in b.columns})
        raise UnknownNameError(f"No benchmark of {space.name} has a column {column!r}.{near_miss(str(column), names)}")
    return next((b for b in fitting if b.is_present()), fitting[0])
