"""FlexiBERT's space as in NAS-Bench-BERT: encoders of two or four layers (arXiv 2205.11656, 2306.00288)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archsieve.errors import ArchitectureError
from archsieve.spaces.contract import Picture
from archsieve.spaces.recorded.contract import RecordedSpace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.spaces.contract import Architecture

HIDDEN, DEPTHS = (128, 256), (2, 4)
OPERATIONS = ("SA-SDP", "SA-WMA", "LT-DFT", "LT-DCT", "DSC-5", "DSC-9")
"""Self-attention, linear transforms and dynamic convolutions, with their parameter."""
HEADS, FEED_FORWARD, STACKS = (2, 4), (512, 1024), (1, 3)
_A_LAYER = (len(OPERATIONS), len(HEADS), len(FEED_FORWARD), len(STACKS))
_LAYER = re.compile(r"([A-Z]{2,3}-[A-Z0-9]{1,3})-(\d)-(\d{3,4})-(\d)")


@dataclass(frozen=True)
class FlexiBERT(RecordedSpace):
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

    @property
    def choices(self) -> tuple[int, ...]:
        """Hidden size, layers, and four decisions per layer."""
        return (len(HIDDEN), len(DEPTHS), *_A_LAYER * DEPTHS[-1])

    def is_valid(self, arch: Architecture) -> bool:
        """Whether the decisions of absent layers are zeros."""
        return not any(arch[2 + len(_A_LAYER) * DEPTHS[arch[1]] :])

    def describe(self, arch: Architecture) -> str:
        """Return the hidden size and the layers."""
        layers = (arch[2 + 4 * i : 6 + 4 * i] for i in range(DEPTHS[arch[1]]))
        return f"{HIDDEN[arch[0]]}:{','.join(_title(layer) for layer in layers)}"

    def parse(self, text: str) -> Architecture:
        """Return the code of a text from `describe`, or of 18 digits.

        Raises:
            ArchitectureError: `text` is neither.
        """
        hidden, colon, layers = text.strip().partition(":")
        if not colon:
            return super().parse(text)
        parts = [match.groups() if (match := _LAYER.fullmatch(each)) else () for each in layers.split(",")]
        try:
            return self.code(int(hidden), [(p[0], int(p[1]), int(p[2]), int(p[3])) for p in parts])
        except (ValueError, IndexError) as error:
            raise ArchitectureError(
                f"{text[:200]!r} is no architecture of {self.name}: write one like "
                f"'256:SA-WMA-4-1024-3,LT-DCT-2-512-3'."
            ) from error

    def code(self, hidden: int, layers: Sequence[tuple[str, int, int, int]]) -> Architecture:
        """Return the code of a hidden size and layers (operation, heads, feed-forward width, feed-forward networks).

        Raises:
            ValueError: one of them is no option.
        """
        options: list[int] = []
        for operation, heads, width, stacks in layers:
            options += OPERATIONS.index(operation), HEADS.index(heads), FEED_FORWARD.index(width), STACKS.index(stacks)
        missing = [0] * (len(_A_LAYER) * (DEPTHS[-1] - len(layers)))
        return (HIDDEN.index(hidden), DEPTHS.index(len(layers)), *options, *missing)

    def picture(self, arch: Architecture) -> Picture:
        """Return the layers as blocks."""
        return Picture(blocks=tuple(self.describe(arch).partition(":")[2].split(",")))


def _title(layer: Sequence[int]) -> str:
    operation, heads, width, stacks = layer
    return f"{OPERATIONS[operation]}-{HEADS[heads]}-{FEED_FORWARD[width]}-{STACKS[stacks]}"
