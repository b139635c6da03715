"""How DARTS cells are written: as a genotype, and as the compact code of pairs; read by a grammar, never run."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from archsieve.errors import ArchitectureError
from archsieve.spaces.darts_cell import NODES, OPERATIONS, CellEdge, code_of, edges_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TOKEN = re.compile(r"\s*(?:(?P<number>\d{1,6})|(?P<quoted>'\w*'|\"\w*\")|(?P<name>[A-Za-z_]\w*)|(?P<mark>[][(),=]))")
_CLOSING = {"(": ")", "[": "]"}
_DEEPEST = 4  # brackets in each other: genotype, cell, pair, and one to spare
_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")


@dataclass(frozen=True)
class Named:
    """A word with its arguments, `word(1, key=2)`."""

    word: str
    arguments: tuple[Value, ...] = ()
    keys: Mapping[str, Value] = field(default_factory=dict)


Value: TypeAlias = "int | str | tuple[Value, ...] | Named"


def compact(cells: Sequence[Sequence[int]]) -> str:
    """Return the cells as pairs (predecessor, operation), two a node, as tables of NAS-Bench-301 have them."""
    return f"[{', '.join(str([(e.source, e.operation) for e in edges_of(code)]) for code in cells)}]"


def genotype_text(cells: Sequence[Sequence[int]]) -> str:
    """Return the cells as the `Genotype(...)` that code of the DARTS family reads."""
    parts = []
    for name, code in zip(("normal", "reduce"), cells, strict=True):
        pairs = ", ".join(f"('{OPERATIONS[e.operation]}', {e.source})" for e in edges_of(code))
        parts.append(f"{name}=[{pairs}], {name}_concat=range({NODES[0]}, {NODES[-1] + 1})")
    return f"Genotype({', '.join(parts)})"


def read_cells(text: str) -> tuple[int, ...]:
    """Return the code, normal cell first, of a genotype or of a compact code; pairs of a node come in any order.

    Raises:
        ArchitectureError: `text` is neither, or no cells of this kind; says what is wrong.
    """
    value = _Reader(text).read()
    if isinstance(value, Named):
        cells = _fields(value)
    elif isinstance(value, tuple) and len(value) == 2:
        cells = value
    else:
        raise ArchitectureError("a genotype, or two lists of eight pairs, is needed")
    return tuple(choice for name, cell in zip(("normal", "reduce"), cells, strict=True) for choice in _cell(name, cell))


def _fields(value: Named) -> tuple[Value, Value]:
    """Return the two cells of a genotype, if each puts out all of its nodes."""
    if value.word != "Genotype":
        raise ArchitectureError(f"{value.word!r} is no Genotype")
    if len(value.arguments) > len(_FIELDS) or not set(value.keys) <= set(_FIELDS):
        raise ArchitectureError(f"a genotype has the fields {', '.join(_FIELDS)} and no others")
    found = {**dict(zip(_FIELDS, value.arguments, strict=False)), **value.keys}
    for name in ("normal", "reduce"):
        if name not in found:
            raise ArchitectureError(f"the genotype lacks its {name} cell")
        nodes = _nodes(found.get(f"{name}_concat", NODES))
        if nodes is None or sorted(nodes) != list(NODES):
            said = "something else" if nodes is None else f"the nodes {list(nodes)}"
            raise ArchitectureError(f"{name}_concat is {said}, but cells here put out the nodes {list(NODES)}")
    return found["normal"], found["reduce"]


def _nodes(value: Value) -> tuple[int, ...] | None:
    """Return the numbers of a list or of a `range`; None for anything else."""
    match value:
        case Named("list", (inner,), {}) if isinstance(inner, Named):  # list(range(2, 6))
            return _nodes(inner)
        case Named("range", (int(begin), int(end)), {}):
            return tuple(range(begin, min(end, begin + 2 * len(NODES))))
        case tuple() if all(isinstance(number, int) for number in value):
            return tuple(number for number in value if isinstance(number, int))
    return None


def _cell(name: str, value: Value) -> tuple[int, ...]:
    """Return the twelve choices of eight pairs."""
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


def _pair(name: str, value: Value) -> tuple[int, int]:
    """Return (predecessor, operation) of a pair in numbers, or of ('operation', predecessor)."""
    match value:
        case (str(operation), int(source)):
            if operation not in OPERATIONS:
                known = ", ".join(OPERATIONS)
                raise ArchitectureError(f"the {name} cell has the operation {operation!r}, which is none of {known}")
            return source, OPERATIONS.index(operation)
        case (int(source), int(index)):
            if index >= len(OPERATIONS):
                raise ArchitectureError(
                    f"the {name} cell has the operation {index}, but must have 0..{len(OPERATIONS) - 1}"
                )
            return source, index
    raise ArchitectureError(f"a pair of the {name} cell is neither (node, number) nor ('operation', node)")


class _Reader:
    """Reads a value: a number, a quoted word, values in brackets, or a word with arguments."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._ahead = next(self._tokens)

    def read(self) -> Value:
        """Return the one value of the text."""
        value = self._value(0)
        if self._ahead[0] != "end":
            raise ArchitectureError(f"nothing is expected where {self._ahead[1]!r} stands")
        return value

    def _take(self) -> tuple[str, str]:
        taken, self._ahead = self._ahead, next(self._tokens, ("end", ""))
        return taken

    def _value(self, depth: int) -> Value:
        kind, token = self._take()
        if depth > _DEEPEST:
            raise ArchitectureError("its brackets are nested too deep")
        if kind == "number":
            return int(token)
        if kind == "quoted":
            return token[1:-1]
        if kind == "name":
            if self._ahead[1] != "(":
                return Named(token)
            self._take()
            return Named(token, *self._items(")", depth))
        if token in _CLOSING:
            items, keys = self._items(_CLOSING[token], depth)
            if not keys:
                return items
        raise ArchitectureError("it ends too early" if kind == "end" else f"{token!r} is not expected where it stands")

    def _items(self, closing: str, depth: int) -> tuple[tuple[Value, ...], dict[str, Value]]:
        """Return the values up to a bracket, and those with a key."""
        items: list[Value] = []
        keys: dict[str, Value] = {}
        while self._ahead[1] != closing:
            value = self._value(depth + 1)
            if self._ahead[1] == "=" and isinstance(value, Named) and value.word not in keys:
                self._take()
                keys[value.word] = self._value(depth + 1)
            else:
                items.append(value)
            if self._ahead[1] != closing and self._take()[1] != ",":
                raise ArchitectureError(f"a comma or {closing!r} is missing")
        self._take()
        return tuple(items), keys


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, token), at the end ("end", "")."""
    text, place = text.rstrip(), 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ArchitectureError(f"{text[place:].lstrip()[:1]!r} is not part of one")
        kind = str(found.lastgroup)
        yield kind, found[kind]
        place = found.end()
    yield "end", ""
