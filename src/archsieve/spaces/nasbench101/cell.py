"""The cell of NAS-Bench-101: a graph from input to output, its pruning, and its canonical form."""

from __future__ import annotations

import itertools
import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from archsieve.errors import ArchitectureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from archsieve.spaces.contract import Architecture

VERTICES, MOST_EDGES = 7, 9
CONV3, CONV1, POOL = range(3)
OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""In the order in which the benchmark's graphs were generated."""
KERNELS = {CONV3: 3, CONV1: 1}
INPUT, OUTPUT = "input", "output"
EDGES = tuple((source, target) for target in range(1, VERTICES) for source in range(target))
"""(source, target) of each of the first 21 decisions; the other five are the operations of the inner vertices."""
EXAMPLE = "010001000:input,conv3x3-bn-relu,output"
_TEXT = re.compile(r"([01]{4,49})(?::|\s+)([a-z0-9,-]{1,200})")
_BLOCK = 500  # graphs whose permutations are looked at together


class Graph(NamedTuple):
    """A cell: its edges (source, target), each to a later vertex, and the operations of its inner vertices."""

    edges: tuple[tuple[int, int], ...]
    operations: tuple[int, ...]

    @property
    def output(self) -> int:
        """The last vertex; the first one, 0, is the input."""
        return len(self.operations) + 1


def graph_of(arch: Architecture) -> Graph:
    """Return the graph of a code, with all seven vertices."""
    return Graph(tuple(e for e, present in zip(EDGES, arch, strict=False) if present), tuple(arch[len(EDGES) :]))


def code_of(graph: Graph) -> Architecture:
    """Return the code of a graph; missing inner vertices are added before the output, without edges."""
    last = VERTICES - 1
    edges = {(source, last if target == graph.output else target) for source, target in graph.edges}
    missing = (0,) * (last - graph.output)
    return (*(int(edge in edges) for edge in EDGES), *graph.operations, *missing)


def pruned(graph: Graph) -> Graph | None:
    """Return the graph of the vertices on paths from input to output; None if there is no path."""
    from_input, to_output = {0}, {graph.output}
    for source, target in sorted(graph.edges):
        if source in from_input:
            from_input.add(target)
    for source, target in sorted(graph.edges, reverse=True):
        if target in to_output:
            to_output.add(source)
    kept = sorted(from_input & to_output)
    if kept[:1] != [0] or kept[-1] != graph.output:
        return None
    place = {vertex: i for i, vertex in enumerate(kept)}
    edges = tuple((place[s], place[t]) for s, t in graph.edges if s in place and t in place)
    return Graph(edges, tuple(graph.operations[vertex - 1] for vertex in kept[1:-1]))


def is_cell(arch: Architecture) -> bool:
    """Whether a path leads from input to output, and at most nine edges lie on such paths."""
    graph = pruned(graph_of(arch))
    return graph is not None and len(graph.edges) <= MOST_EDGES


@lru_cache(maxsize=50_000)
def canonical_graph(arch: Architecture) -> Graph | None:
    """Return the canonical form of a code's pruned graph; None without a path, or with more than nine edges.

    Of isomorphic graphs it is the one that NAS-Bench-101 generated first: with the least number whose bit
    `source + target * (target - 1) / 2` is an edge, and then the least operations. Its files hold these graphs.
    """
    graph = pruned(graph_of(arch))
    if graph is None or len(graph.edges) > MOST_EDGES:
        return None
    matrix = np.zeros((1, graph.output + 1, graph.output + 1), dtype=np.uint8)
    for source, target in graph.edges:
        matrix[0, source, target] = 1
    edges, operations = canonical_graphs(matrix, np.array([graph.operations], dtype=np.uint8))
    return with_edges(edges[0].tolist(), operations[0].tolist())


