"""NAS-Bench-201: one cell of six edges with five operations each, in a fixed skeleton (arXiv 2001.00326)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from archsieve.errors import ArchitectureError, SettingError
from archsieve.spaces.contract import Picture, SearchSpace, check
from archsieve.spaces.form import pictures_of
from archsieve.spaces.layers import convolutions
from archsieve.spaces.layers.convolutions import Convolution, convolution, halved
from archsieve.spaces.nasbench201.cell import CONV1, CONV3, EDGES, KERNELS, NONE, OPERATIONS, POOL, SKIP
from archsieve.spaces.nasbench201.classes import representatives
from archsieve.spaces.text import NumberOrder, not_an_architecture
from archsieve.values import check_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import nn

    from archsieve.spaces.contract import Architecture
    from archsieve.tasks.contract import Task

_NASLIB_EDGES = (0, 1, 3, 2, 4, 5)  # NASLib orders edges by source
_NASLIB_OPERATIONS = (SKIP, NONE, CONV3, CONV1, POOL)
_DIGITS = re.compile("(?:[0-9]-?){6}|[0-9]+")
_CELL = re.compile(
    r"\+".join(
        r"\|" + r"\|".join(rf"({'|'.join(OPERATIONS)})~{source}" for source, node in EDGES if node == target) + r"\|"
        for target in (1, 2, 3)
    )
)
_NUMBERS = re.compile(r"\s*(?P<bracket>[(\[])(?P<numbers>\s*[0-9]{1,9}(?:\s*,\s*[0-9]{1,9})*\s*,?\s*)[)\]]\s*")


@dataclass(frozen=True)
class NASBench201(SearchSpace):
    """The space of NAS-Bench-201: 5^6 = 15,625 codes in 6,590 classes of equal networks.

    A code gives the operation of the edges 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2; operations are 0 none, 1 skip_connect,
    2 nor_conv_1x1, 3 nor_conv_3x3, 4 avg_pool_3x3.

    Args:
        width: channels of the stem and of the first stage; each later stage doubles them.
        cells: cells of each stage.
        stages: stages, with a residual block of stride 2 between them.

    >>> space = NASBench201()
    >>> space.describe((3, 3, 3, 1, 2, 3))
    '|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_3x3~2|'
    >>> space.parse("333123")
    (3, 3, 3, 1, 2, 3)
    """

    name: ClassVar[str] = "nasbench201"  # type: ignore[misc]
    is_shareable: ClassVar[bool] = True

    width: int = 16
    cells: int = 5
    stages: int = 3

    def __post_init__(self) -> None:
        """Check the settings."""
        check_sizes(self)
        if min(self.width, self.cells, self.stages) < 1:
            raise SettingError(f"Width, cells and stages must be at least 1, but got {self}.")

    @property
    def choices(self) -> tuple[int, ...]:
        """Five operations per edge."""
        return (len(OPERATIONS),) * len(EDGES)

    def describe(self, arch: Architecture) -> str:
        """Return the cell as NAS-Bench-201's string."""
        nodes = [
            "|".join(f"{OPERATIONS[arch[e]]}~{source}" for e, (source, node) in enumerate(EDGES) if node == target)
            for target in (1, 2, 3)
        ]
        return "+".join(f"|{node}|" for node in nodes)

    def picture(self, arch: Architecture) -> Picture:
        """Return the cell without edges that carry nothing."""
        edges = ((str(s), str(t), OPERATIONS[o]) for (s, t), o in zip(EDGES, arch, strict=True) if o != NONE)
        return Picture(cells={"cell": tuple(edges)})

    def parse(self, text: str) -> Architecture:
        """Return the code of NAS-Bench-201's string, of six digits, or of NASLib's tuple in round brackets.

        Raises:
            ArchitectureError: `text` is none of these.

        >>> NASBench201().parse("(2, 2, 0, 2, 3, 2)")
        (3, 3, 3, 1, 2, 3)
        """
        if cell := _CELL.fullmatch(text.strip()):  # first, since whole tables are written so
            return tuple(map(OPERATIONS.index, cell.groups()))
        if _DIGITS.fullmatch(text.strip()):
            return check(self, tuple(map(int, text.strip().replace("-", ""))), text)
        if numbers := _NUMBERS.fullmatch(text):
            return self._of_numbers(text, numbers["bracket"], numbers["numbers"])
        example = (3, 3, 3, 1, 2, 3)
        raise not_an_architecture(
            text,
            self.name,
            f"write six digits in 0..4, or a string like {self.describe(example)!r} with the operations "
            f"{', '.join(OPERATIONS)}, or NASLib's tuple in round brackets, like {str(to_naslib(example))!r}",
        )

    def _of_numbers(self, text: str, bracket: str, numbers: str) -> Architecture:
        """Return the code of bracketed numbers; round brackets mean NASLib's order, square ones are ambiguous."""
        if bracket == "[":
            raise ArchitectureError(
                f"{text!r} does not say whose order of edges and operations it has: write NASLib's tuple in round "
                f"brackets, or a code of this space as digits without brackets."
            )
        try:
            return from_naslib([int(number) for number in numbers.replace(",", " ").split()])
        except ArchitectureError as error:
            raise not_an_architecture(
                text,
                self.name,
                "numbers in round brackets are NASLib's tuple, which has six numbers in 0..4 (skip_connect, none, "
                "nor_conv_3x3, nor_conv_1x1, avg_pool_3x3), edges in the order 1<-0, 2<-0, 3<-0, 2<-1, 3<-1, 3<-2",
            ) from error

    @property
    def number_orders(self) -> Mapping[str, NumberOrder]:
        """NASLib's tuple, which orders edges and operations differently."""
        return {"naslib": NumberOrder("NASLib's", from_naslib, to_naslib)}

    def canonical(self, arch: Architecture) -> Architecture:
        """Return the lexicographically first code of the cells that are the same network.

        Two cells are one if they compute the same function and hold the same multiset of (convolution, its input),
        edges that do not reach the output included, since their parameters count.
        """
        return representatives()[arch]

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the stand-alone network."""
        from archsieve.spaces.nasbench201.network import CellNetwork

        return CellNetwork(self, task, [(option,) for option in arch])

    def supernet(self, task: Task) -> nn.Module:
        """Return the supernet; every cell uses the same path."""
        from archsieve.spaces.nasbench201.network import CellNetwork

        return CellNetwork(self, task, [range(n) for n in self.choices])

    def params(self, arch: Architecture, task: Task) -> int:
        """Return the number of parameters, as published with NAS-Bench-Suite-Zero."""
        last = self.widths[-1]
        return self._sizes(arch, task)[0] + 2 * last + (last + 1) * task.num_outputs

    def macs(self, arch: Architecture, task: Task) -> int:
        """Return the multiply-adds of one image."""
        return self._sizes(arch, task)[1] + self.widths[-1] * task.num_outputs

    def flops(self, arch: Architecture, task: Task) -> int:
        """Return NASLib's count for one image: multiply-adds, normalisations, activations and poolings.

        See `archsieve.networks.counting.count_flops`, which counts the same on the built network.
        """
        _, height, width = pictures_of(task, self.name)
        convolutions_here = sum(operation in KERNELS for operation in arch)
        poolings = sum(operation == POOL for operation in arch)
        a_cell = 3 * convolutions_here + 9 * poolings  # an activation and a normalisation; a window of 3 x 3
        extra, before = 2 * self.width * height * width, self.width
        for stage, outputs in enumerate(self.widths):
            if stage > 0:
                extra += before * height * width  # the first activation
                height, width = halved(height), halved(width)
                extra += (2 + 3) * outputs * height * width + 4 * before * height * width
            extra += self.cells * a_cell * outputs * height * width
            before = outputs
        extra += 3 * before * height * width + before * (height + 1) * (width + 1)
        return self.macs(arch, task) + extra

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.width * 2**stage for stage in range(self.stages))

    def _sizes(self, arch: Architecture, task: Task) -> tuple[int, int]:
        """Return parameters and multiply-adds of the convolutions, from how many of each kind a cell has."""
        kinds = tuple(sorted(operation for operation in arch if operation in KERNELS))
        return _sizes_of(self, kinds, pictures_of(task, self.name))

    def convolutions(self, arch: Sequence[int], shape: tuple[int, ...]) -> Iterator[Convolution]:
        """Yield the convolutions of a network with these cell operations, for one input of this shape."""
        channels, height, width = shape
        yield convolution(channels, self.width, 3, height * width)
        before = self.width
        for stage, outputs in enumerate(self.widths):
            if stage > 0:
                height, width = halved(height), halved(width)
                yield convolution(before, outputs, 3, height * width)
                yield convolution(outputs, outputs, 3, height * width)
                yield convolution(before, outputs, 1, height * width, normalised=False)
            for operation in arch:
                if operation in KERNELS:
                    edge = convolution(outputs, outputs, KERNELS[operation], height * width)
                    yield from (edge,) * self.cells
            before = outputs


@lru_cache(maxsize=1024)
def _sizes_of(space: NASBench201, operations: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, int]:
    """Return parameters and multiply-adds of the convolutions of a network."""
    layers = list(space.convolutions(operations, shape))
    return convolutions.params(layers), convolutions.macs(layers)


def from_naslib(code: Sequence[int]) -> Architecture:
    """Return the code of NASLib's tuple (operations: skip, none, 3x3, 1x1, pool; edges ordered by source).

    Raises:
        ArchitectureError: not six numbers in 0..4.

    >>> from_naslib((2, 2, 0, 2, 3, 2))
    (3, 3, 3, 1, 2, 3)
    """
    if len(code) != len(EDGES) or not all(0 <= o < len(OPERATIONS) for o in code):
        raise ArchitectureError(f"{tuple(code)} is not a NASLib code of a cell: six numbers in 0..4 are needed.")
    arch = [NONE] * len(EDGES)
    for position, edge in enumerate(_NASLIB_EDGES):
        arch[edge] = _NASLIB_OPERATIONS[code[position]]
    return tuple(arch)


def to_naslib(arch: Architecture) -> tuple[int, ...]:
    """Return NASLib's tuple of a code, the inverse of `from_naslib`."""
    return tuple(_NASLIB_OPERATIONS.index(arch[edge]) for edge in _NASLIB_EDGES)


def unique_string(arch: Architecture) -> str:
    """Return NATS-Bench's string of the part of a cell that reaches the output (arXiv 2009.00437).

    6,466 values over the space. It drops edges that do not reach the output, and with them their parameters, so cells
    that share it need not be the same network: use `NASBench201.canonical` for that.
    """
    nodes = ["0"]
    for target in (1, 2, 3):
        parts = []
        for operation, (source, node) in zip(arch, EDGES, strict=True):
            if node != target:
                continue
            if operation == NONE or nodes[source] == "#":
                parts.append("#")
            elif operation == SKIP:
                parts.append(nodes[source])
            else:
                parts.append(f"({nodes[source]})@{OPERATIONS[operation]}")
        nodes.append("+".join(sorted(parts)))
    return nodes[3]
