"""The three spaces of NAS-Bench-1Shot1: subsets of NAS-Bench-101 with a fixed number of parents per vertex."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, ClassVar

from archsieve.errors import ArchitectureError
from archsieve.spaces.contract import check
from archsieve.spaces.nasbench101.cell import (
    CONV1,
    CONV3,
    INPUT,
    OUTPUT,
    POOL,
    Graph,
    code_of,
    graph_in,
    pruned,
    text_of,
)
from archsieve.spaces.nasbench101.space import GraphSpace
from archsieve.spaces.text import not_an_architecture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.spaces.contract import Architecture

_OPTIONS = (POOL, CONV3, CONV1)
"""The operations in the order of the one-shot models: their options 0, 1, 2."""


@dataclass(frozen=True)
class OneShotSpace(GraphSpace):
    """Cells of NAS-Bench-101 with a fixed number of parents per vertex (arXiv 2001.10422).

    A code gives the operation of each inner vertex (0 maxpool3x3, 1 conv3x3-bn-relu, 2 conv1x1-bn-relu), and then which
    vertices are the parents of each inner vertex and of the output: the place of the combination in lexicographic
    order. Vertices that lead nowhere are pruned, as the benchmark does. A network is that of NAS-Bench-101.

    Attributes:
        parents: how many parents each inner vertex has, and then the output.
    """

    parents: ClassVar[tuple[int, ...]] = ()

    @property
    def choices(self) -> tuple[int, ...]:
        """Three operations per inner vertex, and the combinations of parents of each vertex."""
        inner = len(self.parents) - 1
        return (len(_OPTIONS),) * inner + tuple(math.comb(v, count) for v, count in enumerate(self.parents, 1))

    def whole_code(self, arch: Architecture) -> Architecture:
        """Return the cell's code in NAS-Bench-101."""
        inner = len(self.parents) - 1
        edges = tuple(
            (source, vertex)
            for vertex, (count, option) in enumerate(zip(self.parents, arch[inner:], strict=True), 1)
            for source in _combinations(vertex, count)[option]
        )
        return code_of(Graph(edges, tuple(_OPTIONS[option] for option in arch[:inner])))

    def canonical(self, arch: Architecture) -> Architecture:
        """Return the lexicographically first code with the same pruned graph up to isomorphism."""
        return _first_code(self.parents, self.graph(arch))

    def published(self, arch: Architecture) -> str:
        """Return the NAS-Bench-101 text of the same network."""
        return text_of(self.graph(arch))

    def parse(self, text: str) -> Architecture:
        """Return the code of digits, or of the matrix and operations of a cell in the space.

        Raises:
            ArchitectureError: `text` is neither.
        """
        if INPUT not in text and OUTPUT not in text:
            return super().parse(text)
        try:
            code = _first_code(self.parents, pruned(graph_in(text)))
        except ArchitectureError as error:
            raise not_an_architecture(text, self.name, str(error)) from error
        return check(self, code, text)


@dataclass(frozen=True)
class OneShot1(OneShotSpace):
    """The first space of NAS-Bench-1Shot1: 14,580 codes of four inner vertices with 1, 2, 2 and 2 parents; output 2."""

    name: ClassVar[str] = "nasbench1shot1-1"  # type: ignore[misc]
    parents: ClassVar[tuple[int, ...]] = (1, 2, 2, 2, 2)


@dataclass(frozen=True)
class OneShot2(OneShotSpace):
    """The second space: 29,160 codes of four inner vertices with 1, 1, 2 and 2 parents; output 3."""

    name: ClassVar[str] = "nasbench1shot1-2"  # type: ignore[misc]
    parents: ClassVar[tuple[int, ...]] = (1, 1, 2, 2, 3)


@dataclass(frozen=True)
class OneShot3(OneShotSpace):
    """The third space: 1,312,200 codes of five inner vertices with 1, 1, 1, 2 and 2 parents; output 2."""

    name: ClassVar[str] = "nasbench1shot1-3"  # type: ignore[misc]
    parents: ClassVar[tuple[int, ...]] = (1, 1, 1, 2, 2, 2)


@cache
def _combinations(vertex: int, count: int) -> list[tuple[int, ...]]:
    """Return the possible parents of a vertex."""
    return list(itertools.combinations(range(vertex), count))


@lru_cache(maxsize=50_000)
def _first_code(parents: tuple[int, ...], graph: Graph | None) -> Architecture:
    """Return the first code with this pruned graph up to isomorphism; unused vertices are zeros.

    Raises:
        ArchitectureError: there is none.
    """
    if graph is None:
        raise ArchitectureError("no path leads from its input to its output")
    inner = len(parents) - 1
    codes = (
        code
        for places in itertools.permutations(range(1, inner + 1), len(graph.operations))
        if (code := _placed(parents, graph, places)) is not None
    )
    if (first := min(codes, default=None)) is None:
        raise ArchitectureError("its vertices have other numbers of parents than those of the space")
    return first


def _placed(parents: tuple[int, ...], graph: Graph, places: Sequence[int]) -> Architecture | None:
    """Return the code of a graph with inner vertices at these places; None if impossible."""
    inner = len(parents) - 1
    place = (0, *places, inner + 1)
    operations, combinations = [0] * inner, [0] * len(parents)
    for vertex, operation in enumerate(graph.operations, 1):
        operations[place[vertex] - 1] = _OPTIONS.index(operation)
    for vertex in range(1, graph.output + 1):
        sources = tuple(sorted(place[source] for source, target in graph.edges if target == vertex))
        if len(sources) != parents[place[vertex] - 1] or sources[-1] >= place[vertex]:
            return None
        combinations[place[vertex] - 1] = _combinations(place[vertex], len(sources)).index(sources)
    return (*operations, *combinations)
