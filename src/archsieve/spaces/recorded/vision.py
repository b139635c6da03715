"""The spaces of ViT-Bench-101: AutoFormer's and PiT's (arXiv 2312.09059)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from archsieve.spaces.recorded.contract import RecordedSpace, option_of
from archsieve.spaces.recorded.encoders import EncoderSpace
from archsieve.spaces.text import not_an_architecture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsieve.spaces.contract import Architecture

HIDDEN, DEPTHS, RATIOS, HEADS = (192, 216, 240), (12, 13, 14), (3.0, 3.5, 4.0), (3, 4)
BASES, PIT_RATIOS, PIT_DEPTHS, PIT_HEADS = (16, 24, 32, 40), (2, 4, 6, 8), ((1, 2, 3), (4, 6, 8), (2, 4, 6)), (2, 4, 8)


@dataclass(frozen=True)
class AutoFormer(EncoderSpace):
    """AutoFormer's tiny space (arXiv 2107.00651): hidden size, 12 to 14 layers, and each layer's MLP ratio and heads.

    A code gives the hidden size (192, 216, 240), the number of layers (12, 13, 14), and for each layer the ratio of its
    feed-forward network (3, 3.5, 4) and its heads (3, 4). Layers that an encoder lacks are zeros.

    >>> space = AutoFormer()
    >>> space.describe(space.code(192, [(3.5, 3)] * 12))[:17]
    '192:3.5-3,3.5-3,3'
    """

    name: ClassVar[str] = "vitbench-autoformer"  # type: ignore[misc]

    hidden: ClassVar[tuple[int, ...]] = HIDDEN
    depths: ClassVar[tuple[int, ...]] = DEPTHS
    layer: ClassVar[tuple[tuple[Any, ...], ...]] = (RATIOS, HEADS)
    example: ClassVar[str] = "'192:3.5-3,4.0-4,...' with 12 to 14 layers"


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
            raise not_an_architecture(text, self.name, "write one like '40:6:3-4-6:2-8-8'") from error

    def code(self, base: int, ratio: int, layers: Sequence[int], heads: Sequence[int]) -> Architecture:
        """Return the code of a base width, a ratio, and layers and heads of the three stages.

        Raises:
            ValueError: one of them is no option, or there are other numbers of stages.
        """
        depths = [option_of(options, n) for options, n in zip(PIT_DEPTHS, layers, strict=True)]
        if len(heads) != len(PIT_DEPTHS):
            raise ValueError(f"{len(heads)} numbers of heads")
        return (
            option_of(BASES, base),
            option_of(PIT_RATIOS, ratio),
            *depths,
            *(option_of(PIT_HEADS, n) for n in heads),
        )
