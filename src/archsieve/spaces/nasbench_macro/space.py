"""NAS-Bench-Macro: eight layers, each an identity or one of two inverted residuals (arXiv 2103.11922)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

from archsieve.errors import SettingError
from archsieve.spaces.contract import Picture, SearchSpace
from archsieve.spaces.form import pictures_of
from archsieve.spaces.layers import convolutions
from archsieve.spaces.layers.convolutions import Convolution, convolution, halved
from archsieve.spaces.nasbench_macro.layout import EXPANSIONS, IDENTITY, KERNELS
from archsieve.values import check_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task


@dataclass(frozen=True)
class NASBenchMacro(SearchSpace):
    """The space of NAS-Bench-Macro: 3^8 = 6,561 codes, 3,969 distinct networks.

    A layer is 0 the identity (a 1x1 convolution where it changes size), 1 an inverted residual with a 3x3 kernel and
    expansion 3, 2 one with 5x5 and expansion 6. The first layer of each stage has stride 2 and sets the stage's
    width; identities in the other layers of a stage commute with what stands there. All batch normalisations are
    affine, as in the benchmark.

    Args:
        stem_width: channels of the 3x3 stem.
        widths: channels of each stage.
        stages: layers of each stage.
        head_width: channels of the 1x1 convolution before pooling.

    >>> space = NASBenchMacro()
    >>> space.describe(space.canonical(space.parse("22212202")))
    '22212220'
    """

    name: ClassVar[str] = "nasbench-macro"  # type: ignore[misc]
    is_shareable: ClassVar[bool] = True

    stem_width: int = 32
    widths: tuple[int, ...] = (64, 128, 256)
    stages: tuple[int, ...] = (2, 3, 3)
    head_width: int = 1280

    def __post_init__(self) -> None:
        """Check the settings."""
        check_sizes(self)
        if len(self.widths) != len(self.stages) or not self.stages:
            raise SettingError(
                f"`widths` and `stages` need one number for each stage, but got widths={self.widths}, "
                f"stages={self.stages}."
            )
        if min(self.stem_width, *self.widths, *self.stages, self.head_width) < 1:
            raise SettingError(f"Widths and stages must be at least 1, but got {self}.")

    @property
    def choices(self) -> tuple[int, ...]:
        """Three options per layer."""
        return (3,) * sum(self.stages)

    def canonical(self, arch: Architecture) -> Architecture:
        """Return the code with each stage's identities moved behind its other layers."""
        code: list[int] = []
        for layers in self.stages:
            first, *rest = arch[len(code) : len(code) + layers]
            code += [first, *sorted(rest, key=lambda option: option == IDENTITY)]
        return tuple(code)

    def picture(self, arch: Architecture) -> Picture:
        """Return the layers as blocks, each with its output channels."""
        return Picture(blocks=tuple(map(_block, arch, self.layers())))

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the stand-alone network."""
        from archsieve.spaces.nasbench_macro.network import chain

        return chain(self, task, [(option,) for option in arch])

    def supernet(self, task: Task) -> nn.Module:
        """Return the supernet of all paths."""
        from archsieve.spaces.nasbench_macro.network import chain

        return chain(self, task, [range(n) for n in self.choices])

    def params(self, arch: Architecture, task: Task) -> int:
        """Return the number of parameters, equal to the table's figure for every code."""
        linear = (self.head_width + 1) * task.num_outputs
        return convolutions.params(self._convolutions(arch, task)) + linear

    def macs(self, arch: Architecture, task: Task) -> int:
        """Return the multiply-adds of one image, equal to the table's "flops" for every code."""
        return convolutions.macs(self._convolutions(arch, task)) + self.head_width * task.num_outputs

    def layers(self) -> list[tuple[int, int, int]]:
        """Return (input channels, output channels, stride) of every layer."""
        return [
            (before if i == 0 else width, width, 2 if i == 0 else 1)
            for (before, width), layers in zip(pairwise((self.stem_width, *self.widths)), self.stages, strict=True)
            for i in range(layers)
        ]

    def _convolutions(self, arch: Architecture, task: Task) -> Iterator[Convolution]:
        channels, height, width = pictures_of(task, self.name)
        yield convolution(channels, self.stem_width, 3, height * width)
        for option, (inputs, outputs, stride) in zip(arch, self.layers(), strict=True):
            before = height * width
            if stride == 2:
                height, width = halved(height), halved(width)
            after = height * width
            if option == IDENTITY:
                if stride == 2 or inputs != outputs:
                    yield convolution(inputs, outputs, 1, after)
                continue
            middle = inputs * EXPANSIONS[option]
            yield convolution(inputs, middle, 1, before)
            yield convolution(middle, middle, KERNELS[option], after, groups=middle)
            yield convolution(middle, outputs, 1, after)
        yield convolution(self.widths[-1], self.head_width, 1, height * width)


def _block(option: int, layer: tuple[int, int, int]) -> str:
    inputs, outputs, stride = layer
    if option == IDENTITY:
        return "identity" if (inputs, stride) == (outputs, 1) else f"1x1 convolution, {outputs} channels"
    kernel = KERNELS[option]
    return f"{kernel}x{kernel}, expansion {EXPANSIONS[option]}, {outputs} channels"
