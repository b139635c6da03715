"""The layers of TopFormer networks (arXiv 2204.05525)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from archsieve.networks.drop_path import DropPath
from archsieve.networks.supernets import extract_path
from archsieve.spaces.form import pictures_of
from archsieve.spaces.layers.slicing import ConvNorm, SlicedBatchNorm2d, SlicedConv2d

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from archsieve.spaces.contract import Architecture
    from archsieve.spaces.layers.slicing import Segments
    from archsieve.spaces.topformer.layout import Layout, PyramidBlock, TransformerBlock
    from archsieve.spaces.topformer.space import TopFormer
    from archsieve.tasks.contract import Task

DROPOUT = 0.1


class TopFormerNetwork(nn.Module):
    """A network from images (n, C, H, W) of any size to per-pixel outputs (n, classes, H, W).

    A network of a smaller layout of the same family is a part of it: it has the first blocks of each stage and of each
    group, the first heads, the first channels of each scale, of each head and of every other layer, and the centre of
    every kernel.
    """

    def __init__(self, layout: Layout, task: Task) -> None:
        super().__init__()
        self.layout = layout
        self.stem = ConvNorm(pictures_of(task, "topformer")[0], layout.stem, 3, 2)
        self.activation = nn.ReLU()
        self.stages = nn.ModuleList()
        before = layout.stem
        for stage in layout.stages:
            blocks = nn.ModuleList()
            for block in stage:
                blocks.append(PyramidInvertedResidual(before, block))
                before = block.channels
            self.stages.append(blocks)
        last = max(1, len(layout.groups) - 1)
        self.transformer = nn.ModuleList(
            nn.ModuleList(TokenBlock(layout.scales, block, place / last) for block in group)
            for place, group in enumerate(layout.groups)
        )
        self.injections = nn.ModuleList(Injection(scale, layout.fused) for scale in layout.scales[1:])
        self.head = Head(layout.fused, task.num_outputs, depthwise=layout.depthwise_head)

    def forward(self, inputs: Tensor, layout: Layout | None = None) -> Tensor:
        """Return the per-pixel outputs of the slice with that layout; None is the whole network."""
        layout = self.layout if layout is None else layout
        maps = list(self._pyramid(self.activation(self.stem(inputs, layout.stem)), layout))[1:]
        grid = (maps[-1].shape[2] + 1) // 2, (maps[-1].shape[3] + 1) // 2
        tokens = torch.cat([adaptive_avg_pool2d(scale, grid) for scale in maps], dim=1)
        for blocks, group in zip(self.transformer, layout.groups, strict=True):
            for token_block, block in zip(blocks, group, strict=False):  # type: ignore[call-overload]
                tokens = token_block(tokens, layout.scales, block)
        parts = torch.split(tokens, list(layout.scales), dim=1)[1:]
        finest, *coarser = (
            inject(scale, part) for inject, scale, part in zip(self.injections, maps[1:], parts, strict=True)
        )
        for scale in coarser:
            finest = finest + _resized(scale, finest)
        return _resized(self.head(finest), inputs)

    def _pyramid(self, x: Tensor, layout: Layout) -> Iterator[Tensor]:
        """Yield the output of each stage."""
        for blocks, stage in zip(self.stages, layout.stages, strict=True):
            for residual, block in zip(blocks, stage, strict=False):  # type: ignore[call-overload]
                x = residual(x, block)
            yield x


class TopFormerSupernet(TopFormerNetwork):
    """The largest network of a family; the architecture is an argument."""

    def __init__(self, space: TopFormer, task: Task) -> None:
        super().__init__(space.layout(space.extremes[1]), task)
        self._space, self._task = space, task

    def forward(self, inputs: Tensor, arch: Architecture) -> Tensor:  # type: ignore[override]
        """Return the per-pixel outputs of the slice `arch`."""
        return super().forward(inputs, self._space.layout(arch))

    def extract(self, arch: Architecture) -> nn.Module:
        """Return the slice as a stand-alone network with copies of the weights."""
        return extract_path(self, self._space, self._task, arch)


class PyramidInvertedResidual(nn.Module):
    """1x1 expansion, depthwise kxk, 1x1 projection; a shortcut if the shape stays (arXiv 1801.04381, ReLU)."""

    def __init__(self, inputs: int, block: PyramidBlock) -> None:
        super().__init__()
        middle = inputs * block.expand
        if block.expand != 1:
            self.expand = ConvNorm(inputs, middle, 1)
        self.depthwise = ConvNorm(middle, middle, block.kernel, block.stride, groups=middle)
        self.project = ConvNorm(middle, block.channels, 1)
        self.activation = nn.ReLU()

    def forward(self, inputs: Tensor, block: PyramidBlock) -> Tensor:
        """Return the output of the slice of that shape."""
        channels = inputs.shape[1]
        middle = channels * block.expand
        x = self.activation(self.expand(inputs, middle)) if block.expand != 1 else inputs
        x = self.activation(self.depthwise(x, middle, block.kernel))
        outputs: Tensor = self.project(x, block.channels)
        return inputs + outputs if block.stride == 1 and channels == block.channels else outputs


class TokenBlock(nn.Module):
    """Residual attention and MLP over the positions of a map (n, dim, h, w) of concatenated scales.

    Args:
        scales: the channels of each.
        block: its shape.
        depth: where it stands, from 0, the first group, to 1, the last: its share of drop path.
    """

    def __init__(self, scales: Segments, block: TransformerBlock, depth: float) -> None:
        super().__init__()
        self.attention = Attention(scales, block)
        self.mlp = MLP(scales, block)
        self.drop_path = DropPath(share=depth)

    def forward(self, inputs: Tensor, scales: Segments, block: TransformerBlock) -> Tensor:
        """Return the output of the slice of that shape."""
        x = inputs + self.drop_path(self.attention(inputs, scales, block))
        outputs: Tensor = x + self.drop_path(self.mlp(x, scales, block))
        return outputs


class MLP(nn.Module):
    """1x1 convolution, depthwise 3x3 with bias, ReLU6, 1x1 convolution."""

    def __init__(self, scales: Segments, block: TransformerBlock) -> None:
        super().__init__()
        hidden = block.hidden(sum(scales))
        self.expand = ConvNorm(scales, hidden, 1)
        self.depthwise = SlicedConv2d(hidden, hidden, 3, groups=hidden, bias=True)
        self.clip = nn.ReLU6()
        self.project = ConvNorm(hidden, scales, 1)

    def forward(self, inputs: Tensor, scales: Segments, block: TransformerBlock) -> Tensor:
        """Return the output of the slice of that shape."""
        x = self.expand(inputs, block.hidden(sum(scales)), segments=scales)
        outputs: Tensor = self.project(self.clip(self.depthwise(x)), scales)
        return outputs


class Attention(nn.Module):
    """Attention between positions; as published, without division by the root of the key channels."""

    def __init__(self, scales: Segments, block: TransformerBlock) -> None:
        super().__init__()
        self.query = ConvNorm(scales, block.keys, 1)
        self.key = ConvNorm(scales, block.keys, 1)
        self.value = ConvNorm(scales, block.values, 1)
        self.clip = nn.ReLU6()
        self.project = ConvNorm(block.values, scales, 1, norm=ZeroBatchNorm2d)

    def forward(self, inputs: Tensor, scales: Segments, block: TransformerBlock) -> Tensor:
        """Return the attention output of each position, (n, dim, h, w)."""
        query, key, value = (
            branch(inputs, channels, segments=scales).flatten(2).unflatten(1, (block.num_heads, -1))
            for branch, channels in ((self.query, block.keys), (self.key, block.keys), (self.value, block.values))
        )  # (n, heads, channels, positions)
        weights = (query.transpose(2, 3) @ key).softmax(dim=3)
        gathered = (value @ weights.transpose(2, 3)).flatten(1, 2).unflatten(2, inputs.shape[2:])
        outputs: Tensor = self.project(self.clip(gathered), scales, segments=block.values)
        return outputs


class ZeroBatchNorm2d(SlicedBatchNorm2d):
    """A batch normalisation initialised to zero, so that its residual branch starts as zero."""

    def reset_parameters(self) -> None:
        """Set the initial weights to zero."""
        super().reset_parameters()
        nn.init.zeros_(self.weight)


class Injection(nn.Module):
    """Injects tokens into one scale: local * gate + value, with gate and value computed from the tokens."""

    def __init__(self, scale: int, fused: int) -> None:
        super().__init__()
        self.fused = fused
        self.local, self.gate, self.value = (ConvNorm(scale, fused, 1) for _ in range(3))
        self.clip = nn.ReLU6()  # of a hard sigmoid, which in one piece has no second derivative in torch

    def forward(self, inputs: Tensor, tokens: Tensor) -> Tensor:
        """Return the scale (n, fused, h, w) with its slice of the tokens injected."""
        local = self.local(inputs, self.fused)
        gate = self.clip(self.gate(tokens, self.fused) + 3) / 6
        outputs: Tensor = local * _resized(gate, local) + _resized(self.value(tokens, self.fused), local)
        return outputs


class Head(nn.Module):
    """1x1 convolution, BN, ReLU, channel dropout, and a per-pixel classifier."""

    def __init__(self, fused: int, classes: int, *, depthwise: bool) -> None:
        super().__init__()
        groups = fused if depthwise else 1
        self.fuse = nn.Sequential(
            nn.Conv2d(fused, fused, 1, groups=groups, bias=False), nn.BatchNorm2d(fused), nn.ReLU()
        )
        self.dropout = nn.Dropout2d(DROPOUT)
        self.classify = nn.Conv2d(fused, classes, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs (n, classes, h, w)."""
        outputs: Tensor = self.classify(self.dropout(self.fuse(inputs)))
        return outputs


def _resized(tensor: Tensor, like: Tensor) -> Tensor:
    return interpolate(tensor, size=like.shape[2:], mode="bilinear", align_corners=False)
