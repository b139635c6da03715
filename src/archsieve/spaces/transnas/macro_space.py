"""The skeleton space of TransNAS-Bench-101: four to six modules of residual blocks (arXiv 2105.11871)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archsieve.spaces.contract import Picture, SearchSpace, check
from archsieve.spaces.form import pictures_of
from archsieve.spaces.layers import convolutions
from archsieve.spaces.layers.convolutions import convolution
from archsieve.spaces.text import not_an_architecture
from archsieve.spaces.transnas.layout import (
    MODULES,
    blocks,
    check_skeleton,
    doubles,
    halves,
    stem_convolutions,
    with_positions,
)
from archsieve.values import check_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

    from archsieve.spaces.contract import Architecture
    from archsieve.spaces.layers.convolutions import Convolution
    from archsieve.tasks.contract import Task

FEWEST, MOST = 4, 6
"""Modules of a network."""
NO_MODULE = len(MODULES)
"""The option of the last two decisions that stands for no module."""
DOUBLINGS, HALVINGS = range(1, 4), range(1, 5)
_PUBLISHED = re.compile(r"(\d{1,6})-([1-4]{4,6})-basic")
_KINDS = ("as it is", "channels doubled", "picture halved", "channels doubled, picture halved")


@dataclass(frozen=True)
class TransNASMacro(SearchSpace):
    """The skeleton space of TransNAS-Bench-101: 3,256 networks of four to six modules.

    A code gives the kind of each module: 0 as it is, 1 channels doubled, 2 picture halved, 3 both (the published kinds
    1, 2, 3, 4); the last two decisions may be 4, no module. Channels double one to three times, and the picture halves
    one to four times. A module is two residual blocks of 3x3 convolutions. The published string of a network is
    "64-1234-basic": channels of the stem, and kinds of the modules.

    Args:
        width: channels of the stem; even.

    >>> space = TransNASMacro()
    >>> space.describe((0, 1, 2, 3, 4, 4)), space.parse("64-12341-basic")
    ('64-1234-basic', (0, 1, 2, 3, 0, 4))
    """

    name: ClassVar[str] = "transnas-macro"  # type: ignore[misc]
    is_shareable: ClassVar[bool] = True

    width: int = 64

    def __post_init__(self) -> None:
        """Check the settings."""
        check_sizes(self)
        check_skeleton(self.width, "".join(MODULES))

    @property
    def choices(self) -> tuple[int, ...]:
        """Four kinds per module; the last two modules may be absent."""
        return (len(MODULES),) * FEWEST + (len(MODULES) + 1,) * (MOST - FEWEST)

    def is_valid(self, arch: Architecture) -> bool:
        """Whether absent modules come last, and channels and resolution change as often as allowed."""
        modules = self.modules(arch)
        return (
            all(option == NO_MODULE for option in arch[len(modules) :])
            and sum(map(doubles, modules)) in DOUBLINGS
            and sum(map(halves, modules)) in HALVINGS
        )

    def modules(self, arch: Architecture) -> str:
        """Return the kinds of the modules that are present."""
        count = arch.index(NO_MODULE) if NO_MODULE in arch else len(arch)
        return "".join(MODULES[option] for option in arch[:count])

    def describe(self, arch: Architecture) -> str:
        """Return the published string."""
        return f"{self.width}-{self.modules(arch)}-basic"

    def parse(self, text: str) -> Architecture:
        """Return the code of the published string, or of six digits.

        Raises:
            ArchitectureError: `text` is neither, or it is the string of another stem.
        """
        if not (published := _PUBLISHED.fullmatch(text.strip())):
            if not text.strip().endswith("basic"):
                return super().parse(text)
            raise not_an_architecture(text, self.name, "write a string like '64-1234-basic'")
        if int(published[1]) != self.width:
            reason = f"its stem has {published[1]} channels, but this space's stem has {self.width}"
            raise not_an_architecture(text, self.name, reason)
        kinds = [MODULES.index(module) for module in published[2]]
        return check(self, (*kinds, *[NO_MODULE] * (MOST - len(kinds))), text)

    def picture(self, arch: Architecture) -> Picture:
        """Return the modules as blocks, each with its channels."""
        modules = self.modules(arch)
        widths = [block.outputs for block in blocks(self.width, modules)[::2]]
        return Picture(
            blocks=tuple(
                f"{_KINDS[int(kind) - 1]}, {width} channels" for kind, width in zip(modules, widths, strict=True)
            )
        )

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the stand-alone network."""
        from archsieve.spaces.transnas.network import BlockNetwork

        return BlockNetwork(task, self.width, blocks(self.width, self.modules(arch)))

    def params(self, arch: Architecture, task: Task) -> int:
        """Return the number of parameters."""
        return self.encoder_params(arch, pictures_of(task, self.name)[0]) + (self._last(arch) + 1) * task.num_outputs

    def macs(self, arch: Architecture, task: Task) -> int:
        """Return the multiply-adds of one image."""
        return (
            convolutions.macs(self._convolutions(arch, pictures_of(task, self.name)))
            + self._last(arch) * task.num_outputs
        )

    def encoder_params(self, arch: Architecture, channels: int = 3) -> int:
        """Return the number of parameters without the linear layer, as in the benchmark's `encoder_params`."""
        return convolutions.params(self._convolutions(arch, (channels, 1, 1)))

    def _last(self, arch: Architecture) -> int:
        return blocks(self.width, self.modules(arch))[-1].outputs

    def _convolutions(self, arch: Architecture, shape: Sequence[int]) -> Iterator[Convolution]:
        yield from stem_convolutions(self.width, shape)
        for block, positions in with_positions(blocks(self.width, self.modules(arch)), shape):
            yield convolution(block.inputs, block.outputs, 3, positions)
            yield convolution(block.outputs, block.outputs, 3, positions)
            if block.changes:
                yield convolution(block.inputs, block.outputs, 1, positions)
