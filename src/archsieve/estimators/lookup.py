"""A benchmark's column as an estimator: recorded trainings, or the truth itself."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archsieve.benchmarks.contract import find_benchmark
from archsieve.benchmarks.foreign import ForeignTable, column_of, content_of
from archsieve.estimators.contract import Price
from archsieve.tasks.contract import Measure
from archsieve.values import check_whole, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimators.contract import Context, Scores
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


@dataclass(frozen=True)
class Lookup:
    """Scores a code by a recorded value, higher is better; NaN if the table has none.

    Reads raw codes: codes of one network were trained separately and differ. A run folder keeps the values it first
    read.

    Args:
        column: name of the column.
        benchmark: name of the benchmark; empty for the first one present that has the column.
        epochs_behind: the cost of recording one value, in network-epochs; used to compute costs.
        file: a CSV or parquet file that is looked up instead of a benchmark; see `ForeignTable`.
        codes: title of its column of architectures; empty: the usual ones.
        notation: of its codes.
    """

    column: str
    benchmark: str = ""
    epochs_behind: float = 0.0
    file: str = ""
    codes: str = ""
    notation: str = ""
    version: ClassVar[int] = 1
    by_code: ClassVar[bool] = True
    uses_device: ClassVar[bool] = False
    chunk_size: ClassVar[int] = 100_000

    def __post_init__(self) -> None:
        """Check that the column has a title."""
        if not isinstance(self.column, str):
            raise wrong_kind("`column`", "a text", self.column, "write the title of a column of a benchmark")

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column

    def price(self, n: int, space: SearchSpace, task: Task) -> Price:
        """Return the cost of the trainings behind `n` recorded values."""
        return Price(n * self.epochs_behind, 0.0)

    def identity(self) -> dict[str, Any]:
        """Return the settings that scores depend on: not `epochs_behind`, and a file's content instead of its path."""
        settings = {"type": "Lookup", "version": self.version, "column": self.column, "benchmark": self.benchmark}
        return {**settings, **_content(self.file, self.codes, self.notation)}

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the recorded values, shape (n,).

        Raises:
            UnknownNameError: no benchmark of the space has the column.
            MissingDataError: the table's file is not there.
        """
        if self.file:
            foreign = ForeignTable(self.file, ctx.space.whole, self.codes, self.notation).load()
            return foreign.lookup(column_of(foreign, self.file, self.column), archs)
        table = find_benchmark(ctx.space, self.column, self.benchmark or None).load()
        return table.lookup(self.column, archs)


@dataclass(frozen=True)
class Replay:
    """Scores a code by a recorded learning curve at epoch `epochs`, higher is better: `Lookup` of `curve_<epochs>`.

    Stands in for partial training where a benchmark has recorded it; a stage's `drop` goes through its epochs.

    Args:
        epochs: at least 1.
        curve: the columns' common name.
        benchmark: name of the benchmark; empty for the first one present that has the column.
        file: a file instead of a benchmark, with its `codes` and `notation`; see `Lookup`.
    """

    epochs: int = 1
    curve: str = "curve"
    benchmark: str = ""
    file: str = field(default="", metadata={"added": True})
    codes: str = field(default="", metadata={"added": True})
    notation: str = field(default="", metadata={"added": True})
    version: ClassVar[int] = 1
    by_code: ClassVar[bool] = True
    uses_device: ClassVar[bool] = False
    chunk_size: ClassVar[int] = 100_000

    def __post_init__(self) -> None:
        """Check the settings."""
        check_whole("epochs", self.epochs, 1)

    @property
    def name(self) -> str:
        """The name of the curve with the number of epochs."""
        return f"replay[{self.epochs}]"

    @property
    def lineage(self) -> Replay:
        """The curve; the cost of its earlier epochs is already counted."""
        return replace(self, epochs=1)

    def forget(self, archs: Sequence[Architecture], ctx: Context) -> None:
        """Do nothing: no state is kept."""

    def price(self, n: int, space: SearchSpace, task: Task) -> Price:
        """Return the cost of training `n` networks for that many epochs."""
        return Price(n * self.epochs, 0.0)

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the recorded values, shape (n,); see `Lookup`."""
        where = self.file, self.codes, self.notation
        return Lookup(f"{self.curve}_{self.epochs}", self.benchmark, 0.0, *where).score(archs, ctx)

    def identity(self) -> dict[str, Any]:
        """Return the settings that scores depend on, with a file's content instead of its path."""
        settings = {"epochs": self.epochs, "curve": self.curve, "benchmark": self.benchmark}
        return {
            "type": "Replay",
            "version": self.version,
            **settings,
            **_content(self.file, self.codes, self.notation),
        }


def measure_of_final(estimator: Any, measure: Measure, space: SearchSpace) -> Measure:
    """Return what the final scores of an estimator are called: those of a file need not be of the task's metric.

    They are taken for accuracies in percent where they lie in [0, 100] and not in [0, 1]. The negatives of a column of
    errors are shown as that column has them.

    Args:
        estimator: that scores the winner; None where a plan has none.
        measure: of the task.
        space: of the networks.
    """
    if not isinstance(estimator, Lookup) or not estimator.file:
        return measure
    table = ForeignTable(estimator.file, space.whole, estimator.codes, estimator.notation).load()
    values = table.columns[column_of(table, estimator.file, estimator.column)]
    if estimator.column.startswith("-") and estimator.column[1:] in table.columns:
        return Measure(estimator.column[1:], higher_is_better=False)
    is_percent = measure.higher_is_better and np.nanmin(values) >= 0 and 1 < np.nanmax(values) <= 100
    return measure if is_percent else Measure(estimator.column)


def _content(file: str, codes: str, notation: str) -> dict[str, str]:
    """Return the settings behind a file's values: the hash of its content and its notation; empty without a file."""
    return {"content": content_of(file), "codes": codes, "notation": notation} if file else {}
