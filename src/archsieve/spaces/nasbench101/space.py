"""NAS-Bench-101: one cell, a graph of up to seven vertices, repeated in a fixed skeleton (arXiv 1902.09635)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archsieve.errors import ArchitectureError, SettingError
from archsieve.spaces.contract import Picture, SearchSpace, check
from archsieve.spaces.form import pictures_of
from archsieve.spaces.nasbench101.cell import (
    EDGES,
    EXAMPLE,
    INPUT,
    OPERATIONS,
    OUTPUT,
    VERTICES,
    Graph,
    canonical_graph,
    code_of,
    graph_in,
    graph_of,
    is_cell,
    text_of,
    without_padding,
)
from archsieve.spaces.nasbench101.sizes import graph_sizes
from archsieve.spaces.text import not_an_architecture
from archsieve.values import check_sizes, check_whole

if TYPE_CHECKING:
    from torch import nn

    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task

_LEAST_WIDTH = VERTICES - 2  # a channel for each vertex that leads to the output


@dataclass(frozen=True)
class GraphSpace(SearchSpace):
    """Networks of NAS-Bench-101's skeleton: a stem, stacks of equal cells separated by pooling, and a head.

    Normalisations have PyTorch's momentum; the benchmark's statistics moved by 0.3 % a step.

    Args:
        width: channels of the stem and of the first stack; each later stack doubles them.
        cells: cells of each stack.
        stacks: stacks, with a pooling of stride 2 between them.
    """

    is_shareable: ClassVar[bool] = True

    width: int = 128
    cells: int = 3
    stacks: int = 3

    def __post_init__(self) -> None:
        """Check the settings."""
        check_sizes(self)
        for name, least, most in (("width", _LEAST_WIDTH, 4096), ("cells", 1, 100), ("stacks", 1, 8)):
            check_whole(name, getattr(self, name), least=least)
            if getattr(self, name) > most:
                raise SettingError(f"`{name} <= {most}` must hold, but got {name}={getattr(self, name)}.")

    def graph(self, arch: Architecture) -> Graph:
        """Return the canonical form of a code's pruned graph.

        Raises:
            ArchitectureError: its output has no path from the input, or it has more than nine edges.
        """
        if (graph := canonical_graph(self.whole_code(arch))) is None:
            raise ArchitectureError(f"The cell {arch} has no path from input to output, or more than nine edges.")
        return graph

    def whole_code(self, arch: Architecture) -> Architecture:
        """Return the cell's code in the space of all cells; here the code itself."""
        return arch

    def picture(self, arch: Architecture) -> Picture:
        """Return the graph; an edge has its target's operation, and the output concatenates its inputs."""
        graph = self.graph(arch)
        titles = ("in", *map(str, range(1, graph.output)), "out")
        labels = ("", *(OPERATIONS[o].partition("-")[0] for o in graph.operations), "join")
        return Picture(cells={"cell": tuple((titles[s], titles[t], labels[t]) for s, t in graph.edges)})

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the stand-alone network of the canonical graph."""
        from archsieve.spaces.nasbench101.network import graph_network

        return graph_network(self.graph(arch), task, self.width, self.stacks, self.cells)

    def params(self, arch: Architecture, task: Task) -> int:
        """Return the number of parameters: the benchmark's `trainable_parameters` for ten classes."""
        return self._sizes(arch, task)[0]

    def macs(self, arch: Architecture, task: Task) -> int:
        """Return the multiply-adds of one image."""
        return self._sizes(arch, task)[1]

    def _sizes(self, arch: Architecture, task: Task) -> tuple[int, int]:
        shape, outputs = pictures_of(task, self.name), task.num_outputs
        return graph_sizes(self.graph(arch), shape, outputs, self.width, self.stacks, self.cells)


@dataclass(frozen=True)
class NASBench101(GraphSpace):
    """The space of NAS-Bench-101: 423,624 different networks.

    A cell is a graph of at most seven vertices and nine edges, from the first vertex, its input, to the last, its
    output; each inner vertex is a 3x3 convolution, a 1x1 convolution (both with normalisation and ReLU) or a 3x3 max
    pooling. Vertices that are on no path from input to output do not count. A code says of each pair of seven vertices
    whether an edge joins them (0<-1 first, then both edges to 2, and so on), and then the operations of the five inner
    vertices: 0 conv3x3-bn-relu, 1 conv1x1-bn-relu, 2 maxpool3x3. Isomorphic graphs are one network. As text, a cell is
    what the benchmark's files hold: the adjacency matrix, row by row, and the operations.

    >>> space = NASBench101()
    >>> arch = space.parse("0100 0010 0001 0000:input,conv1x1-bn-relu,maxpool3x3,output".replace(" ", ""))
    >>> space.describe(arch), len(space.graph(arch).edges)
    ('0100001000010000:input,conv1x1-bn-relu,maxpool3x3,output', 3)
    """

    name: ClassVar[str] = "nasbench101"  # type: ignore[misc]

    @property
    def choices(self) -> tuple[int, ...]:
        """Two options per edge, three per inner vertex."""
        return (2,) * len(EDGES) + (len(OPERATIONS),) * (VERTICES - 2)

    def is_valid(self, arch: Architecture) -> bool:
        """Whether a path leads from input to output, and at most nine edges lie on such paths."""
        return is_cell(arch)

    def canonical(self, arch: Architecture) -> Architecture:
        """Return the code of the graph under which the benchmark's files list it."""
        return code_of(self.graph(arch))

    def describe(self, arch: Architecture) -> str:
        """Return the adjacency matrix and the operations."""
        return text_of(without_padding(graph_of(arch)))

    def parse(self, text: str) -> Architecture:
        """Return the code of a matrix and operations, separated by a colon or a space, or of 26 digits.

        Raises:
            ArchitectureError: `text` is neither, or no cell of the space.
        """
        if INPUT not in text and OUTPUT not in text:
            return super().parse(text)
        try:
            code = code_of(graph_in(text))
        except ArchitectureError as error:
            reason = f"{error}. Write one like {EXAMPLE!r}"
            raise not_an_architecture(text, self.name, reason) from error
        return check(self, code, text)
