"""Cells of four nodes whose edges are operations, and networks of such cells; a supernet holds several on each edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import nn

from archsieve.networks.supernets import extract_path
from archsieve.spaces.layers.edges import EDGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


class EdgeCell(nn.Module):
    """Four nodes; a node is the sum of its incoming edges, and the cell returns the last one.

    A subclass names the operation that stands for no edge, and fills `edges`: for each edge a dictionary of its
    operations by their number.
    """

    absent: ClassVar[int] = 0
    edges: nn.ModuleList

    def forward(self, inputs: Tensor, arch: Architecture) -> Tensor:
        """Return the last node."""
        nodes = [inputs]
        for target in (1, 2, 3):
            terms = [
                self.edges[edge][str(arch[edge])](nodes[source])  # type: ignore[index]
                for edge, (source, node) in enumerate(EDGES)
                if node == target and arch[edge] != self.absent
            ]
            nodes.append(sum(terms[1:], terms[0]) if terms else self.nothing(inputs))
        return nodes[3]

    def nothing(self, inputs: Tensor) -> Tensor:
        """Return a node without inputs: zero, but part of the graph, so that gradients are zeros and not None."""
        return inputs * 0


class CellNetwork(nn.Module):
    """Stem, body with cells, head; a supernet if it holds many paths. A subclass makes the three parts.

    Args:
        space: the space it belongs to.
        task: what it is for.
        options: the operations it holds of each edge, each ascending.
    """

    stem: nn.Module
    body: nn.ModuleList
    head: nn.Module

    def __init__(self, space: SearchSpace, task: Task, options: Iterable[Sequence[int]]) -> None:
        super().__init__()
        self._space, self._task = space, task
        self.edge_options = [tuple(o) for o in options]
        self._path = tuple(o[0] for o in self.edge_options)

    def forward(self, inputs: Tensor, arch: Architecture | None = None) -> Tensor:
        """Return the outputs of the path `arch`, shape (n, outputs); None is the first or only path."""
        path = arch or self._path
        x = self.stem(inputs)
        for part in self.body:
            x = part(x, path) if isinstance(part, EdgeCell) else part(x)
        return self.head(x)  # type: ignore[no-any-return]

    def extract(self, arch: Architecture) -> nn.Module:
        """Return the path as a stand-alone network with copies of the weights."""
        return extract_path(self, self._space, self._task, arch)


def relu_conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return ReLU, convolution without a bias, and batch normalisation."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )
