"""The spaces of ViT-Bench-101: AutoFormer's and PiT's (arXiv 2312.09059)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archsieve.errors import ArchitectureError
from archsieve.spaces.recorded.contract import RecordedSpace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.spaces.contract import Architecture

HIDDEN, DEPTHS, RATIOS, HEADS = (192, 216, 240), (12, 13, 14), (3.0, 3.5, 4.0), (3, 4)
BASES, PIT_RATIOS, PIT_DEPTHS, PIT_HEADS = (16, 24, 32, 40), (2, 4, 6, 8), ((1, 2, 3), (4, 6, 8), (2, 4, 6)), (2, 4, 8)


@dataclass(frozen=True)
class AutoFormer(RecordedSpace):
    """AutoFormer's tiny space (arXiv 2107.00651): hidden size, 12 to 14 layers, and each layer's MLP ratio and heads.

    A code gives the hidden size (192, 216, 240), the number of layers (12, 13, 14), and for each layer the ratio of its
    feed-forward network (3, 3.5, 4) and its heads (3, 4). Layers that an encoder lacks are zeros.

    >>> space = AutoFormer()
    >>> space.describe(space.code(192, [(3.5, 3)] * 12))[:17]
    '192:3.5-3,3.5-3,3'
    """

    name: ClassVar[str] = "vitbench-autoformer"  # type: ignore[misc]

    @property
    def choices(self) -> tuple[int, ...]:
        """Hidden size, layers, and two decisions per layer."""
        return (len(HIDDEN), len(DEPTHS), *(len(RATIOS), len(HEADS)) * DEPTHS[-1])

    def is_valid(self, arch: Architecture) -> bool:
        """Whether the decisions of absent layers are zeros."""
        return not any(arch[2 + 2 * DEPTHS[arch[1]] :])

    def describe(self, arch: Architecture) -> str:
        """Return the hidden size, and the layers' MLP ratios and heads."""
        layers = (arch[2 + 2 * i : 4 + 2 * i] for i in range(DEPTHS[arch[1]]))
        return f"{HIDDEN[arch[0]]}:{','.join(f'{RATIOS[r]}-{HEADS[h]}' for r, h in layers)}"

    def parse(self, text: str) -> Architecture:
        """Return the code of a text from `describe`, or of 30 digits.

        Raises:
            ArchitectureError: `text` is neither.
        """
        hidden, colon, layers = text.strip().partition(":")
        if not colon:
            return super().parse(text)
        try:
            parts = [each.split("-") for each in layers.split(",")]
            return self.code(int(hidden), [(float(ratio), int(heads)) for ratio, heads in parts])
        except ValueError as error:
            raise ArchitectureError(
                f"{text[:200]!r} is no architecture of {self.name}: write one like '192:3.5-3,4.0-4,...' with 12 to 14 "
                f"layers."
            ) from error

    def code(self, hidden: int, layers: Sequence[tuple[float, int]]) -> Architecture:
        """Return the code of a hidden size and layers (ratio, heads).

        Raises:
            ValueError: one of them is no option.
        """
        options = [option for ratio, heads in layers for option in (RATIOS.index(ratio), HEADS.index(heads))]
        return (HIDDEN.index(hidden), DEPTHS.index(len(layers)), *options, *[0] * (2 * (DEPTHS[-1] - len(layers))))


@dataclass(frozen=True)
class PiT(RecordedSpace):
    """PiT's space: base width, MLP ratio, and layers and heads of the three stages.

    A code gives the base width (16, 24, 32, 40), the ratio (2, 4, 6, 8), the layers of the stages (1, 2, 3; 4, 6, 8;
    2, 4, 6) and their heads (2, 4, 8).

    >>> space = PiT()
    >>> space.parse("40:6:3-4-6:2-8-8"), space.describe((3, 2, 2, 0, 2, 0, 2, 2))
    ((3, 2, 2, 0, 2, 0, 2, 2), '40:6:3-4-6:2-8-8')
    """

    name: ClassVar[str] = "vitbench-pit"  # type: ignore[misc]

    @property
    def choices(self) -> tuple[int, ...]:
        """Base width, ratio, layers of each stage, heads of each stage."""
        return (len(BASES), len(PIT_RATIOS), *map(len, PIT_DEPTHS), *[len(PIT_HEADS)] * len(PIT_DEPTHS))

    def describe(self, arch: Architecture) -> str:
        """Return base width, ratio, layers and heads."""
        base, ratio, *rest = arch
        layers = "-".join(str(options[o]) for options, o in zip(PIT_DEPTHS, rest[:3], strict=True))
        return f"{BASES[base]}:{PIT_RATIOS[ratio]}:{layers}:{'-'.join(str(PIT_HEADS[o]) for o in rest[3:])}"

    def parse(self, text: str) -> Architecture:
        """Return the code of a text from `describe`, or of eight digits.

        Raises:
            ArchitectureError: `text` is neither.
        """
        if ":" not in text:
            return super().parse(text)
        try:
            base, ratio, layers, heads = text.strip().split(":")
            return self.code(int(base), int(ratio), *([int(n) for n in part.split("-")] for part in (layers, heads)))
        except ValueError as error:
            raise ArchitectureError(
                f"{text[:200]!r} is no architecture of {self.name}: write one like '40:6:3-4-6:2-8-8'."
            ) from error

    def code(self, base: int, ratio: int, layers: Sequence[int], heads: Sequence[int]) -> Architecture:
        """Return the code of a base width, a ratio, and layers and heads of the three stages.

        Raises:
            ValueError: one of them is no option, or there are other numbers of stages.
        """
        depths = [options.index(n) for options, n in zip(PIT_DEPTHS, layers, strict=True)]
        if len(heads) != len(PIT_DEPTHS):
            raise ValueError(f"{len(heads)} numbers of heads")
        return (BASES.index(base), PIT_RATIOS.index(ratio), *depths, *(PIT_HEADS.index(n) for n in heads))
