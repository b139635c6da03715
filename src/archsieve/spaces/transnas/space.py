"""The cell space of TransNAS-Bench-101: one cell of six edges in a fixed skeleton (arXiv 2105.11871)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archsieve.errors import ArchitectureError
from archsieve.spaces.contract import Picture, SearchSpace
from archsieve.spaces.form import pictures_of
from archsieve.spaces.layers import convolutions
from archsieve.spaces.layers.convolutions import convolution
from archsieve.spaces.text import NumberOrder, not_an_architecture
from archsieve.spaces.transnas.classes import representatives
from archsieve.spaces.transnas.layout import (
    CONV1,
    CONV3,
    EDGES,
    KERNELS,
    OPERATIONS,
    SKIP,
    ZERO,
    blocks,
    check_skeleton,
    stem_convolutions,
    with_positions,
)
from archsieve.values import check_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import nn

    from archsieve.spaces.contract import Architecture
    from archsieve.spaces.layers.convolutions import Convolution
    from archsieve.tasks.contract import Task

_PUBLISHED = re.compile(r"(\d{1,6})-([1-4]+)-([0-3])_([0-3]{2})_([0-3]{3})")
_NASLIB_EDGES = (0, 1, 3, 2, 4, 5)  # NASLib orders edges by source
_NASLIB_OPERATIONS = (SKIP, ZERO, CONV3, CONV1)


@dataclass(frozen=True)
class TransNASMicro(SearchSpace):
    """The cell space of TransNAS-Bench-101: 4^6 = 4,096 codes in 2,290 classes of equal networks.

    A code gives the operation of the edges 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2; operations are 0 zero, 1 skip,
    2 conv1x1, 3 conv3x3. The published string "64-41414-1_02_333" is the channels of the stem, the kind of each module
    and the cell. A module is two cells; kind 2 doubles the channels, 3 halves the picture, 4 does both, 1 neither. The
    stem quarters the picture, and behind the cells stand global average pooling and a linear layer: decoders of the
    tasks that are no classification are not built.

    Args:
        width: channels of the stem; even.
        modules: the kind of each module.

    >>> space = TransNASMicro()
    >>> space.describe((1, 0, 2, 3, 3, 3)), space.parse("64-41414-1_02_333")
    ('64-41414-1_02_333', (1, 0, 2, 3, 3, 3))
    """

    name: ClassVar[str] = "transnas-micro"  # type: ignore[misc]
    is_shareable: ClassVar[bool] = True

    width: int = 64
    modules: str = "41414"

    def __post_init__(self) -> None:
        """Check the settings."""
        check_sizes(self)
        check_skeleton(self.width, self.modules)

    @property
    def choices(self) -> tuple[int, ...]:
        """Four operations per edge."""
        return (len(OPERATIONS),) * len(EDGES)

    def describe(self, arch: Architecture) -> str:
        """Return the published string."""
        one, two, three = (
            "".join(str(o) for o, (_, node) in zip(arch, EDGES, strict=True) if node == target) for target in (1, 2, 3)
        )
        return f"{self.width}-{self.modules}-{one}_{two}_{three}"

    def parse(self, text: str) -> Architecture:
        """Return the code of the published string, or of six digits.

        Raises:
            ArchitectureError: `text` is neither, or it is the string of another skeleton.
        """
        if not (published := _PUBLISHED.fullmatch(text.strip())):
            if "_" not in text:
                return super().parse(text)
            example = self.describe((1, 0, 2, 3, 3, 3))
            raise not_an_architecture(text, self.name, f"write a string like {example!r}")
        width, modules, *nodes = published.groups()
        if (int(width), modules) != (self.width, self.modules):
            reason = f"its skeleton is {width}-{modules}, but this space's skeleton is {self.width}-{self.modules}"
            raise not_an_architecture(text, self.name, reason)
        return tuple(map(int, "".join(nodes)))

    @property
    def number_orders(self) -> Mapping[str, NumberOrder]:
        """NASLib's tuple, which orders edges and operations differently."""
        return {"naslib": NumberOrder("NASLib's", from_naslib, to_naslib)}

    def canonical(self, arch: Architecture) -> Architecture:
        """Return the lexicographically first code of the cells that are the same network."""
        return representatives()[arch]

    def picture(self, arch: Architecture) -> Picture:
        """Return the cell without edges that carry nothing."""
        edges = ((str(s), str(t), OPERATIONS[o]) for (s, t), o in zip(EDGES, arch, strict=True) if o != ZERO)
        return Picture(cells={"cell": tuple(edges)})

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the stand-alone network."""
        from archsieve.spaces.transnas.network import CellNetwork

        return CellNetwork(self, task, self.width, blocks(self.width, self.modules), [(o,) for o in arch])

    def supernet(self, task: Task) -> nn.Module:
        """Return the supernet; every cell uses the same path."""
        from archsieve.spaces.transnas.network import CellNetwork

        every = [range(n) for n in self.choices]
        return CellNetwork(self, task, self.width, blocks(self.width, self.modules), every)

    def params(self, arch: Architecture, task: Task) -> int:
        """Return the number of parameters."""
        return self.encoder_params(arch, pictures_of(task, self.name)[0]) + (self._last() + 1) * task.num_outputs

    def macs(self, arch: Architecture, task: Task) -> int:
        """Return the multiply-adds of one image."""
        return (
            convolutions.macs(self._convolutions(arch, pictures_of(task, self.name))) + self._last() * task.num_outputs
        )

    def encoder_params(self, arch: Architecture, channels: int = 3) -> int:
        """Return the number of parameters without the linear layer, as in the benchmark's `encoder_params`."""
        return convolutions.params(self._convolutions(arch, (channels, 1, 1)))

    def _last(self) -> int:
        return blocks(self.width, self.modules)[-1].outputs

    def _convolutions(self, arch: Architecture, shape: Sequence[int]) -> Iterator[Convolution]:
        yield from stem_convolutions(self.width, shape)
        for block, positions in with_positions(blocks(self.width, self.modules), shape):
            for operation, (source, _) in zip(arch, EDGES, strict=True):
                inputs = block.inputs if source == 0 else block.outputs
                if operation in KERNELS:
                    yield convolution(inputs, block.outputs, KERNELS[operation], positions)
                elif operation == SKIP and source == 0 and block.changes:
                    yield convolution(inputs, block.outputs, 1, positions)


def from_naslib(code: Sequence[int]) -> Architecture:
    """Return the code of NASLib's tuple (operations: skip, zero, 3x3, 1x1; edges ordered by source).

    Raises:
        ArchitectureError: not six numbers in 0..3.

    >>> from_naslib((0, 1, 2, 3, 2, 2))
    (1, 0, 2, 3, 3, 3)
    """
    if len(code) != len(EDGES) or not all(0 <= o < len(OPERATIONS) for o in code):
        raise ArchitectureError(f"{tuple(code)} is no NASLib code of a cell: six numbers in 0..3 are needed.")
    arch = [ZERO] * len(EDGES)
    for position, edge in enumerate(_NASLIB_EDGES):
        arch[edge] = _NASLIB_OPERATIONS[code[position]]
    return tuple(arch)


def to_naslib(arch: Architecture) -> tuple[int, ...]:
    """Return NASLib's tuple of a code, the inverse of `from_naslib`."""
    return tuple(_NASLIB_OPERATIONS.index(arch[edge]) for edge in _NASLIB_EDGES)
