"""Equivalence classes of codes in the cell space of TransNAS-Bench-101."""

from __future__ import annotations

import itertools
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from archsieve.spaces.transnas.layout import EDGES, OPERATIONS, SKIP, ZERO

if TYPE_CHECKING:
    from archsieve.spaces.contract import Architecture

_Terms: TypeAlias = "tuple[Any, ...]"


@cache
def representatives() -> dict[Architecture, Architecture]:
    """Return the lexicographically first code of every code's equivalence class.

    Two cells are one network if they compute the same function and hold the same convolutions with the same inputs,
    in a cell that keeps its shape and in one that changes it: there a skip from the input is a convolution too.
    """
    first: dict[tuple[_Terms, ...], Architecture] = {}
    codes = itertools.product(range(len(OPERATIONS)), repeat=len(EDGES))
    return {arch: first.setdefault((*_signature(arch, False), *_signature(arch, True)), arch) for arch in codes}


def _signature(arch: Architecture, changes: bool) -> tuple[_Terms, _Terms]:
    """Return the output and every convolution with its input, as sorted sums of terms."""
    nodes: list[_Terms] = [("input",)]
    convolved: list[_Terms] = []
    for target in (1, 2, 3):
        terms: list[_Terms] = []
        for operation, (source, node) in zip(arch, EDGES, strict=True):
            if node != target or operation == ZERO:
                continue
            if operation == SKIP and not (changes and source == 0):
                terms += nodes[source]
            else:
                terms.append((operation, nodes[source]))
                convolved.append((operation, nodes[source]))
        nodes.append(tuple(sorted(terms, key=repr)))
    return nodes[3], tuple(sorted(convolved, key=repr))
