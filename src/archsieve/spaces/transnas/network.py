"""The networks of TransNAS-Bench-101 for classification: encoder, global average pooling and a linear layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn.functional import pad

from archsieve.spaces.form import pictures_of
from archsieve.spaces.layers.edge_cells import CellNetwork as EdgeNetwork
from archsieve.spaces.layers.edge_cells import EdgeCell, relu_conv_bn
from archsieve.spaces.transnas.layout import EDGES, KERNELS, SKIP, ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from archsieve.spaces.contract import SearchSpace
    from archsieve.spaces.transnas.layout import Block
    from archsieve.tasks.contract import Task


class CellNetwork(EdgeNetwork):
    """Stem, equal cells, head; with several paths a supernet.

    Args:
        space: the space it belongs to.
        task: what it is for.
        width: channels of the stem.
        layout: the cells.
        options: the operations it holds of each edge, each ascending.
    """

    def __init__(
        self, space: SearchSpace, task: Task, width: int, layout: Sequence[Block], options: Iterable[Sequence[int]]
    ) -> None:
        super().__init__(space, task, options)
        self.stem = _stem(pictures_of(task, "transnas")[0], width)
        self.body = nn.ModuleList(TransNASCell(block, self.edge_options) for block in layout)
        self.head = _head(layout[-1].outputs, task.num_outputs)


class TransNASCell(EdgeCell):
    """Four nodes, each the sum of its incoming edges; edges from the input may change channels and resolution."""

    absent: ClassVar[int] = ZERO

    def __init__(self, block: Block, options: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.block = block
        self.edges = nn.ModuleList(
            nn.ModuleDict({str(o): _operation(o, source, block) for o in held})
            for held, (source, _) in zip(options, EDGES, strict=True)
        )

    def nothing(self, inputs: Tensor) -> Tensor:
        """Return a node without inputs: zero, but part of the graph, so that gradients are zeros and not None."""
        stride = self.block.stride
        zeros = inputs[:, :, ::stride, ::stride] * 0
        return zeros.repeat(1, self.block.outputs // self.block.inputs, 1, 1)


class BlockNetwork(nn.Sequential):
    """Stem, residual blocks, head."""

    def __init__(self, task: Task, width: int, layout: Sequence[Block]) -> None:
        blocks = (ResidualBlock(block) for block in layout)
        super().__init__(
            _stem(pictures_of(task, "transnas")[0], width), *blocks, _head(layout[-1].outputs, task.num_outputs)
        )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution if the shape changes."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.first = relu_conv_bn(block.inputs, block.outputs, 3, block.stride)
        self.second = relu_conv_bn(block.outputs, block.outputs, 3)
        self.shortcut = nn.Sequential()
        if block.changes:
            convolution = nn.Conv2d(block.inputs, block.outputs, 1, block.stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(block.outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the sum of both branches."""
        return self.shortcut(inputs) + self.second(self.first(inputs))  # type: ignore[no-any-return]


class ShiftedHalves(nn.Module):
    """A shape-changing skip: ReLU and two 1x1 convolutions of half the channels each, one on a shifted map."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.straight = nn.Conv2d(block.inputs, block.outputs // 2, 1, block.stride, bias=False)
        self.moved = nn.Conv2d(block.inputs, block.outputs // 2, 1, block.stride, bias=False)
        self.norm = nn.BatchNorm2d(block.outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the maps, zero-padded at the border."""
        x = self.relu(inputs)
        shifted = pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        return self.norm(torch.cat([self.straight(x), self.moved(shifted)], dim=1))  # type: ignore[no-any-return]


def _operation(option: int, source: int, block: Block) -> nn.Module:
    """Return the operation of an edge from this node."""
    is_first = source == 0
    if option in KERNELS:
        inputs, stride = (block.inputs, block.stride) if is_first else (block.outputs, 1)
        return relu_conv_bn(inputs, block.outputs, KERNELS[option], stride)
    return ShiftedHalves(block) if option == SKIP and is_first and block.changes else nn.Identity()


def _stem(channels: int, width: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels, width // 2, 3, 2, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width // 2), relu_conv_bn(width // 2, width, 3, 2))


def _head(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs))
