"""The layers of DARTS networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import pad

from archsieve.networks.drop_path import DropPath
from archsieve.networks.supernets import extract_path
from archsieve.spaces.darts.cell import ALL_EDGES, MAX_POOL, NODES, SKIP, cells_of, edges_of
from archsieve.spaces.darts.sizes import AUXILIARY_WIDTHS, KERNELS, SEPARABLE, auxiliary_stride, operation_sizes
from archsieve.spaces.form import pictures_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from archsieve.spaces.contract import Architecture
    from archsieve.spaces.darts.cell import CellEdge, CellShape
    from archsieve.spaces.darts.space import DARTS
    from archsieve.tasks.contract import Task


class DARTSNetwork(nn.Module):
    """Stem, a chain of cells that each use the two preceding ones, and head; without an architecture a supernet.

    Args:
        space: the space it belongs to.
        task: what it is for.
        arch: the path it holds; None for all.

    Raises:
        SettingError: the auxiliary head does not fit the task's pictures.
    """

    def __init__(self, space: DARTS, task: Task, arch: Architecture | None = None) -> None:
        super().__init__()
        operation_sizes(
            space, pictures_of(task, space.name), task.num_outputs
        )  # checks that the parts fit the pictures
        self._space, self._task = space, task
        self._path = arch or (0,) * len(space.choices)
        self._shapes = space.cells()
        cell_edges = (ALL_EDGES, ALL_EDGES) if arch is None else tuple(map(edges_of, cells_of(arch)))
        self.stem = nn.ModuleList(_stem(space, task.input_shape[0]))
        self.cells = nn.ModuleList(
            DARTSCell(shape, cell_edges[shape.is_reduction], space.pool_norm) for shape in self._shapes
        )
        last = self._shapes[-1].outputs
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, task.num_outputs))
        if space.auxiliary:
            self.auxiliary = _auxiliary_head(space, task.num_outputs)

    def forward(self, inputs: Tensor, arch: Architecture | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return the outputs of the path `arch`, shape (n, outputs); None is the first or only path.

        In training, with an auxiliary head, returns (outputs, auxiliary outputs).
        """
        edges = tuple(map(edges_of, cells_of(arch or self._path)))
        before = self.stem[0](inputs)
        last = self.stem[1](before)
        auxiliary: Tensor | None = None
        for i, (cell, shape) in enumerate(zip(self.cells, self._shapes, strict=True)):
            before, last = last, cell(before, last, edges[shape.is_reduction])
            if self._space.auxiliary and self.training and i == self._space.auxiliary_after:
                auxiliary = self.auxiliary(last)
        outputs: Tensor = self.head(last)
        return outputs if auxiliary is None else (outputs, auxiliary)

    def extract(self, arch: Architecture) -> nn.Module:
        """Return the path as a stand-alone network with copies of the weights."""
        return extract_path(self, self._space, self._task, arch)


class DARTSCell(nn.Module):
    """Two inputs adjusted to one width, and four nodes, each the sum of two operations on earlier nodes."""

    def __init__(self, shape: CellShape, held: Iterable[CellEdge], pool_norm: bool) -> None:
        super().__init__()
        before, last = shape.inputs
        self.before = Halving(before, shape.width) if shape.follows_reduction else _relu_conv_bn(before, shape.width)
        self.last = _relu_conv_bn(last, shape.width)
        self.edges = nn.ModuleDict()
        for source, target, operation in held:
            edge = f"{source}-{target}"
            if edge not in self.edges:
                self.edges[edge] = nn.ModuleDict()
            stride = 2 if shape.is_reduction and source < NODES[0] else 1
            layers = _operation(operation, shape.width, stride, pool_norm)
            self.edges[edge][str(operation)] = layers  # type: ignore[operator]
        self.drop_path = DropPath()

    def forward(self, before: Tensor, last: Tensor, edges: Sequence[CellEdge]) -> Tensor:
        """Return the four nodes concatenated, for these edges, two per node in order."""
        nodes = [self.before(before), self.last(last)]
        for first, second in zip(edges[::2], edges[1::2], strict=True):
            nodes.append(self._along(first, nodes) + self._along(second, nodes))
        return torch.cat(nodes[NODES[0] :], dim=1)

    def _along(self, edge: CellEdge, nodes: Sequence[Tensor]) -> Tensor:
        operation = self.edges[f"{edge.source}-{edge.target}"][str(edge.operation)]  # type: ignore[index]
        outputs: Tensor = operation(nodes[edge.source])
        return outputs if isinstance(operation, nn.Identity) else self.drop_path(outputs)


