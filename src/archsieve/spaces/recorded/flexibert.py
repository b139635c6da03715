"""FlexiBERT's space as in NAS-Bench-BERT: encoders of two or four layers (arXiv 2205.11656, 2306.00288)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from archsieve.spaces.contract import Picture
from archsieve.spaces.recorded.encoders import EncoderSpace

if TYPE_CHECKING:
    from archsieve.spaces.contract import Architecture

HIDDEN, DEPTHS = (128, 256), (2, 4)
OPERATIONS = ("SA-SDP", "SA-WMA", "LT-DFT", "LT-DCT", "DSC-5", "DSC-9")
"""Self-attention, linear transforms and dynamic convolutions, with their parameter."""
HEADS, FEED_FORWARD, STACKS = (2, 4), (512, 1024), (1, 3)


@dataclass(frozen=True)
class FlexiBERT(EncoderSpace):
    """The space of NAS-Bench-BERT: 10,621,440 encoders, 500 of which were trained.

    A code gives the hidden size (128, 256), the number of layers (2, 4) and, for each layer, the operation with its
    parameter, the heads (2, 4), the width of the feed-forward networks (512, 1024) and how many there are (1, 3).
    Layers that an encoder lacks are zeros.

    >>> space = FlexiBERT()
    >>> arch = space.parse("256:SA-WMA-4-1024-3,LT-DCT-2-512-3")
    >>> arch[:6], space.describe(arch)
    ((1, 0, 1, 1, 1, 1), '256:SA-WMA-4-1024-3,LT-DCT-2-512-3')
    """

    name: ClassVar[str] = "flexibert"  # type: ignore[misc]

    hidden: ClassVar[tuple[int, ...]] = HIDDEN
    depths: ClassVar[tuple[int, ...]] = DEPTHS
    layer: ClassVar[tuple[tuple[Any, ...], ...]] = (OPERATIONS, HEADS, FEED_FORWARD, STACKS)
    example: ClassVar[str] = "'256:SA-WMA-4-1024-3,LT-DCT-2-512-3'"

    def picture(self, arch: Architecture) -> Picture:
        """Return the layers as blocks."""
        return Picture(blocks=self.layers_of(arch))
