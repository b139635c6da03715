"""NAS-Bench-101 and the three NAS-Bench-1Shot1 spaces: a user's own table of trainings, one row per network."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from archsieve.benchmarks.agreement import check_alike, check_fit, unchecked
from archsieve.benchmarks.column_files import read_columns
from archsieve.benchmarks.contract import Benchmark
from archsieve.benchmarks.file_table import FileTable, TableSource, read_once
from archsieve.benchmarks.files import fault, shown
from archsieve.benchmarks.joined import (
    check_counted,
    check_no_single_fraction,
    check_percent,
    check_range,
    numbers_of,
    require_columns,
)
from archsieve.benchmarks.records import Surrogate, Table
from archsieve.errors import ArchitectureError
from archsieve.spaces.contract import enumerate_space
from archsieve.spaces.nasbench101.cell import (
    MOST_EDGES,
    Graph,
    canonical_graph,
    canonical_graphs,
    code_of,
    graph_in,
    graph_of,
    is_cell,
    pruned,
    with_edges,
)
from archsieve.spaces.nasbench101.one_shot_space import OneShot1, OneShot2, OneShot3
from archsieve.spaces.nasbench101.space import NASBench101

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from archsieve.benchmarks.records import Records
    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.spaces.nasbench101.one_shot_space import OneShotSpace
    from archsieve.tasks.contract import Task

MATRIX, NAMES, SIZES = "module_adjacency", "module_operations", "trainable_parameters"
"""Columns of the file, called as in the benchmark's own interface."""
RUNS = 3
TEST, VALIDATION = "test_acc_108", "val_acc_108"
_SOURCE = TableSource(
    "nasbench101.parquet",
    "https://github.com/google-research/nasbench (its file nasbench_only108.tfrecord, 499 MB, SHA-256 "
    "4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1), put into a table with the columns "
    "module_adjacency, module_operations, trainable_parameters, test_acc_108_1 to 3 and val_acc_108_1 to 3",
    "Apache-2.0 (NAS-Bench-101)",
    "Ying et al., NAS-Bench-101, ICML 2019, arXiv 1902.09635",
)
_LARGEST = 1e9  # parameters; published networks have up to 50 million
_LEAST = 5.0  # percent, half of chance: a network that failed has about 10
_TASK = cast("Task", SimpleNamespace(input_shape=(3, 32, 32), num_outputs=10))


def _runs(column: str) -> tuple[str, ...]:
    return tuple(f"{column}_{run + 1}" for run in range(RUNS))


@dataclass(frozen=True, eq=False)
class GraphTable(Table):
    """A table with one row per network; a code has the values of its canonical code."""

    by_network: ClassVar[bool] = True

    def lookup(self, column: str, archs: Sequence[Architecture]) -> NDArray[np.float64]:
        """Return the column's values of the networks, shape (n,); NaN for networks that are not in the table."""
        return super().lookup(column, [self._known(arch) for arch in archs])

    def row(self, arch: Architecture) -> dict[str, float]:
        """Return all columns of one network."""
        return super().row(self._known(arch))

    def within(self, space: SearchSpace) -> Table:
        """Return the table restricted to architectures of the space."""
        table = super().within(space)
        return table if table is self else GraphTable(table.archs, table.columns, table.remarks)

    def _known(self, arch: Architecture) -> Architecture:
        if arch in self._rows or not set(arch) <= {0, 1, 2} or not is_cell(arch):
            return arch
        return code_of(cast("Graph", canonical_graph(arch)))


