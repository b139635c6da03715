"""The cells and the skeleton of NAS-Bench-201 networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from archsieve.networks.supernets import extract_path
from archsieve.spaces.form import pictures_of
from archsieve.spaces.nasbench201.cell import EDGES, KERNELS, NONE, POOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from archsieve.spaces.contract import Architecture
    from archsieve.spaces.nasbench201.space import NASBench201
    from archsieve.tasks.contract import Task


class CellNetwork(nn.Module):
    """Stem, stages of equal cells separated by residual blocks, head; with several paths a supernet.

    Args:
        space: the space it belongs to.
        task: what it is for.
        options: the operations it holds of each edge, each ascending.
    """

    def __init__(self, space: NASBench201, task: Task, options: Iterable[Sequence[int]]) -> None:
        super().__init__()
        self._space, self._task = space, task
        edge_options = [tuple(o) for o in options]
        self._path = tuple(o[0] for o in edge_options)
        self.stem = nn.Sequential(
            nn.Conv2d(pictures_of(task, space.name)[0], space.width, 3, padding=1, bias=False),
            nn.BatchNorm2d(space.width),
        )
        self.body = nn.ModuleList()
        before = space.width
        for stage, width in enumerate(space.widths):
            if stage > 0:
                self.body.append(ResidualBlock(before, width))
            self.body.extend(NASBench201Cell(width, edge_options) for _ in range(space.cells))
            before = width
        self.head = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(before, task.num_outputs),
        )

    def forward(self, inputs: Tensor, arch: Architecture | None = None) -> Tensor:
        """Return the outputs of the path `arch`, shape (n, outputs); None is the first or only path."""
        path = arch or self._path
        x = self.stem(inputs)
        for part in self.body:
            x = part(x, path) if isinstance(part, NASBench201Cell) else part(x)
        return self.head(x)  # type: ignore[no-any-return]

    def extract(self, arch: Architecture) -> nn.Module:
        """Return the path as a stand-alone network with copies of the weights."""
        return extract_path(self, self._space, self._task, arch)


class NASBench201Cell(nn.Module):
    """Four nodes; a node is the sum of its incoming edges."""

    def __init__(self, width: int, options: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.edges = nn.ModuleList(nn.ModuleDict({str(o): _operation(o, width) for o in edge}) for edge in options)

    def forward(self, inputs: Tensor, arch: Architecture) -> Tensor:
        """Return the last node."""
        nodes = [inputs]
        for target in (1, 2, 3):
            terms = [
                self.edges[edge][str(arch[edge])](nodes[source])  # type: ignore[index]
                for edge, (source, node) in enumerate(EDGES)
                if node == target and arch[edge] != NONE
            ]
            # A node without inputs is zero but stays in the graph, so that its gradients are zeros rather than missing.
            nodes.append(sum(terms[1:], terms[0]) if terms else inputs * 0)
        return nodes[3]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, the first of stride 2, beside a shortcut of pooling and a 1x1 convolution without BN."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = relu_conv_bn(inputs, outputs, 3, 2)
        self.second = relu_conv_bn(outputs, outputs, 3)
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the sum of both branches."""
        return self.shortcut(inputs) + self.second(self.first(inputs))  # type: ignore[no-any-return]


def _operation(option: int, width: int) -> nn.Module:
    if option in KERNELS:
        return relu_conv_bn(width, width, KERNELS[option])
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False) if option == POOL else nn.Identity()


def relu_conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return ReLU, convolution without a bias, and batch normalisation."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )
