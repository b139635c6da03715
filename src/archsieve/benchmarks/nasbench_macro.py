"""NAS-Bench-Macro's table: three trainings of every code on CIFAR-10, parameters and multiply-adds."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from archsieve.benchmarks.agreement import check_fit, check_rising
from archsieve.benchmarks.file_table import FileTable
from archsieve.benchmarks.files import assemble, code, fault, number, read_json, record
from archsieve.benchmarks.joined import check_counted, check_no_single_fraction, check_percent, check_range
from archsieve.sources import Source
from archsieve.spaces.nasbench_macro.space import NASBenchMacro

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from archsieve.benchmarks.records import Table
    from archsieve.tasks.contract import Task

RUNS = 3
_LEAST_ACCURACY = 5.0  # percent, half of chance
_ROUNDING = 0.01  # percent by which a mean may differ from that of the trainings
_TASK = cast("Task", SimpleNamespace(input_shape=(3, 32, 32), num_outputs=10))
_SCALARS = ("mean_acc", "std", "params", "flops")
_RUN_COLUMNS = tuple(f"test_acc_{run + 1}" for run in range(RUNS))


@dataclass(frozen=True)
class NASBenchMacroTable(FileTable):
    """The table in its published JSON: code -> `test_acc` (three runs), `mean_acc`, `std`, `params`, `flops`.

    Accuracies are test accuracies in percent; `flops` counts multiply-adds. In a file of one's own, parameters and
    multiply-adds must be those of the codes.

    >>> CIFAR10.truth, CIFAR10.space.name
    ('mean_acc', 'nasbench-macro')
    """

    name: str
    task: str
    source: Source
    columns: tuple[str, ...] = (*_SCALARS, *_RUN_COLUMNS)
    truth: str = "mean_acc"

    @property
    def repetitions(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of the single trainings behind a column."""
        return {"mean_acc": _RUN_COLUMNS}

    @property
    def space(self) -> NASBenchMacro:
        """The space with the benchmark's settings."""
        return NASBenchMacro()

    def read(self, path: Path) -> Table:
        """Return the table of the file; raises as `load`."""
        space = self.space
        content = read_json(path)
        archs = [code(path, space.parse, text) for text in content]
        rows = [_values(path, text, entry) for text, entry in content.items()]
        values = np.array(rows, dtype=np.float64).reshape(len(rows), len(self.columns))
        columns = dict(zip(self.columns, values.T, strict=True))
        table = assemble(path, space, archs, columns, truth=self.truth)
        if not self.source.is_known():
            self._check_join(path, table)
        return table

    def _check_join(self, path: Path, table: Table) -> None:
        """Check that sizes and accuracies are those of the codes, and that means are those of the trainings.

        Raises:
            DataError: they are not.
        """
        space, columns = self.space, table.columns
        check_counted(path, table, "params", space.describe, lambda arch: space.params(arch, _TASK))
        check_counted(path, table, "flops", space.describe, lambda arch: space.macs(arch, _TASK))
        check_percent(path, space, table, _RUN_COLUMNS)
        check_no_single_fraction(path, space, table, (*_RUN_COLUMNS, self.truth), _LEAST_ACCURACY)
        check_range(path, space, table, "std", 0, 100)
        means = np.mean([columns[run] for run in _RUN_COLUMNS], axis=0)
        for row in np.flatnonzero(np.abs(columns[self.truth] - means) > _ROUNDING):
            what = f"holds {columns[self.truth][row]} as {self.truth} of {space.describe(table.archs[row])!r}"
            raise fault(path, f"{what}, but its trainings have the mean {means[row]:.4f}")
        check_rising(path, table, self.truth, columns["flops"], 0)
        check_fit(path, table, self.truth)


def _values(path: Path, text: str, entry: Any) -> list[float]:
    """Return one row in the order of the columns."""
    fields = record(path, entry, repr(text))
    for key in ("test_acc", *_SCALARS):
        if key not in fields:
            raise fault(path, f"holds no {key!r} for {text!r}")
    runs = fields["test_acc"]
    if not isinstance(runs, list) or len(runs) != RUNS:
        raise fault(path, f"holds no list of {RUNS} numbers as 'test_acc' of {text!r}")
    entries = [*((key, fields[key]) for key in _SCALARS), *zip(_RUN_COLUMNS, runs, strict=True)]
    return [number(path, value, f"{key!r} of {text!r}") for key, value in entries]


CIFAR10 = NASBenchMacroTable(
    name="nasbench-macro-cifar10",
    task="cifar10",
    source=Source(
        file="nas-bench-macro_cifar10.json",
        origin="https://github.com/xiusu/NAS-Bench-Macro, its data/nas-bench-macro_cifar10.json",
        licence="Apache-2.0",
        citation="Su et al., Prioritized Architecture Sampling with Monto-Carlo Tree Search, CVPR 2021, "
        "arXiv 2103.11922",
        sha256="686dee8363cc21cca8c1f321ad5749454f2d9b9ca5972682e137e539bc522297",
    ),
)
"""All 6,561 codes; the best, 93.1267 %, is 22212220 and its twin 22212202."""