def with_edges(present: Sequence[int], operations: Sequence[int]) -> Graph:
    """Return the graph of a result of `canonical_graphs`."""
    count = len(operations) + 2
    pairs = EDGES[: count * (count - 1) // 2]
    return Graph(tuple(pair for pair, is_there in zip(pairs, present, strict=True) if is_there), tuple(operations))


def canonical_graphs(
    matrices: NDArray[np.uint8], operations: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the canonical forms of pruned graphs that have the same number of vertices.

    Args:
        matrices: adjacency, shape (n, vertices, vertices), upper triangular.
        operations: of the inner vertices, shape (n, vertices - 2).

    Returns:
        Presence of the edges, shape (n, vertices * (vertices - 1) / 2), and operations, shape (n, vertices - 2).
    """
    vertices = matrices.shape[1]
    entries, places = _permutations(vertices)
    weights = 2.0 ** np.arange(entries.shape[1]), 3.0 ** np.arange(vertices - 3, -1, -1)
    found = []
    for start in range(0, len(matrices), _BLOCK):
        flat = matrices[start : start + _BLOCK].reshape(-1, vertices * vertices)
        edges, labels = flat[:, entries], operations[start : start + _BLOCK][:, places]
        keys = (edges @ weights[0]) * 3.0 ** (vertices - 2) + labels @ weights[1]
        keys[edges.sum(axis=2) < flat.sum(axis=1)[:, None]] = np.inf  # an edge would lead back
        rows, best = np.arange(len(flat)), keys.argmin(axis=1)
        found.append((edges[rows, best], labels[rows, best]))
    return np.concatenate([edges for edges, _ in found]), np.concatenate([labels for _, labels in found])


@cache
def _permutations(vertices: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return, for each order of inner vertices, the old matrix entries by new edge, and the old vertices."""
    orders = [(0, *inner, vertices - 1) for inner in itertools.permutations(range(1, vertices - 1))]
    edges = [(s, t) for t in range(1, vertices) for s in range(t)]
    entries = [[order[s] * vertices + order[t] for s, t in edges] for order in orders]
    places = [[vertex - 1 for vertex in order[1:-1]] for order in orders]
    return np.array(entries, dtype=np.intp), np.array(places, dtype=np.intp).reshape(len(orders), vertices - 2)


def text_of(graph: Graph) -> str:
    """Return a graph in the published form: its matrix row by row, a colon, and the operation names."""
    side = range(graph.output + 1)
    matrix = "".join(str(int((s, t) in graph.edges)) for s in side for t in side)
    return f"{matrix}:{','.join((INPUT, *(OPERATIONS[o] for o in graph.operations), OUTPUT))}"


def graph_in(text: str) -> Graph:
    """Return the graph that a text describes.

    Raises:
        ArchitectureError: it writes none; says why.
    """
    if not (parts := _TEXT.fullmatch(text.strip())):
        raise ArchitectureError("it is not a matrix of 0 and 1 followed by operations")
    matrix, names = parts[1], parts[2].split(",")
    side = len(names)
    if side * side != len(matrix) or not 2 <= side <= VERTICES:
        raise ArchitectureError(
            f"it has {len(matrix)} matrix entries and {side} operations, but a cell has 2 to {VERTICES} vertices, and "
            f"a matrix with a row and a column for each"
        )
    if (names[0], names[-1]) != (INPUT, OUTPUT) or not set(names[1:-1]) <= set(OPERATIONS):
        raise ArchitectureError(
            f"its operations must be {INPUT!r}, then some of {', '.join(OPERATIONS)}, and {OUTPUT!r} last"
        )
    ones = [divmod(place, side) for place, entry in enumerate(matrix) if entry == "1"]
    if any(source >= target for source, target in ones):
        raise ArchitectureError(
            "it has an edge to an earlier vertex, or to itself: rows are sources and columns are targets"
        )
    return Graph(tuple(ones), tuple(OPERATIONS.index(name) for name in names[1:-1]))


def without_padding(graph: Graph) -> Graph:
    """Return the graph without the inner vertices added by `code_of`: trailing, no edges, operation 0."""
    used = {vertex for edge in graph.edges for vertex in edge}
    inner = list(graph.operations)
    while inner and len(inner) not in used and inner[-1] == 0:
        inner.pop()
    moved = tuple((s, len(inner) + 1 if t == graph.output else t) for s, t in graph.edges)
    return Graph(moved, tuple(inner))


def vertex_channels(graph: Graph, outputs: int) -> list[int]:
    """Return the channels of each inner vertex of a pruned graph.

    Vertices that lead to the output share its channels, the first ones get the remainder; the others have as many as
    the widest vertex they lead to.
    """
    last = graph.output
    to_output = [source for source, target in graph.edges if target == last and source > 0]
    channels = dict.fromkeys(range(1, last), 0)
    for place, vertex in enumerate(sorted(to_output)):
        share, remainder = divmod(outputs, len(to_output))
        channels[vertex] = share + (place < remainder)
    for vertex in range(last - 1, 0, -1):
        if vertex not in to_output:
            channels[vertex] = max(channels[target] for source, target in graph.edges if source == vertex)
    return [channels[vertex] for vertex in range(1, last)]


def inputs_of(graph: Graph, vertex: int) -> Sequence[int]:
    """Return the vertices with an edge to this vertex, in order."""
    return sorted(source for source, target in graph.edges if target == vertex)
