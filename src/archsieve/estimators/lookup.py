"""A benchmark's column as an estimator: recorded trainings, or the truth itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archsieve.benchmark import find_benchmark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.estimator import Context, Scores
    from archsieve.space import Architecture


@dataclass(frozen=True)
class Lookup:
    """Scores a code by a recorded value, higher is better; NaN where the table has none.

    Reads raw codes: codes of one network were trained separately and differ. A run folder keeps the values it first
    read.

    Args:
        column: name of the column.
        benchmark: name of the benchmark; empty for the first one present that has the column.
    """

    column: str
    benchmark: str = ""
    version: ClassVar[int] = 1
    by_code: ClassVar[bool] = True
    chunk_size: ClassVar[int] = 100_000

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column

    def score(self, archs: Sequence[Architecture], ctx: Context) -> Scores:
        """Return the recorded values, shape (n,).

        Raises:
            UnknownNameError: no benchmark of the space has the column.
            MissingDataError: the table's file is not there.
        """
        table = find_benchmark(ctx.space, self.column, self.benchmark or None).load()
        return table.lookup(self.column, archs)