class Halving(nn.Module):
    """Halves the side: two 1x1 convolutions of stride 2, on the map and on the map shifted by a pixel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.straight = nn.Conv2d(inputs, outputs // 2, 1, stride=2, bias=False)
        self.moved = nn.Conv2d(inputs, outputs - outputs // 2, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return maps of half the side, rounded up; odd sides are zero-padded."""
        x = self.relu(inputs)
        height, width = x.shape[-2:]
        moved = pad(x, (0, width % 2, 0, height % 2))[..., 1:, 1:]
        return self.norm(torch.cat([self.straight(x), self.moved(moved)], dim=1))  # type: ignore[no-any-return]


def _stem(space: DARTS, channels: int) -> tuple[nn.Module, nn.Module]:
    """Return the two parts of the stem: from pictures to the first cell's first input, and from there to its second."""
    if space.stem == "cifar":
        return nn.Sequential(*_conv_bn(channels, 3 * space.width)), nn.Identity()
    half, whole = space.width // 2, space.width
    first = nn.Sequential(*_conv_bn(channels, half, 2), nn.ReLU(), *_conv_bn(half, whole, 2))
    return first, nn.Sequential(nn.ReLU(), *_conv_bn(whole, whole, 2))


def _auxiliary_head(space: DARTS, outputs: int) -> nn.Sequential:
    first, second = AUXILIARY_WIDTHS
    norm = nn.BatchNorm2d(second) if space.stem == "cifar" else nn.Identity()
    return nn.Sequential(
        nn.ReLU(),
        nn.AvgPool2d(5, auxiliary_stride(space), count_include_pad=False),
        nn.Conv2d(space.cells()[space.auxiliary_after].outputs, first, 1, bias=False),
        nn.BatchNorm2d(first),
        nn.ReLU(),
        nn.Conv2d(first, second, 2, bias=False),
        norm,
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(second, outputs),
    )


def _operation(operation: int, width: int, stride: int, pool_norm: bool) -> nn.Module:
    if operation in SEPARABLE:
        kernel = KERNELS[operation]
        return nn.Sequential(*_depthwise(width, kernel, stride), *_depthwise(width, kernel, 1))
    if operation in KERNELS:
        return nn.Sequential(*_depthwise(width, KERNELS[operation], stride, dilation=2))
    if operation == SKIP:
        return nn.Identity() if stride == 1 else Halving(width, width)
    is_max = operation == MAX_POOL
    pool = nn.MaxPool2d(3, stride, 1) if is_max else nn.AvgPool2d(3, stride, 1, count_include_pad=False)
    return nn.Sequential(pool, nn.BatchNorm2d(width, affine=False)) if pool_norm else pool


def _depthwise(width: int, kernel: int, stride: int, dilation: int = 1) -> tuple[nn.Module, ...]:
    """Return ReLU, a depthwise convolution, a pointwise convolution, and a BN."""
    padding = dilation * (kernel // 2)
    return (
        nn.ReLU(),
        nn.Conv2d(width, width, kernel, stride, padding, dilation, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        nn.BatchNorm2d(width),
    )


def _relu_conv_bn(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


def _conv_bn(inputs: int, outputs: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
