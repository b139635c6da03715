"""The skeleton of TransNAS-Bench-101 and the operations of its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from archsieve.errors import SettingError
from archsieve.spaces.layers.convolutions import convolution, halved
from archsieve.spaces.layers.edges import EDGES as EDGES
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from archsieve.spaces.layers.convolutions import Convolution

ZERO, SKIP, CONV1, CONV3 = range(4)
OPERATIONS = ("zero", "skip", "conv1x1", "conv3x3")
KERNELS = {CONV1: 1, CONV3: 3}
MODULES = ("1", "2", "3", "4")
"""Kinds of modules: as it is, channels doubled, picture halved, both."""
BLOCKS = 2
"""Cells or residual blocks of a module; the first one changes the channels and halves the picture."""
MOST_DOUBLINGS = 6


class Block(NamedTuple):
    """One cell or residual block: channels and stride."""

    inputs: int
    outputs: int
    stride: int

    @property
    def changes(self) -> bool:
        """Whether its output shape differs from its input shape."""
        return self.stride > 1 or self.inputs != self.outputs


def doubles(module: str) -> bool:
    """Whether a module doubles the channels."""
    return module in "24"


def halves(module: str) -> bool:
    """Whether a module halves the picture."""
    return module in "34"


def blocks(width: int, modules: str) -> list[Block]:
    """Return the blocks of the modules, two each, after a stem with that many channels."""
    layout, before = [], width
    for module in modules:
        outputs = 2 * before if doubles(module) else before
        layout += [Block(before, outputs, 2 if halves(module) else 1), Block(outputs, outputs, 1)]
        before = outputs
    return layout


def check_skeleton(width: int, modules: str) -> None:
    """Check the channels of the stem and the kinds of the modules.

    Raises:
        SettingError: the channels are odd or fewer than 2, there is another kind, or the last cells are too wide.
    """
    check_whole("width", width, least=2)
    if width % 2:
        raise SettingError(f"The width must be even, since the stem begins with half of it, but got {width}.")
    if not isinstance(modules, str) or not modules or not set(modules) <= set(MODULES):
        raise SettingError(f"The modules must be a text of the kinds 1 to 4, such as '41414', but got {modules!r}.")
    if sum(map(doubles, modules)) > MOST_DOUBLINGS:
        raise SettingError(f"At most {MOST_DOUBLINGS} modules may double the channels, but got {modules!r}.")


def stem_convolutions(width: int, shape: Sequence[int]) -> list[Convolution]:
    """Return the two convolutions of the stem, of stride 2 each."""
    channels, height, width_of_picture = shape
    sides = height, width_of_picture
    layers = []
    for inputs, outputs in ((channels, width // 2), (width // 2, width)):
        sides = halved(sides[0]), halved(sides[1])
        layers.append(convolution(inputs, outputs, 3, sides[0] * sides[1]))
    return layers


def with_positions(layout: Sequence[Block], shape: Sequence[int]) -> Iterator[tuple[Block, int]]:
    """Yield each block with its number of output positions, for an input picture of this shape."""
    height, width = (halved(halved(side)) for side in shape[1:])
    for block in layout:
        if block.stride > 1:
            height, width = halved(height), halved(width)
        yield block, height * width
