"""The layout of a TopFormer, block by block, and its closed-form size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from archsieve.spaces.form import pictures_of
from archsieve.spaces.layers.convolutions import halved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from archsieve.tasks.contract import Task


class PyramidBlock(NamedTuple):
    """An inverted residual of the convolutional pyramid."""

    kernel: int
    expand: int
    channels: int
    stride: int


class TransformerBlock(NamedTuple):
    """Attention and MLP; ratios are in tenths, because `int(400 * 2.3)` is 919 in floating point."""

    num_heads: int
    key_dim: int
    attn_tenths: int
    mlp_tenths: int

    @property
    def value_dim(self) -> int:
        """Value channels per head."""
        return self.key_dim * self.attn_tenths // 10

    @property
    def keys(self) -> tuple[int, ...]:
        """Key (and query) channels of each head."""
        return (self.key_dim,) * self.num_heads

    @property
    def values(self) -> tuple[int, ...]:
        """Value channels of each head."""
        return (self.value_dim,) * self.num_heads

    def hidden(self, dim: int) -> int:
        """Return the hidden channels of the MLP for tokens with `dim` channels."""
        return dim * self.mlp_tenths // 10


@dataclass(frozen=True)
class Layout:
    """A whole network: stem, pyramid, transformer on the pooled pyramid, injection and head (arXiv 2204.05525).

    Attributes:
        stem: channels of the stem.
        stages: the pyramid's stages; the outputs of all but the first are what the transformer sees.
        groups: the transformer, one block after the other; blocks that another network may lack stand last in a group.
        fused: channels to which the scales are brought before they are added.
        depthwise_head: whether the head's first convolution treats each channel alone.
    """

    stem: int
    stages: tuple[tuple[PyramidBlock, ...], ...]
    groups: tuple[tuple[TransformerBlock, ...], ...]
    fused: int
    depthwise_head: bool

    @property
    def blocks(self) -> tuple[TransformerBlock, ...]:
        """The transformer's blocks in order."""
        return tuple(block for group in self.groups for block in group)

    @property
    def scales(self) -> tuple[int, ...]:
        """Channels of the transformer's input scales."""
        return tuple(stage[-1].channels for stage in self.stages[1:])

    @property
    def dim(self) -> int:
        """Channels of a token: all scales concatenated."""
        return sum(self.scales)


class Layer(NamedTuple):
    """A convolution: weights, output channels, output positions, and the following layer."""

    weights: int
    channels: int
    positions: int
    normalised: bool = True
    biased: bool = False
    activated: bool = False  # ReLU or ReLU6, also that inside a hard sigmoid


class PartSizes(NamedTuple):
    """The size of a part of a network.

    Attributes:
        params: weights, biases and affine batch normalisations.
        macs: multiply-adds of convolutions and of the two products of every attention, for one image.
        published_flops: "FLOPs" as the TopFormer repository's own counter prints them for one image: multiply-adds of
            convolutions, and one for every element that gets a bias and every output of a ReLU or ReLU6. The products
            of the attention, normalisation, softmax, pooling and resizing count nothing.
    """

    params: int
    macs: int
    published_flops: int

    @classmethod
    def of(cls, *layers: Layer, products: int = 0) -> PartSizes:
        """Return the size of convolutions and of an attention's products."""
        return cls(
            sum(x.weights + x.channels * (2 * x.normalised + x.biased) for x in layers),
            sum(x.weights * x.positions for x in layers) + products,
            sum(x.positions * (x.weights + x.channels * (x.biased + x.activated)) for x in layers),
        )


def size_in_closed_form(layout: Layout, task: Task) -> PartSizes:
    """Return the size of a network."""
    return PartSizes(*map(sum, zip(*_parts(layout, task), strict=True)))


def _parts(layout: Layout, task: Task) -> Iterator[PartSizes]:
    """Yield the sizes of the parts in order."""
    channels, height, width = pictures_of(task, "topformer")
    height, width = halved(height), halved(width)
    yield PartSizes.of(Layer(channels * 9 * layout.stem, layout.stem, height * width, activated=True))
    before, sides = layout.stem, []
    for stage in layout.stages:
        for block in stage:
            yield _pyramid(block, before, height, width)
            if block.stride == 2:
                height, width = halved(height), halved(width)
            before = block.channels
        sides.append((height, width))
    tokens = halved(height) * halved(width)
    for transformer in layout.blocks:
        yield _transformer(transformer, layout.dim, tokens)
    for scale, (rows, columns) in list(zip(layout.scales, sides[1:], strict=True))[1:]:
        yield _injection(scale, layout.fused, rows * columns, tokens)
    finest = sides[2][0] * sides[2][1]
    each = 1 if layout.depthwise_head else layout.fused
    yield PartSizes.of(
        Layer(each * layout.fused, layout.fused, finest, activated=True),
        Layer(layout.fused * task.num_outputs, task.num_outputs, finest, normalised=False, biased=True),
    )


# Few of these differ over a space, so that the size of an architecture is a sum of what is known already.


@lru_cache(maxsize=65_536)
def _pyramid(block: PyramidBlock, before: int, height: int, width: int) -> PartSizes:
    middle = before * block.expand
    expansion = [Layer(before * middle, middle, height * width, activated=True)] if block.expand != 1 else []
    after = height * width if block.stride == 1 else halved(height) * halved(width)
    return PartSizes.of(
        *expansion,
        Layer(middle * block.kernel**2, middle, after, activated=True),
        Layer(middle * block.channels, block.channels, after),
    )


@lru_cache(maxsize=65_536)
def _transformer(block: TransformerBlock, dim: int, tokens: int) -> PartSizes:
    keys, values, hidden = sum(block.keys), sum(block.values), block.hidden(dim)
    return PartSizes.of(
        *(Layer(dim * keys, keys, tokens),) * 2,
        Layer(dim * values, values, tokens, activated=True),  # after the attention, which keeps the shape
        Layer(values * dim, dim, tokens),
        Layer(dim * hidden, hidden, tokens),
        Layer(hidden * 9, hidden, tokens, normalised=False, biased=True, activated=True),
        Layer(hidden * dim, dim, tokens),
        products=tokens * tokens * (keys + values),
    )


@lru_cache(maxsize=65_536)
def _injection(scale: int, fused: int, positions: int, tokens: int) -> PartSizes:
    weights = scale * fused
    return PartSizes.of(
        Layer(weights, fused, positions), Layer(weights, fused, tokens, activated=True), Layer(weights, fused, tokens)
    )
