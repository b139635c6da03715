"""The size search space of NATS-Bench: one cell and five channel counts (arXiv 2009.00437)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archsieve.spaces.contract import Picture, SearchSpace
from archsieve.spaces.form import pictures_of
from archsieve.spaces.layers import convolutions
from archsieve.spaces.layers.convolutions import Convolution, convolution, halved
from archsieve.spaces.nasbench201.cell import CHANNELS, EDGES, KERNELS, REDUCES, SIZED_CELL
from archsieve.spaces.text import not_an_architecture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task

_CHANNELS_TEXT = re.compile(r"\d{1,4}(:\d{1,4})*")


@dataclass(frozen=True)
class NATSSize(SearchSpace):
    """The size search space of NATS-Bench: 8^5 = 32,768 networks of one cell and five channel counts.

    A stem of the first number of channels; then cell, residual block of stride 2, cell, residual block, cell, each with
    its own number. The published string of a network is its channels, as "64:64:64:64:64". A cell that changes the
    number of channels does so at the edges from its input; the skip is then a 1x1 convolution with batch normalisation.

    >>> space = NATSSize()
    >>> space.describe((0, 1, 2, 3, 7)), space.parse("8:16:24:32:64")
    ('8:16:24:32:64', (0, 1, 2, 3, 7))
    """

    name: ClassVar[str] = "nats-size"  # type: ignore[misc]
    is_shareable: ClassVar[bool] = True

    @property
    def choices(self) -> tuple[int, ...]:
        """Eight channel counts for each of five parts."""
        return (len(CHANNELS),) * len(REDUCES)

    def channels(self, arch: Architecture) -> tuple[int, ...]:
        """Return the channel counts of the parts."""
        return tuple(CHANNELS[option] for option in arch)

    def describe(self, arch: Architecture) -> str:
        """Return the published string."""
        return ":".join(map(str, self.channels(arch)))

    def parse(self, text: str) -> Architecture:
        """Return the code of the published string, or of five digits in 0..7.

        Raises:
            ArchitectureError: `text` is neither.
        """
        if ":" not in text:
            return super().parse(text)
        numbers = [int(n) for n in text.strip().split(":")] if _CHANNELS_TEXT.fullmatch(text.strip()) else []
        if len(numbers) != len(REDUCES) or not set(numbers) <= set(CHANNELS):
            advice = f"write five channel counts out of {', '.join(map(str, CHANNELS))}, like '64:64:64:64:64'"
            raise not_an_architecture(text, self.name, advice)
        return tuple(CHANNELS.index(number) for number in numbers)

    def picture(self, arch: Architecture) -> Picture:
        """Return the parts as blocks, each with its channels."""
        kinds = ("residual block, stride 2" if reduces else "cell" for reduces in REDUCES)
        return Picture(
            blocks=tuple(f"{kind}, {n} channels" for kind, n in zip(kinds, self.channels(arch), strict=True))
        )

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the network."""
        from archsieve.spaces.nasbench201.size_network import sized_network

        return sized_network(self.channels(arch), task)

    def params(self, arch: Architecture, task: Task) -> int:
        """Return the number of parameters."""
        last = self.channels(arch)[-1]
        return convolutions.params(self._convolutions(arch, task)) + 2 * last + (last + 1) * task.num_outputs

    def macs(self, arch: Architecture, task: Task) -> int:
        """Return the multiply-adds of one image."""
        return convolutions.macs(self._convolutions(arch, task)) + self.channels(arch)[-1] * task.num_outputs

    def _convolutions(self, arch: Architecture, task: Task) -> Iterator[Convolution]:
        pictures, height, width = pictures_of(task, self.name)
        widths = self.channels(arch)
        before = widths[0]
        yield convolution(pictures, before, 3, height * width)
        for reduces, outputs in zip(REDUCES, widths, strict=True):
            if reduces:
                height, width = halved(height), halved(width)
                yield convolution(before, outputs, 3, height * width)
                yield convolution(outputs, outputs, 3, height * width)
                yield convolution(before, outputs, 1, height * width, normalised=False)
            else:
                for operation, (source, _) in zip(SIZED_CELL, EDGES, strict=True):
                    inputs = before if source == 0 else outputs
                    if operation in KERNELS:
                        yield convolution(inputs, outputs, KERNELS[operation], height * width)
                    elif inputs != outputs:
                        yield convolution(inputs, outputs, 1, height * width)
            before = outputs
