"""The layers of TopFormer networks (arXiv 2204.05525)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from archsieve.drop_path import DropPath

if TYPE_CHECKING:
    from torch import Tensor

    from archsieve.spaces.topformer_layout import Layout, PyramidBlock, TransformerBlock
    from archsieve.task import Task

DROPOUT = 0.1


class TopFormerNetwork(nn.Module):
    """From images (n, C, H, W) of any size to the outputs of every pixel, (n, classes, H, W)."""

    def __init__(self, layout: Layout, task: Task) -> None:
        super().__init__()
        self.scales = layout.scales
        self.stem = nn.Sequential(*_conv_bn(task.input_shape[0], layout.stem, 3, 2), nn.ReLU())
        self.stages = nn.ModuleList()
        before = layout.stem
        for stage in layout.stages:
            blocks = []
            for block in stage:
                blocks.append(InvertedResidual(before, block))
                before = block.channels
            self.stages.append(nn.Sequential(*blocks))
        self.transformer = nn.Sequential(*(TokenBlock(layout.dim, block) for block in layout.blocks))
        self.injections = nn.ModuleList(Injection(scale, layout.fused) for scale in layout.scales[1:])
        self.head = Head(layout.fused, task.num_outputs, depthwise=layout.depthwise_head)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs of every pixel."""
        x, scales = self.stem(inputs), []
        for stage in self.stages:
            x = stage(x)
            scales.append(x)
        scales = scales[1:]
        grid = (x.shape[2] + 1) // 2, (x.shape[3] + 1) // 2
        tokens = self.transformer(torch.cat([adaptive_avg_pool2d(scale, grid) for scale in scales], dim=1))
        parts = tokens.split(self.scales, dim=1)[1:]
        finest, *coarser = (
            inject(scale, part) for inject, scale, part in zip(self.injections, scales[1:], parts, strict=True)
        )
        for scale in coarser:
            finest = finest + _resized(scale, finest)
        return _resized(self.head(finest), inputs)


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise kxk, 1x1 projection; a shortcut where the size stays (arXiv 1801.04381, with ReLU)."""

    def __init__(self, inputs: int, block: PyramidBlock) -> None:
        super().__init__()
        middle = inputs * block.expand
        expand = (*_conv_bn(inputs, middle, 1), nn.ReLU()) if block.expand != 1 else ()
        self.expand = nn.Sequential(*expand)
        self.depthwise = nn.Sequential(*_conv_bn(middle, middle, block.kernel, block.stride, middle), nn.ReLU())
        self.project = nn.Sequential(*_conv_bn(middle, block.channels, 1))
        self.has_shortcut = block.stride == 1 and inputs == block.channels

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the block's output."""
        outputs: Tensor = self.project(self.depthwise(self.expand(inputs)))
        return inputs + outputs if self.has_shortcut else outputs


class TokenBlock(nn.Module):
    """Attention and MLP, both residual, over the positions of a map (n, dim, h, w)."""

    def __init__(self, dim: int, block: TransformerBlock) -> None:
        super().__init__()
        self.attention = Attention(dim, block)
        hidden = block.hidden(dim)
        self.mlp = nn.Sequential(
            *_conv_bn(dim, hidden, 1),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden),
            nn.ReLU6(),
            *_conv_bn(hidden, dim, 1),
        )
        self.drop_path = DropPath()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the block's output."""
        x = inputs + self.drop_path(self.attention(inputs))
        outputs: Tensor = x + self.drop_path(self.mlp(x))
        return outputs


class Attention(nn.Module):
    """Attention between positions; the published networks do not divide by the root of the key's channels."""

    def __init__(self, dim: int, block: TransformerBlock) -> None:
        super().__init__()
        self.num_heads = block.num_heads
        keys, values = block.num_heads * block.key_dim, block.num_heads * block.value_dim
        self.query = nn.Sequential(*_conv_bn(dim, keys, 1))
        self.key = nn.Sequential(*_conv_bn(dim, keys, 1))
        self.value = nn.Sequential(*_conv_bn(dim, values, 1))
        self.project = nn.Sequential(nn.ReLU6(), nn.Conv2d(values, dim, 1, bias=False), ZeroBatchNorm2d(dim))

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what each position gathers from all, (n, dim, h, w)."""
        query, key, value = (
            branch(inputs).flatten(2).unflatten(1, (self.num_heads, -1))
            for branch in (self.query, self.key, self.value)
        )  # (n, heads, channels, positions)
        weights = (query.transpose(2, 3) @ key).softmax(dim=3)
        gathered = (value @ weights.transpose(2, 3)).flatten(1, 2).unflatten(2, inputs.shape[2:])
        outputs: Tensor = self.project(gathered)
        return outputs


class ZeroBatchNorm2d(nn.BatchNorm2d):
    """A batch normalisation that begins at zero, so that its residual branch begins as nothing."""

    def reset_parameters(self) -> None:
        """Give the initial weights: zeros."""
        super().reset_parameters()
        nn.init.zeros_(self.weight)


class Injection(nn.Module):
    """Brings the tokens' view into one scale: local * gate + value, gate and value from the tokens."""

    def __init__(self, scale: int, fused: int) -> None:
        super().__init__()
        self.local = nn.Sequential(*_conv_bn(scale, fused, 1))
        self.gate = nn.Sequential(*_conv_bn(scale, fused, 1))
        self.value = nn.Sequential(*_conv_bn(scale, fused, 1))
        self.clip = nn.ReLU6()  # of a hard sigmoid, which in one piece has no second derivative in torch

    def forward(self, inputs: Tensor, tokens: Tensor) -> Tensor:
        """Return the scale (n, fused, h, w) with its slice of the tokens injected."""
        local = self.local(inputs)
        gate = self.clip(self.gate(tokens) + 3) / 6
        outputs: Tensor = local * _resized(gate, local) + _resized(self.value(tokens), local)
        return outputs


class Head(nn.Module):
    """1x1 convolution, BN, ReLU, dropout of whole channels, and the classifier of every position."""

    def __init__(self, fused: int, classes: int, *, depthwise: bool) -> None:
        super().__init__()
        self.fuse = nn.Sequential(*_conv_bn(fused, fused, 1, groups=fused if depthwise else 1), nn.ReLU())
        self.dropout = nn.Dropout2d(DROPOUT)
        self.classify = nn.Conv2d(fused, classes, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the outputs (n, classes, h, w)."""
        outputs: Tensor = self.classify(self.dropout(self.fuse(inputs)))
        return outputs


def _resized(tensor: Tensor, like: Tensor) -> Tensor:
    return interpolate(tensor, size=like.shape[2:], mode="bilinear", align_corners=False)


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(outputs)
