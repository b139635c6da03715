"""The networks of AttentiveNAS: one class is both the stand-alone network and the supernet."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

from archsieve.networks.drop_path import DropPath
from archsieve.networks.supernets import extract_path
from archsieve.spaces.attentivenas.layout import HEAD_EXPANSION
from archsieve.spaces.form import pictures_of
from archsieve.spaces.layers.slicing import ConvNorm, SlicedConv2d, SlicedLinear

if TYPE_CHECKING:
    from torch import Tensor

    from archsieve.spaces.attentivenas.space import AttentiveNAS
    from archsieve.spaces.contract import Architecture
    from archsieve.spaces.layers.inverted_residuals import Block
    from archsieve.tasks.contract import Task


class SlicedNetwork(nn.Module):
    """Stem, stages of inverted residuals, and a head; smaller networks of the space are slices of it.

    A part has the first channels of every layer, the first blocks of every stage, and the centre of every kernel.

    Args:
        space: the space it belongs to.
        task: what it is for.
        arch: its own architecture; None is the supernet: the largest one, with a shortcut wherever a part needs it.
    """

    def __init__(self, space: AttentiveNAS, task: Task, arch: Architecture | None = None) -> None:
        super().__init__()
        self._space, self._task = space, task
        self._arch = space.extremes[1] if arch is None else arch
        genes = space.genes(self._arch)
        last, width = genes.widths[-2:]
        self.stem = ConvNorm(pictures_of(task, space.name)[0], genes.widths[0], 3, 2)
        changes = [len({*options, *after}) > 1 for options, after in pairwise(space.widths[:-1])]
        self.stages = nn.ModuleList(
            nn.ModuleList(
                SlicedInvertedResidual(block, can_change=arch is None and change and place == 0)
                for place, block in enumerate(blocks)
            )
            for blocks, change in zip(space.stages(genes), changes, strict=True)
        )
        self.expand = ConvNorm(last, HEAD_EXPANSION * last, 1)
        self.mix = SlicedConv2d(HEAD_EXPANSION * last, width, 1)
        self.classifier = SlicedLinear(width, task.num_outputs)

    def forward(self, inputs: Tensor, arch: Architecture | None = None) -> Tensor:
        """Return the outputs of the slice `arch`, shape (n, outputs); None is the whole network.

        Inputs of another resolution than the architecture's are resized.
        """
        genes = self._space.genes(self._arch if arch is None else arch)
        x = functional.silu(self.stem(resized(inputs, genes.resolution), genes.widths[0]))
        for stage, blocks in zip(self.stages, self._space.stages(genes), strict=True):
            # The first blocks of the stage; those beyond the chosen depth are left out.
            for residual, block in zip(stage, blocks, strict=False):  # type: ignore[call-overload]
                x = residual(x, block)
        x = functional.silu(self.expand(x, HEAD_EXPANSION * x.shape[1]))
        x = functional.silu(self.mix(pooled(x), genes.widths[-1]))
        return self.classifier(x.flatten(1))  # type: ignore[no-any-return]

    def extract(self, arch: Architecture) -> nn.Module:
        """Return the slice as a stand-alone network with copies of the weights."""
        return extract_path(self, self._space, self._task, arch)


class SlicedInvertedResidual(nn.Module):
    """1x1 expansion, depthwise convolution, squeeze-and-excitation, 1x1 projection; with a shortcut.

    Args:
        block: its shape.
        can_change: a part of it may have other outputs than inputs, even if it has not.
    """

    def __init__(self, block: Block, *, can_change: bool) -> None:
        super().__init__()
        if block.middle != block.inputs:
            self.expand = ConvNorm(block.inputs, block.middle, 1)
        self.depthwise = ConvNorm(block.middle, block.middle, block.kernel, block.stride, groups=block.middle)
        if block.squeezed:
            self.squeeze = Squeeze(block.middle, block.squeezed)
        self.project = ConvNorm(block.middle, block.outputs, 1)
        if can_change or block.inputs != block.outputs:
            self.shortcut = SlicedConv2d(block.inputs, block.outputs, 1)
        self.drop_path = DropPath()

    def forward(self, inputs: Tensor, block: Block) -> Tensor:
        """Return the outputs of the slice of that shape."""
        x = inputs
        if block.middle != block.inputs:
            x = functional.silu(self.expand(x, block.middle))
        x = functional.silu(self.depthwise(x, block.middle, block.kernel))
        if block.squeezed:
            x = self.squeeze(x, block.squeezed)
        x = self.drop_path(self.project(x, block.outputs))
        shortcut = halved_map(inputs) if block.stride == 2 else inputs
        return x + (shortcut if block.inputs == block.outputs else self.shortcut(shortcut, block.outputs))  # type: ignore[no-any-return]


class Squeeze(nn.Module):
    """Squeeze-and-excitation (arXiv 1709.01507): channels are scaled depending on their means."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.reduce = SlicedConv2d(channels, squeezed, 1, bias=True)
        self.expand = SlicedConv2d(squeezed, channels, 1, bias=True)

    def forward(self, inputs: Tensor, squeezed: int) -> Tensor:
        """Return the scaled channels, using `squeezed` hidden channels."""
        scale = self.expand(functional.relu(self.reduce(pooled(inputs), squeezed)), inputs.shape[1])
        return inputs * functional.hardsigmoid(scale)


def resized(inputs: Tensor, side: int) -> Tensor:
    """Return pictures resized to (n, c, side, side); unchanged if they have that size."""
    if inputs.shape[-2:] == (side, side):
        return inputs
    return functional.interpolate(inputs, size=(side, side), mode="bicubic", align_corners=False)


def pooled(inputs: Tensor) -> Tensor:
    """Return the spatial means, (n, c, 1, 1)."""
    return functional.adaptive_avg_pool2d(inputs, 1)


def halved_map(inputs: Tensor) -> Tensor:
    """Return 2x2 means, zero-padded where a side is odd, which gives the output size of a stride-2 layer."""
    border = [side % 2 for side in inputs.shape[-2:]]
    return functional.avg_pool2d(inputs, 2, 2, padding=border)
