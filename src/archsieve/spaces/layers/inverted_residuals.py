"""Inverted residuals with squeeze-and-excitation and a shortcut: their shapes and sizes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from archsieve.spaces.layers import convolutions
from archsieve.spaces.layers.convolutions import Convolution, convolution, halved

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SQUEEZE = 4  # channels of a block's middle by those of its squeeze


class Block(NamedTuple):
    """One inverted residual: channels, kernel and stride; `squeezed` is 0 without squeeze-and-excitation."""

    inputs: int
    middle: int
    outputs: int
    kernel: int
    stride: int
    squeezed: int


def blocks_of(
    inputs: int, outputs: int, depth: int, kernel: int, expansion: int, stride: int, squeezes: bool
) -> list[Block]:
    """Return the blocks of one stage."""
    blocks = []
    for i in range(depth):
        before = outputs if i else inputs
        middle = rounded(before * expansion)
        squeezed = rounded(middle // _SQUEEZE) if squeezes else 0
        blocks.append(Block(before, middle, outputs, kernel, 1 if i else stride, squeezed))
    return blocks


def rounded(channels: int) -> int:
    """Return channels rounded to a multiple of 8, or the next one up if rounding would lose more than a tenth.

    >>> [rounded(channels) for channels in (3, 12, 19, 24)]
    [8, 16, 24, 24]
    """
    nearest = max(8, (channels + 4) // 8 * 8)
    return nearest if 10 * nearest >= 9 * channels else nearest + 8


# Few of these differ over a space, so that the size of an architecture is a sum of what is known already.


@lru_cache(maxsize=65_536)
def cost_of_stem(channels: int, width: int, side: int) -> tuple[int, int]:
    """Return parameters and multiply-adds of a 3x3 convolution with an output map of that side."""
    return _sums([convolution(channels, width, 3, side * side)])


@lru_cache(maxsize=65_536)
def cost_of_stage(
    side: int, inputs: int, outputs: int, depth: int, kernel: int, expansion: int, stride: int, squeezes: bool
) -> tuple[int, int]:
    """Return parameters and multiply-adds of a stage with an input map of that side."""
    layers: list[Convolution] = []
    for block in blocks_of(inputs, outputs, depth, kernel, expansion, stride, squeezes):
        layers += _convolutions(block, side)
        side = halved(side) if block.stride == 2 else side
    return _sums(layers)


@lru_cache(maxsize=65_536)
def cost_of_head(side: int, last: int, middle: int, head: int) -> tuple[int, int]:
    """Return parameters and multiply-adds of a 1x1 convolution, and of one without BN after the pooling."""
    return _sums([convolution(last, middle, 1, side * side), convolution(middle, head, 1, 1, normalised=False)])


def _sums(layers: Sequence[Convolution]) -> tuple[int, int]:
    return convolutions.params(layers), convolutions.macs(layers)


def _convolutions(block: Block, side: int) -> Iterator[Convolution]:
    before, after = side * side, (halved(side) if block.stride == 2 else side) ** 2
    if block.middle != block.inputs:
        yield convolution(block.inputs, block.middle, 1, before)
    yield convolution(block.middle, block.middle, block.kernel, after, groups=block.middle)
    if block.squeezed:
        yield convolution(block.middle, block.squeezed, 1, 1, normalised=False, biased=True)
        yield convolution(block.squeezed, block.middle, 1, 1, normalised=False, biased=True)
    yield convolution(block.middle, block.outputs, 1, after)
    if block.inputs != block.outputs:
        yield convolution(block.inputs, block.outputs, 1, after, normalised=False)