@dataclass(frozen=True)
class NASBench101Table(FileTable):
    """Three trainings of 108 epochs of each network on CIFAR-10, from a file made from the published one.

    The file is parquet or CSV, with a row a network: the matrix (rows are sources), row by row, the names of its
    operations with commas between them, the parameters, and test and validation accuracies in percent. It may have a
    part of the 423,624 networks. Names and matrices leave nothing to guess, and the parameters must be those of the
    networks. A code whose network is in the file as an isomorphic graph has that graph's values.
    """

    name: str = "nasbench101-cifar10"
    task: str = "cifar10"
    source: TableSource = _SOURCE
    columns: tuple[str, ...] = (TEST, VALIDATION, SIZES, *_runs(TEST), *_runs(VALIDATION))
    truth: str = TEST

    @property
    def space(self) -> NASBench101:
        """The space with the benchmark's settings."""
        return NASBench101()

    @property
    def repetitions(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of the single trainings behind a column."""
        return {TEST: _runs(TEST), VALIDATION: _runs(VALIDATION)}

    def read(self, path: Path) -> Table:
        """Return the table of the file; raises as `load`."""
        raw = read_columns(path)
        needed = (SIZES, *_runs(TEST), *_runs(VALIDATION))
        require_columns(path, raw, (MATRIX, NAMES, *needed))
        codes = _codes(path, raw[MATRIX], raw[NAMES])
        columns = numbers_of(path, {title: raw[title] for title in raw if title not in (MATRIX, NAMES)}, needed)
        for mean, runs in ((TEST, _runs(TEST)), (VALIDATION, _runs(VALIDATION))):
            columns[mean] = np.mean([columns[run] for run in runs], axis=0)
        table = GraphTable(codes, columns, unchecked(self.name, columns[TEST]))
        check_percent(path, self.space, table, (*_runs(TEST), *_runs(VALIDATION)))
        check_no_single_fraction(path, self.space, table, (*_runs(TEST), *_runs(VALIDATION)), _LEAST)
        check_range(path, self.space, table, SIZES, 1, _LARGEST)
        check_counted(path, table, SIZES, self.space.describe, lambda arch: self.space.params(arch, _TASK))
        for run in (*_runs(TEST)[1:], *_runs(VALIDATION)):
            check_alike(path, table, TEST + "_1", run)
        check_fit(path, table, TEST)
        return table


_AS_PUBLISHED = (
    "Write both as text, such as '011001000' (a spreadsheet drops the zeros at its start) and "
    "'input,conv3x3-bn-relu,output' (without spaces)"
)


def _codes(path: Path, matrices: Sequence[object], names: Sequence[object]) -> tuple[Architecture, ...]:
    """Return the canonical codes of the rows.

    Raises:
        DataError: a row has no cell of the space, or there are two of one network.
    """
    if not matrices:
        raise fault(path, "holds no architecture")
    graphs: list[Graph] = []
    for row, (matrix, operations) in enumerate(zip(matrices, names, strict=True), 1):
        try:
            graph = pruned(graph_in(f"{matrix}:{operations}"))
        except ArchitectureError as error:
            what = f"holds a wrong architecture in row {row}, {shown(matrix)} with {shown(operations)}: {error}"
            raise fault(path, f"{what}. {_AS_PUBLISHED}") from error
        if graph is None or len(graph.edges) > MOST_EDGES:
            what = f"{shown(matrix)} in row {row}, which has no path from input to output, or more than nine edges"
            raise fault(path, f"holds the cell {what}")
        graphs.append(graph)
    codes = _canonical(graphs)
    rows: dict[Architecture, int] = {}
    for row, code in enumerate(codes, 1):
        if (first := rows.setdefault(code, row)) != row:
            what = f"the graphs of rows {first} and {row} are isomorphic, keep one of them"
            raise fault(path, f"holds one network twice: {what}")
    return tuple(codes)


def _canonical(graphs: Sequence[Graph]) -> list[Architecture]:
    """Return the canonical codes of pruned graphs, processed in groups of equal vertex count."""
    codes: list[Architecture] = [()] * len(graphs)
    for last in {graph.output for graph in graphs}:
        places = [place for place, graph in enumerate(graphs) if graph.output == last]
        matrices = np.zeros((len(places), last + 1, last + 1), dtype=np.uint8)
        for row, place in enumerate(places):
            for edge in graphs[place].edges:
                matrices[(row, *edge)] = 1
        operations = np.array([graphs[place].operations for place in places], dtype=np.uint8)
        edges, labels = canonical_graphs(matrices, operations.reshape(len(places), last - 1))
        for place, present, own in zip(places, edges.tolist(), labels.tolist(), strict=True):
            codes[place] = code_of(with_edges(present, own))
    return codes


@dataclass(frozen=True)
class OneShotTable(Benchmark):
    """The rows of NAS-Bench-101's table for the cells of one NAS-Bench-1Shot1 space.

    Every code whose network is in the table is a row; the third space is too large for that, and its values are looked
    up as they are asked for.
    """

    number: int
    task: str = "cifar10"
    source: TableSource = _SOURCE
    columns: tuple[str, ...] = NASBench101Table.columns
    truth: str = TEST

    @property
    def name(self) -> str:
        """The names of the space and the data set."""
        return f"{self.space.name}-cifar10"

    @property
    def space(self) -> OneShotSpace:
        """The space with the benchmark's settings."""
        return (OneShot1, OneShot2, OneShot3)[self.number - 1]()

    @property
    def repetitions(self) -> Mapping[str, tuple[str, ...]]:
        """The columns of the single trainings behind a column."""
        return NASBENCH101.repetitions

    @read_once
    def load(self) -> Records:
        """Read NAS-Bench-101's table and look up the codes of the space; raises as `NASBench101Table.load`."""
        whole, space = NASBENCH101.load(), self.space
        if self.number == 3:
            return Surrogate({title: _looked_up(whole, space, title) for title in whole.columns})
        archs = list(enumerate_space(space))
        codes = _canonical([cast("Graph", pruned(graph_of(space.whole_code(arch)))) for arch in archs])
        known = ~np.isnan(whole.lookup(TEST, codes))
        if not known.any():
            raise fault(self.source.require_known(), f"holds no network of {space.name}")
        kept = np.flatnonzero(known).tolist()
        columns = {title: whole.lookup(title, [codes[i] for i in kept]) for title in whole.columns}
        return Table(tuple(archs[i] for i in kept), columns, whole.remarks)


def _looked_up(whole: Table, space: OneShotSpace, title: str) -> Any:
    return lambda archs: whole.lookup(title, [code_of(space.graph(arch)) for arch in archs])[None]


NASBENCH101 = NASBench101Table()
ONE_SHOT_1, ONE_SHOT_2, ONE_SHOT_3 = (OneShotTable(number) for number in (1, 2, 3))
