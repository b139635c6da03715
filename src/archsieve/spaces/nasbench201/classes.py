"""Equivalence classes of NAS-Bench-201 codes: codes whose networks compute the same function."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from archsieve.spaces.nasbench201.cell import NONE, OPERATIONS, POOL, SKIP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from archsieve.spaces.contract import Architecture

_Terms: TypeAlias = "tuple[int, ...]"


@cache
def representatives() -> dict[Architecture, Architecture]:
    """Return the first code of every code's equivalence class.

    The class is what the output is and every convolution with its input, both as sorted sums of terms.
    """
    first: dict[tuple[_Terms, _Terms], Architecture] = {}
    return {cell.arch: first.setdefault((cell.nodes[-1], cell.convolved), cell.arch) for cell in _cells()}


def _cells() -> list[_Cell]:
    """Return the cells of all codes, in order."""
    edge = _Edges()
    cells = [_Cell((), ((-1,),), ())]
    for sources in ((0,), (0, 1), (0, 1, 2)):  # of the next node
        cells = [grown for cell in cells for grown in _with_a_node(cell, sources, edge)]
    return cells


def _with_a_node(cell: _Cell, sources: tuple[int, ...], edge: _Edges) -> Iterator[_Cell]:
    """Yield a cell with one more node that has edges from these nodes, for all operations of the edges."""
    grown: list[tuple[Architecture, _Terms, _Terms]] = [(cell.arch, (), cell.convolved)]
    for source in sources:
        edges = [edge[operation, cell.nodes[source]] for operation in range(len(OPERATIONS))]
        grown = [
            ((*arch, operation), terms + one.terms, convolved + one.convolved)
            for arch, terms, convolved in grown
            for operation, one in enumerate(edges)
        ]
    for arch, terms, convolved in grown:
        yield _Cell(arch, (*cell.nodes, tuple(sorted(terms))), tuple(sorted(convolved)))


class _Cell(NamedTuple):
    """The beginning of a code, the terms of each node so far, and the convolutions with their inputs."""

    arch: Architecture
    nodes: tuple[_Terms, ...]
    convolved: _Terms


class _Edge(NamedTuple):
    """What an edge adds to its node, and its convolution with its input, both as terms."""

    terms: _Terms
    convolved: _Terms = ()


class _Edges(dict[tuple[int, _Terms], _Edge]):
    """Edges by operation and input. A term is a number for an operation and its input.

    A sum through a skip is flattened. Pooling nothing gives nothing, but a convolution of nothing is not nothing: its
    batch normalisation has a bias.
    """

    def __missing__(self, key: tuple[int, _Terms]) -> _Edge:
        operation, terms = key
        if operation == NONE:
            edge = _Edge(())
        elif operation == SKIP:
            edge = _Edge(terms)
        elif operation == POOL:
            edge = _Edge((len(self),) if terms else ())
        else:
            edge = _Edge((len(self),), (len(self),))
        self[key] = edge
        return edge
