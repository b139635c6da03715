"""A benchmark: recorded or predicted values for the codes of a space, with their provenance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from archsieve.benchmarks.records import Surrogate, Table
from archsieve.defaults import completed, default, required
from archsieve.errors import SettingError, UnknownNameError
from archsieve.registry import BENCHMARKS, TASKS, near_miss
from archsieve.spaces.sampling import draw_up_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from archsieve.benchmarks.records import Records
    from archsieve.sources import Source
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


SAMPLE = 1000
"""How many codes stand for a space whose values are all predicted."""


class Benchmark(ABC):
    """A source of recorded values, with the space and task they belong to; `load` reads them.

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
        """The space of the table, with its settings."""

    @required
    @abstractmethod
    def task(self) -> str:
        """Name of the task of its accuracies."""

    @required
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Names of its columns, known without reading the file."""

    @abstractmethod
    def load(self) -> Records:
        """Read the table, or the models that predict its values.

        Raises:
            MissingDataError: the file is not there.
            DataError: the file is damaged or of another format.
        """

    @default
    def truth(self) -> str | None:
        """The default truth column; None if the table has none."""
        return None

    @default
    def source(self) -> Source | None:
        """Provenance of its file; None if it needs no file."""
        return None

    @default
    def caution(self) -> str:
        """A sentence of caution that is shown beside its values; empty if none is needed."""
        return ""

    @default
    def task_settings(self) -> Mapping[str, Any]:
        """Required settings of the task; empty if the accuracies apply to any settings."""
        return {}

    @default
    def choosers(self) -> Mapping[str, tuple[str, ...]]:
        """For a truth column, columns of single complete trainings with other seeds, by which a search would choose."""
        return {}

    @default
    def repetitions(self) -> Mapping[str, tuple[str, ...]]:
        """For a truth column, the columns of its repeated trainings."""
        return {}

    @default
    def noise(self) -> Mapping[str, float]:
        """For a truth column, the standard deviation of one training."""
        return {}

    def is_present(self) -> bool:
        """Whether its source is available."""
        return self.source is None or self.source.find() is not None


def completed_benchmark(benchmark: Any) -> Benchmark:
    """Return a benchmark with every attribute of `Benchmark`: itself, or a view that adds the defaults."""
    return completed(benchmark, Benchmark)  # type: ignore[type-abstract]


def caution_of(benchmark: Benchmark, records: Records | None = None) -> str:
    """Return the sentences of caution to show beside the benchmark's values; empty if none are needed.

    With its records, these include what reading the file has to say.
    """
    remarks = records.remarks if isinstance(records, Table) else ()
    return " ".join(filter(None, (str(completed_benchmark(benchmark).caution), *remarks)))


def codes_of(records: Records, space: SearchSpace, seed: int) -> list[Architecture]:
    """Return the codes that a table lists; for a surrogate, a sample of the space drawn by the seed."""
    return list(records.archs) if isinstance(records, Table) else draw_up_to(space, seed, SAMPLE)


def columns_of(benchmark: Benchmark) -> Sequence[str]:
    """Return the columns of a benchmark: those of its file, which may have more than are declared, where it is here."""
    whole = completed_benchmark(benchmark)
    return list(whole.load().columns) if whole.is_present() else whole.columns


def networks_of(table: Table, space: SearchSpace, best: Architecture) -> Sequence[Architecture]:
    """Return one code of each network of a table: the canonical one, or the first that the table has.

    Of the network of `best` it is `best`, so that no other code of this network competes with it.
    """
    known = set(table.archs)
    if table.by_network:
        own = best if best in known else space.canonical(best)
        return [best if code == own else code for code in table.archs]
    first: dict[Architecture, Architecture] = {}
    for arch in table.archs:
        first.setdefault(space.canonical(arch), arch)
    own = space.canonical(best)
    return [best if code == own else code if code in known else arch for code, arch in first.items()]


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
    """Return the registered benchmarks for exactly this space, or for all of it, in order of registration."""
    whole = space.whole
    names = [name for name in BENCHMARKS if BENCHMARKS.may_be_about(name, whole.name)]
    return [b for name in names if (b := BENCHMARKS[name]).space == whole]


def task_of(benchmark: Benchmark) -> Task:
    """Return the task of the benchmark's accuracies."""
    return cast("Task", TASKS[benchmark.task](**_task_settings(benchmark)))


def is_about(benchmark: Benchmark, task: Task) -> bool:
    """Whether the benchmark's accuracies belong to this task; its `task_settings`, if any, must be equal too."""
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
    """Return repetitions of a truth, recorded or drawn from its noise, shape (r, n); None if the noise is unknown.

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


def _task_settings(benchmark: Benchmark) -> Mapping[str, Any]:
    return completed_benchmark(benchmark).task_settings


def find_benchmark(space: SearchSpace, column: str | None = None, name: str | None = None) -> Benchmark:
    """Return the first benchmark of `space` with `column` (None: any truth), preferring one whose data are present.

    Raises:
        UnknownNameError: no benchmark is about this space, or none has such a column.
    """
    about = [BENCHMARKS[name]] if name else benchmarks_of(space)
    if any(b.space != space.whole for b in about):
        raise UnknownNameError(f"The benchmark {name!r} does not cover the space {space.name} with these settings.")
    if not about:
        raise UnknownNameError(f"No benchmark covers the space {space.name} with these settings, so no truth is known.")
    fitting = [b for b in about if (b.truth if column is None else column in b.columns)]
    if not fitting:  # a user's copy may have more columns than are declared
        fitting = [b for b in about if b.is_present() and column in b.load().columns]
    if not fitting:
        names = sorted({c for b in about for c in columns_of(b)})
        raise UnknownNameError(f"No benchmark of {space.name} has a column {column!r}.{near_miss(str(column), names)}")
    return next((b for b in fitting if b.is_present()), fitting[0])
