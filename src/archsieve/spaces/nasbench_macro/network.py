"""The layers of NAS-Bench-Macro networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from archsieve.spaces.form import pictures_of
from archsieve.spaces.layers.chain import Chain
from archsieve.spaces.nasbench_macro.layout import EXPANSIONS, IDENTITY, KERNELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from archsieve.spaces.nasbench_macro.space import NASBenchMacro
    from archsieve.tasks.contract import Task


def chain(space: NASBenchMacro, task: Task, options: Iterable[Sequence[int]]) -> Chain:
    """Return the network that holds these options of each layer."""
    return Chain(space, task, MacroBlocks(space, task), options)


@dataclass(frozen=True)
class MacroBlocks:
    """Factory of stem, layers and head."""

    space: NASBenchMacro
    task: Task

    def stem(self) -> nn.Module:
        """Return 3x3 convolution, BN and ReLU at full resolution."""
        return nn.Sequential(*_conv_bn(pictures_of(self.task, self.space.name)[0], self.space.stem_width, 3), nn.ReLU())

    def block(self, position: int, option: int) -> nn.Module:
        """Return one layer."""
        inputs, outputs, stride = self.space.layers()[position]
        if option != IDENTITY:
            return InvertedResidual(inputs, outputs, stride, KERNELS[option], EXPANSIONS[option])
        if stride == 1 and inputs == outputs:
            return nn.Identity()
        return nn.Sequential(*_conv_bn(inputs, outputs, 1, stride))

    def head(self) -> nn.Module:
        """Return 1x1 convolution, BN, ReLU, global average pooling and the classifier."""
        width = self.space.head_width
        return nn.Sequential(
            *_conv_bn(self.space.widths[-1], width, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, self.task.num_outputs),
        )


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise kxk, 1x1 projection; a shortcut if the shape stays (arXiv 1801.04381, with ReLU)."""

    def __init__(self, inputs: int, outputs: int, stride: int, kernel: int, expansion: int) -> None:
        super().__init__()
        middle = inputs * expansion
        self.expand = nn.Sequential(*_conv_bn(inputs, middle, 1), nn.ReLU())
        self.depthwise = nn.Sequential(*_conv_bn(middle, middle, kernel, stride, groups=middle), nn.ReLU())
        self.project = nn.Sequential(*_conv_bn(middle, outputs, 1))
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the layer's output."""
        outputs: Tensor = self.project(self.depthwise(self.expand(inputs)))
        return inputs + outputs if self.has_shortcut else outputs


def _conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return convolution, nn.BatchNorm2d(outputs)
