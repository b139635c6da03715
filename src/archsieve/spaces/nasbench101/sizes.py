"""Closed-form sizes of NAS-Bench-101 networks."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from archsieve.spaces.layers import convolutions
from archsieve.spaces.layers.convolutions import convolution, halved
from archsieve.spaces.nasbench101.cell import KERNELS, inputs_of, vertex_channels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from archsieve.spaces.layers.convolutions import Convolution
    from archsieve.spaces.nasbench101.cell import Graph


@lru_cache(maxsize=10_000)
def graph_sizes(
    graph: Graph, shape: tuple[int, ...], outputs: int, width: int, stacks: int, cells: int
) -> tuple[int, int]:
    """Return parameters, and multiply-adds of one input with this shape."""
    layers = list(_convolutions(graph, shape, width, stacks, cells))
    last = width * 2 ** (stacks - 1)
    return convolutions.params(layers) + (last + 1) * outputs, convolutions.macs(layers) + last * outputs


def _convolutions(graph: Graph, shape: tuple[int, ...], width: int, stacks: int, cells: int) -> Iterator[Convolution]:
    channels, height, side = shape
    yield convolution(channels, width, 3, height * side)
    before = width
    for stack in range(stacks):
        if stack > 0:
            height, side = halved(height), halved(side)
        outputs = width * 2**stack
        for _ in range(cells):
            yield from _cell(graph, before, outputs, height * side)
            before = outputs


def _cell(graph: Graph, inputs: int, outputs: int, positions: int) -> Iterator[Convolution]:
    """Yield the convolutions of the inner vertices and of the edges from the input."""
    widths = (*vertex_channels(graph, outputs), outputs)
    for operation, channels in zip(graph.operations, widths, strict=False):
        if operation in KERNELS:
            yield convolution(channels, channels, KERNELS[operation], positions)
    for vertex, channels in enumerate(widths, 1):
        if 0 in inputs_of(graph, vertex):
            yield convolution(inputs, channels, 1, positions)
