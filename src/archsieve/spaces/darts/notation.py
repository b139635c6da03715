"""Notations of DARTS cells: genotypes and compact pairs, parsed by a grammar and never executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archsieve.errors import ArchitectureError
from archsieve.spaces.darts.cell import NODES, OPERATIONS, CellEdge, code_of, edges_of
from archsieve.spaces.literals import Named, read_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.spaces.literals import Value

_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")


def compact(cells: Sequence[Sequence[int]]) -> str:
    """Return the cells as pairs (predecessor, operation), two per node, as NAS-Bench-301's tables write them."""
    return f"[{', '.join(str([(e.source, e.operation) for e in edges_of(code)]) for code in cells)}]"


def genotype_text(cells: Sequence[Sequence[int]]) -> str:
    """Return the cells as the `Genotype(...)` text of the DARTS code family."""
    parts = []
    for name, code in zip(("normal", "reduce"), cells, strict=True):
        pairs = ", ".join(f"('{OPERATIONS[e.operation]}', {e.source})" for e in edges_of(code))
        parts.append(f"{name}=[{pairs}], {name}_concat=range({NODES[0]}, {NODES[-1] + 1})")
    return f"Genotype({', '.join(parts)})"


def read_cells(text: str) -> tuple[int, ...]:
    """Return the code, normal cell first, of a genotype or compact code; a node's pairs may be in any order.

    A genotype is `Genotype(...)`, the list of its fields (as JSON writes it) or a dictionary of them. The pairs of a
    cell stand in one list, or in a list for each node. A name may stand before it, as in `CELL = Genotype(...)`.

    Raises:
        ArchitectureError: `text` is none of these, or no cells of this kind; says what is wrong.
    """
    values = read_values(text)
    if len(values) > 1:
        raise ArchitectureError(f"it holds {len(values)} architectures, but one is needed")
    cells = _cells(values[0][1])
    return tuple(choice for name, cell in zip(("normal", "reduce"), cells, strict=True) for choice in _cell(name, cell))


def _cells(value: Value) -> tuple[Value, Value]:
    """Return the two cells of a text in any notation."""
    match value:
        case Named():
            if value.word != "Genotype":
                raise ArchitectureError(f"{value.word!r} is not a Genotype")
            return _fields(value.arguments, value.keys)
        case Mapping():
            return _fields((), value)
        case (normal, reduction):
            return normal, reduction
        case tuple() if len(value) == len(_FIELDS):
            return _fields(value, {})
    raise ArchitectureError("a genotype, or two lists of eight pairs, is needed")


def _fields(arguments: tuple[Value, ...], keys: Mapping[str, Value]) -> tuple[Value, Value]:
    """Return the two cells of a genotype, after checking that each cell outputs all of its nodes."""
    if len(arguments) > len(_FIELDS) or not set(keys) <= set(_FIELDS):
        raise ArchitectureError(f"a genotype has the fields {', '.join(_FIELDS)} and no others")
    fields = {**dict(zip(_FIELDS, arguments, strict=False)), **keys}
    for name in ("normal", "reduce"):
        if name not in fields:
            raise ArchitectureError(f"the genotype lacks its {name} cell")
        nodes = _nodes(fields.get(f"{name}_concat", NODES))
        if nodes is None or sorted(nodes) != list(NODES):
            actual = "something else" if nodes is None else f"the nodes {list(nodes)}"
            raise ArchitectureError(
                f"{name}_concat is {actual}, but the cells of this space output the nodes {list(NODES)}"
            )
    return fields["normal"], fields["reduce"]


def _nodes(value: Value) -> tuple[int, ...] | None:
    """Return the numbers of a list or `range`; None for anything else."""
    match value:
        case Named("list", (inner,), {}) if isinstance(inner, Named):  # list(range(2, 6))
            return _nodes(inner)
        case Named("range", (int(begin), int(end)), {}):
            return tuple(range(begin, min(end, begin + 2 * len(NODES))))
        case tuple() if all(isinstance(number, int) for number in value):
            return tuple(number for number in value if isinstance(number, int))
    return None


def _cell(name: str, value: Value) -> tuple[int, ...]:
    """Return the twelve choices of eight pairs, given as one list or one list per node."""
    if isinstance(value, tuple) and len(value) == len(NODES) and all(_is_node(node) for node in value):
        value = tuple(pair for node in value if isinstance(node, tuple) for pair in node)
    if not isinstance(value, tuple) or len(value) != 2 * len(NODES):
        count = len(value) if isinstance(value, tuple) else "no"
        raise ArchitectureError(f"the {name} cell has {count} pairs, but needs {2 * len(NODES)}")
    edges = [CellEdge(source, NODES[i // 2], o) for i, (source, o) in enumerate(_pair(name, pair) for pair in value)]
    for node in NODES:
        sources = [edge.source for edge in edges if edge.target == node]
        if max(sources) >= node:
            raise ArchitectureError(
                f"node {node} of the {name} cell cannot take node {max(sources)}, which is not before it"
            )
        if len(set(sources)) < len(sources):
            raise ArchitectureError(f"node {node} of the {name} cell takes node {sources[0]} twice")
    return code_of(edges)


def _is_node(value: Value) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(pair, tuple) for pair in value)


def _pair(name: str, value: Value) -> tuple[int, int]:
    """Return (predecessor, operation) of a pair of numbers, or of an operation name and a predecessor."""
    match value:
        case (str(operation), int(source)) | (int(source), str(operation)):
            if operation not in OPERATIONS:
                known = ", ".join(OPERATIONS)
                raise ArchitectureError(f"the {name} cell has the operation {operation!r}, which is not one of {known}")
            return source, OPERATIONS.index(operation)
        case (int(source), int(index)):
            if index >= len(OPERATIONS):
                raise ArchitectureError(
                    f"the {name} cell has the operation {index}, but must have 0..{len(OPERATIONS) - 1}"
                )
            return source, index
    raise ArchitectureError(f"a pair of the {name} cell is neither (node, number) nor ('operation', node)")
