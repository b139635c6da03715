"""Zero-cost scores of NAS-Bench-201 and DARTS cells as NAS-Bench-Suite-Zero publishes them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from archsieve.benchmarks.agreement import check_fit, check_rising, unchecked
from archsieve.benchmarks.file_table import FileTable
from archsieve.benchmarks.files import NASLIB_NO_SCORE, assemble, fault, number, read_json, record
from archsieve.benchmarks.joined import check_no_single_fraction, check_proportional
from archsieve.benchmarks.topology_order import check_order
from archsieve.errors import ArchitectureError
from archsieve.sources import Source
from archsieve.spaces.darts.space import DARTS
from archsieve.spaces.nasbench201.space import NASBench201, from_naslib

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.benchmarks.records import Table
    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task

_MILLION = 1e-6  # the unit of sizes in the file
_LEAST_ACCURACY = 5.0  # percent, half of chance
_LEAST_AGREEMENT = 0.95  # rank correlation of `flops` with the multiply-adds of the cells
_TASK = cast("Task", SimpleNamespace(input_shape=(3, 32, 32), num_outputs=10))
PROXIES = (
    "flops",
    "params",
    "snip",
    "jacov",
    "grad_norm",
    "plain",
    "epe_nas",
    "fisher",
    "grasp",
    "l2_norm",
    "synflow",
)
_KEY = re.compile(r"\(" + ", ".join([r"([0-4])"] * 6) + r"\)")


@dataclass(frozen=True)
class PublishedProxies(FileTable):
    """Zero-cost scores by cell, higher is better, and the validation accuracy in percent.

    A score is a number or `{"score": ..., "time": ...}`; the cells may lie below the name of the space, of the data
    set, or of both, as published. `flops` and `params` are in millions. NaN where a proxy gave no score.

    Args:
        name: the registered name.
        task: name of the task.
        source: provenance of the file.
        space: what the cells belong to.
        key: returns the code of a key's text.
        example: a key, for messages.
        published_as: names of the space that may stand around the cells.

    >>> CIFAR10.truth, CIFAR10.columns[-1]
    ('val_accuracy', 'val_accuracy')
    """

    name: str
    task: str
    source: Source
    space: NASBench201 | DARTS
    key: Callable[[str], Architecture]
    example: str
    published_as: tuple[str, ...]
    columns: tuple[str, ...] = (*PROXIES, "val_accuracy")
    truth: str = "val_accuracy"

    def read(self, path: Path) -> Table:
        """Return the table of the file; proxies in it beyond the declared ones become columns too. Raises as `load`."""
        content = self._cells(path, read_json(path))
        archs = [self._code(path, key) for key in content]
        rows = [_scores(path, key, entry) for key, entry in content.items()]
        for key, row in zip(content, rows, strict=True):
            if missing := [name for name in self.columns if name not in row]:
                raise fault(path, f"holds no {', '.join(missing)} for {key!r}")
        names = dict.fromkeys((*self.columns, *(name for row in rows for name in row)))
        columns = {name: _column([row.get(name, np.nan) for row in rows]) for name in names}
        table = assemble(path, self.space, archs, columns, truth=self.truth, complete=False)
        if self.source.is_known():
            return table
        self._check_join(path, table)
        return replace(table, remarks=unchecked(self.name, table.columns[self.truth]))

    def _check_join(self, path: Path, table: Table) -> None:
        """Check that sizes and accuracies are those of the cells, and that no score is infinite.

        Raises:
            DataError: they are not.
        """
        for name, values in table.columns.items():
            for row in np.flatnonzero(np.isinf(values)):
                raise fault(path, f"holds {values[row]} as {name} of {self.space.describe(table.archs[row])!r}")
        check_no_single_fraction(path, self.space, table, (self.truth,), _LEAST_ACCURACY)
        causes = "operations renumbered, cells exchanged, or keys in another order"
        check_proportional(path, table, "params", lambda arch: self.space.params(arch, _TASK), causes, _MILLION)
        macs = np.array([self.space.macs(arch, _TASK) for arch in table.archs], dtype=np.float64)
        check_rising(path, table, "flops", macs, _LEAST_AGREEMENT)
        check_rising(path, table, self.truth, macs, 0)
        check_fit(path, table, self.truth)
        if isinstance(self.space, NASBench201):
            check_order(path, table.archs, table.columns[self.truth], self.truth)

    def _cells(self, path: Path, content: dict[str, Any]) -> dict[str, Any]:
        """Return the entries by cell; levels named after the space and the data set are descended first."""
        names = [*self.published_as, self.task]
        while name := next((name for name in names if name in content), None):
            content = record(path, content[name], repr(name))
            names.remove(name)
        return content

    def _code(self, path: Path, key: str) -> Architecture:
        """Return the code of a key, parsed without evaluating it."""
        try:
            return self.key(key)
        except ArchitectureError as error:
            around = " or ".join(map(repr, (*self.published_as, self.task)))
            raise fault(
                path, f"holds the key {key!r:.40}, but expected is one like {self.example!r}, or {around} around them"
            ) from error


def _naslib_code(key: str) -> Architecture:
    """Return the code of NASLib's tuple, given as text."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise ArchitectureError(f"{key!r} is not a tuple of six numbers in 0..4.")
    return from_naslib([int(option) for option in match.groups()])


def _scores(path: Path, key: str, entry: Any) -> dict[str, float]:
    """Return the numbers of one cell by name."""
    fields = record(path, entry, repr(key))
    flat = {name: value.get("score") if isinstance(value, dict) else value for name, value in fields.items()}
    return {name: number(path, value, f"{name!r} of {key!r}") for name, value in flat.items()}


def _column(values: list[float]) -> NDArray[np.float64]:
    column = np.array(values, dtype=np.float64)
    return np.where(column == NASLIB_NO_SCORE, np.nan, column)


def _source(space: str, sha256: str) -> Source:
    return Source(
        file=f"published-proxies-{space}-cifar10.json",
        origin="NAS-Bench-Suite-Zero (https://github.com/automl/NASLib, zerocost branch), its "
        f"zc_{space}.json or a part of it, under this name",
        licence="Apache-2.0",
        citation="Krishnakumar et al., NAS-Bench-Suite-Zero, NeurIPS 2022, arXiv 2210.03230",
        sha256=sha256,
    )


CIFAR10 = PublishedProxies(
    name="nasbench201-published-proxies",
    task="cifar10",
    source=_source("nasbench201", "6a08743e6ae2eca75a97b53985282763d8945dc0d5f0a979ce5792d087b859b1"),
    space=NASBench201(),
    key=_naslib_code,
    example="(0, 0, 4, 3, 0, 2)",
    published_as=("nasbench201",),
)
"""245 cells; the accuracy is that after 200 epochs."""

DARTS_CIFAR10 = PublishedProxies(
    name="nasbench301-published-proxies",
    task="cifar10",
    source=_source("nasbench301", "a02e0dc14cc01321149cd1bc02e166f23463211bce7251ba1c16dd3f5e0f8146"),
    space=DARTS(),
    key=DARTS().parse,
    example="[[(0, 1), (1, 4), ...], [(1, 0), ...]]",
    published_as=("nasbench301", "darts"),
)
"""250 cells; the accuracy is what the surrogate of NAS-Bench-301 (arXiv 2008.09777) predicts after 100 epochs."""
