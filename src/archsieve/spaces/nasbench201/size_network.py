"""Networks of NATS-Bench's size search space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from archsieve.spaces.form import pictures_of
from archsieve.spaces.layers.edge_cells import relu_conv_bn
from archsieve.spaces.nasbench201.cell import EDGES, KERNELS, REDUCES, SIZED_CELL
from archsieve.spaces.nasbench201.network import ResidualBlock

if TYPE_CHECKING:
    from torch import Tensor

    from archsieve.tasks.contract import Task


def sized_network(widths: tuple[int, ...], task: Task) -> nn.Sequential:
    """Return stem, parts and head with these channel counts."""
    before = widths[0]
    parts: list[nn.Module] = [
        nn.Sequential(
            nn.Conv2d(pictures_of(task, "nats-size")[0], before, 3, padding=1, bias=False), nn.BatchNorm2d(before)
        )
    ]
    for reduces, outputs in zip(REDUCES, widths, strict=True):
        parts.append(ResidualBlock(before, outputs) if reduces else SizedCell(before, outputs))
        before = outputs
    head = (nn.BatchNorm2d(before), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*parts, nn.Sequential(*head, nn.Linear(before, task.num_outputs)))


class SizedCell(nn.Module):
    """The cell of the space: four nodes, each the sum of its edges; input and cell channels may differ."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            _edge(operation, inputs if source == 0 else outputs, outputs)
            for operation, (source, _) in zip(SIZED_CELL, EDGES, strict=True)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the last node."""
        nodes = [inputs]
        for target in (1, 2, 3):
            terms = [
                edge(nodes[source]) for edge, (source, node) in zip(self.edges, EDGES, strict=True) if node == target
            ]
            nodes.append(sum(terms[1:], terms[0]))
        return nodes[3]


def _edge(operation: int, inputs: int, outputs: int) -> nn.Module:
    if operation in KERNELS:
        return relu_conv_bn(inputs, outputs, KERNELS[operation])
    if inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
