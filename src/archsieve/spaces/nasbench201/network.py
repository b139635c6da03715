"""The cells and the skeleton of NAS-Bench-201 networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import nn

from archsieve.spaces.form import pictures_of
from archsieve.spaces.layers.edge_cells import CellNetwork as EdgeNetwork
from archsieve.spaces.layers.edge_cells import EdgeCell, relu_conv_bn
from archsieve.spaces.nasbench201.cell import KERNELS, NONE, POOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from archsieve.spaces.nasbench201.space import NASBench201
    from archsieve.tasks.contract import Task


class CellNetwork(EdgeNetwork):
    """Stem, stages of equal cells separated by residual blocks, head; with several paths a supernet.

    Args:
        space: the space it belongs to.
        task: what it is for.
        options: the operations it holds of each edge, each ascending.
    """

    def __init__(self, space: NASBench201, task: Task, options: Iterable[Sequence[int]]) -> None:
        super().__init__(space, task, options)
        self.stem = nn.Sequential(
            nn.Conv2d(pictures_of(task, space.name)[0], space.width, 3, padding=1, bias=False),
            nn.BatchNorm2d(space.width),
        )
        self.body = nn.ModuleList()
        before = space.width
        for stage, width in enumerate(space.widths):
            if stage > 0:
                self.body.append(ResidualBlock(before, width))
            self.body.extend(NASBench201Cell(width, self.edge_options) for _ in range(space.cells))
            before = width
        self.head = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(before, task.num_outputs),
        )


class NASBench201Cell(EdgeCell):
    """A cell that keeps its shape."""

    absent: ClassVar[int] = NONE

    def __init__(self, width: int, options: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.edges = nn.ModuleList(nn.ModuleDict({str(o): _operation(o, width) for o in edge}) for edge in options)


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
