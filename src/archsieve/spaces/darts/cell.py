"""The cell of DARTS: four nodes of two inputs each, as choices and as edges, and the equivalence of cells."""

from __future__ import annotations

from functools import cache
from itertools import combinations, permutations
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from archsieve.spaces.contract import Architecture

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
MAX_POOL, AVERAGE_POOL, SKIP, SEPARABLE_3, SEPARABLE_5, DILATED_3, DILATED_5 = range(len(OPERATIONS))
INPUTS = (0, 1)
"""The outputs of the two cells before."""
NODES = (2, 3, 4, 5)
"""What a cell computes; its output is all of them side by side."""
PAIRS = tuple(tuple(combinations(range(node), 2)) for node in NODES)
"""Of each node, the pairs of different predecessors it can have."""
CHOICES = tuple(options for pairs in PAIRS for options in (len(pairs), len(OPERATIONS), len(OPERATIONS)))
"""Of each node: its pair, the operation of the lower predecessor, that of the higher one."""


FIRST_EDGES = {2: 0, 3: 2, 4: 5, 5: 9}
"""Of the fourteen edges that a cell can have, by node and then by predecessor, the first into each node."""


class CellEdge(NamedTuple):
    """An operation from one node to another."""

    source: int
    target: int
    operation: int


ALL_EDGES = tuple(
    CellEdge(source, target, operation)
    for target in NODES
    for source in range(target)
    for operation in range(len(OPERATIONS))
)


def edges_of(code: Sequence[int]) -> tuple[CellEdge, ...]:
    """Return the eight edges of a cell's twelve choices, two per node, the lower predecessor first."""
    p2, a2, b2, p3, a3, b3, p4, a4, b4, p5, a5, b5 = code
    return _ends(2, p2, a2, b2) + _ends(3, p3, a3, b3) + _ends(4, p4, a4, b4) + _ends(5, p5, a5, b5)


@cache
def _ends(node: int, pair: int, lower: int, higher: int) -> tuple[CellEdge, CellEdge]:
    first, second = PAIRS[node - NODES[0]][pair]
    return CellEdge(first, node, int(lower)), CellEdge(second, node, int(higher))


def code_of(edges: Iterable[tuple[int, int, int]]) -> tuple[int, ...]:
    """Return the twelve choices of eight edges (source, target, operation), in any order.

    Each node must have two different predecessors.
    """
    code: list[int] = []
    for i, node in enumerate(NODES):
        (first, lower), (second, higher) = sorted((s, o) for s, target, o in edges if target == node)
        code += PAIRS[i].index((first, second)), lower, higher
    return tuple(code)


def canonical_cell(code: Architecture) -> tuple[int, ...]:
    """Return the representative of all cells that differ only in the order of their nodes.

    It is the lexicographically first one by wiring, then by operations, among the orders in which every node follows
    its predecessors.
    """
    (p2, p3, p4, p5), orders = _orders(code[0::3])
    operations = code[1:3] + code[4:6] + code[7:9] + code[10:12]
    a2, b2, a3, b3, a4, b4, a5, b5 = min([reordered(operations) for reordered in orders])
    return p2, a2, b2, p3, a3, b3, p4, a4, b4, p5, a5, b5


@cache
def _orders(pairs: Architecture) -> tuple[Architecture, tuple[Callable[[Architecture], Architecture], ...]]:
    """Return the lexicographically first wiring under node reorderings, and the reorderings that give it.

    Each order is a function that permutes the eight operations. There are 180 wirings.
    """
    orders: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    wiring = [PAIRS[i][pair] for i, pair in enumerate(pairs)]
    for nodes in permutations(NODES):
        place = {old: new for new, old in enumerate((*INPUTS, *nodes))}
        moved = [tuple((place[source], 2 * (old - 2) + k) for k, source in enumerate(wiring[old - 2])) for old in nodes]
        if all(source < new for new, ends in zip(NODES, moved, strict=True) for source, _ in ends):
            ends = [sorted(pair) for pair in moved]
            wired = tuple(PAIRS[i].index((low, high)) for i, ((low, _), (high, _)) in enumerate(ends))
            orders.setdefault(wired, []).append(tuple(origin for pair in ends for _, origin in pair))
    first = min(orders)
    return first, tuple(itemgetter(*order) for order in orders[first])


class CellShape(NamedTuple):
    """The shape of one cell: node and input channels, and whether it or the preceding cell is a reduction."""

    is_reduction: bool
    width: int
    inputs: tuple[int, int]
    follows_reduction: bool

    @property
    def outputs(self) -> int:
        """Output channels of the cell: its nodes concatenated."""
        return len(NODES) * self.width


def cells_of(arch: Architecture) -> tuple[Architecture, Architecture]:
    """Return the twelve choices of the normal cell and those of the reduction cell."""
    return arch[: len(CHOICES)], arch[len(CHOICES) :]
