"""The cells and the skeleton of NAS-Bench-101 networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from archsieve.spaces.form import pictures_of
from archsieve.spaces.nasbench101.cell import KERNELS, inputs_of, vertex_channels

if TYPE_CHECKING:
    from torch import Tensor

    from archsieve.spaces.nasbench101.cell import Graph
    from archsieve.tasks.contract import Task


def graph_network(graph: Graph, task: Task, width: int, stacks: int, cells: int) -> nn.Sequential:
    """Return stem, stacks of equal cells separated by pooling, and head."""
    parts: list[nn.Module] = [_conv_bn_relu(pictures_of(task, "nasbench101")[0], width, 3)]
    before = width
    for stack in range(stacks):
        if stack > 0:
            parts.append(nn.MaxPool2d(2, 2, ceil_mode=True))
        outputs = width * 2**stack
        for _ in range(cells):
            parts.append(GraphCell(graph, before, outputs))
            before = outputs
    return nn.Sequential(
        *parts, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, task.num_outputs))
    )


class GraphCell(nn.Module):
    """A pruned graph: inner vertices sum their inputs, and the output concatenates its inputs and adds the cell input.

    An edge from the input is a 1x1 convolution; between inner vertices, channels beyond those of the target are cut.
    """

    def __init__(self, graph: Graph, inputs: int, outputs: int) -> None:
        super().__init__()
        self._channels = vertex_channels(graph, outputs)
        self._sources = [inputs_of(graph, vertex) for vertex in range(1, graph.output + 1)]
        self.operations = nn.ModuleList(
            _conv_bn_relu(channels, channels, KERNELS[o]) if o in KERNELS else nn.MaxPool2d(3, 1, 1)
            for o, channels in zip(graph.operations, self._channels, strict=True)
        )
        widths = (*self._channels, outputs)
        self.projections = nn.ModuleDict(
            {
                str(place): _conv_bn_relu(inputs, width, 1)
                for place, (sources, width) in enumerate(zip(self._sources, widths, strict=True))
                if 0 in sources
            }
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the output vertex."""
        vertices = [inputs]
        for place, (operation, channels) in enumerate(zip(self.operations, self._channels, strict=True)):
            terms = [vertices[source][:, :channels] for source in self._sources[place] if source > 0]
            vertices.append(operation(self._sum(terms, inputs, place)))
        last = len(self._channels)
        joined = [vertices[source] for source in self._sources[last] if source > 0]
        return self._sum([torch.cat(joined, dim=1)] if joined else [], inputs, last)

    def _sum(self, terms: list[Tensor], inputs: Tensor, place: int) -> Tensor:
        """Return the sum of terms and, if there is an edge from the input, the input's projection."""
        if str(place) in self.projections:
            terms = [*terms, self.projections[str(place)](inputs)]
        return sum(terms[1:], terms[0])


def _conv_bn_relu(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())
