"""DARTS: a normal cell and a reduction cell, stacked in a chain (arXiv 1806.09055)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from archsieve.errors import ArchitectureError, SettingError
from archsieve.spaces.contract import Picture, SearchSpace
from archsieve.spaces.darts.cell import (
    CHOICES,
    FIRST_EDGES,
    NODES,
    OPERATIONS,
    CellShape,
    canonical_cell,
    cells_of,
    edges_of,
)
from archsieve.spaces.darts.notation import compact, genotype_text, read_cells
from archsieve.spaces.darts.sizes import operation_sizes
from archsieve.spaces.form import pictures_of
from archsieve.spaces.literals import shortened
from archsieve.spaces.text import not_an_architecture
from archsieve.values import check_sizes

if TYPE_CHECKING:
    from torch import nn

    from archsieve.spaces.contract import Architecture, Edge
    from archsieve.tasks.contract import Task

_DIGITS = re.compile(r"[\d\s-]+")


@dataclass(frozen=True)
class DARTS(SearchSpace):
    """The space of DARTS: two cells of four nodes, 1.08e18 codes, 1.46e17 networks.

    A code has twelve choices for the normal cell, then twelve for the reduction cell: for each node 2 to 5 the pair of
    its two different predecessors (0 and 1 are the outputs of the two cells before), in lexicographic order, then the
    operation of the lower and of the higher one: 0 max_pool_3x3, 1 avg_pool_3x3, 2 skip_connect, 3 sep_conv_3x3,
    4 sep_conv_5x5, 5 dil_conv_3x3, 6 dil_conv_5x5. All nodes are put out. The cells a third and two thirds of the way
    are reductions. The defaults are the networks of NAS-Bench-301 (arXiv 2008.09777) as NASLib builds them for
    NAS-Bench-Suite-Zero (arXiv 2210.03230).

    Args:
        width: channels of a node before the first reduction; each reduction doubles them. At least 2.
        layers: cells in the chain.
        stem: "cifar" is a convolution at full size, "imagenet" makes maps of a quarter and an eighth of each side.
        auxiliary: in training the network has a second head, after the second reduction, and returns
            (outputs, auxiliary outputs).
        pool_norm: a batch normalisation without parameters comes after every pooling, as in NASLib's networks and
            in the search of DARTS. The networks of DARTS that are trained from scratch have none.

    >>> space = DARTS()
    >>> space.describe(space.parse("0-3-3-0-3-3-1-3-2-1-2-5-0-0-0-1-0-2-1-0-2-2-0-2"))[:42]
    '[[(0, 3), (1, 3), (0, 3), (1, 3), (0, 3), '
    """

    name: ClassVar[str] = "darts"  # type: ignore[misc]
    is_shareable: ClassVar[bool] = True
    version: ClassVar[int] = 2

    width: int = 32
    layers: int = 8
    stem: Literal["cifar", "imagenet"] = "cifar"
    auxiliary: bool = False
    pool_norm: bool = True

    def __post_init__(self) -> None:
        """Check the settings."""
        check_sizes(self)
        if self.width < 2 or self.layers < 1:
            raise SettingError(f"`width >= 2` and `layers >= 1` must hold, but got {self}.")
        if self.stem not in ("cifar", "imagenet"):
            raise SettingError(f"`stem` must be 'cifar' or 'imagenet', but got {self.stem!r}.")

    @property
    def default_task(self) -> str:
        """The task that the stem is designed for."""
        return "imagenet" if self.stem == "imagenet" else "cifar10"

    @property
    def choices(self) -> tuple[int, ...]:
        """Three choices per node of two cells."""
        return CHOICES * 2

    def describe(self, arch: Architecture) -> str:
        """Return the cells as two lists of pairs (predecessor, operation), as in NAS-Bench-301's tables."""
        return compact(cells_of(arch))

    def genotype(self, arch: Architecture) -> str:
        """Return the cells as the `Genotype(...)` text of the DARTS code family."""
        return genotype_text(cells_of(arch))

    def parse(self, text: str) -> Architecture:
        """Return the code of pairs in the form of `describe`, of a genotype, or of 24 digits.

        A genotype is `Genotype(...)`, or its fields as nested lists or as a dictionary; a name may stand before it, as
        in `CELL = Genotype(...)`. Pairs of a node, and nodes that are put out, may come in any order.

        Raises:
            ArchitectureError: `text` is none of these.
        """
        if _DIGITS.fullmatch(text):
            return super().parse(text)
        try:
            return read_cells(text)
        except ArchitectureError as error:
            pairs = f"{self.describe((0,) * len(self.choices))[:21]!r}..."
            advice = f"Write a Genotype(...), two lists of pairs as in {pairs}, or {len(self.choices)} digits"
            raise not_an_architecture(shortened(text), self.name, f"{error}. {advice}") from error

    def canonical(self, arch: Architecture) -> Architecture:
        """Return the first code among networks that differ only in the order of their nodes.

        The outputs of all nodes are concatenated and then enter 1x1 convolutions or the classifier, so that the order
        of the nodes does not matter: of 1,037,664,180 cells of each kind, 382,128,166 are different. The order of a
        node's two inputs is not in the code. Nodes that are equal because nothing before them has weights still count
        as different.
        """
        normal, reduction = cells_of(arch)
        first = canonical_cell(normal) + canonical_cell(reduction)
        return arch if first == arch else first  # returns the caller's own tuple if it is equal, to save memory

    def picture(self, arch: Architecture) -> Picture:
        """Return the edges of both cells; nodes 0 and 1 are the outputs of the two preceding cells, earlier first."""
        cells: dict[str, tuple[Edge, ...]] = {
            name: tuple((str(source), str(target), OPERATIONS[o]) for source, target, o in edges_of(code))
            for name, code in zip(("normal", "reduce"), cells_of(arch), strict=True)
        }
        return Picture(cells=cells)

    def features(self, arch: Architecture) -> tuple[int, ...]:
        """Return, for each of the fourteen possible edges of both cells, 1 + its operation, or 0 if absent."""
        encoding = [0] * (2 * sum(NODES))
        for cell, code in enumerate(cells_of(arch)):
            for source, target, operation in edges_of(code):
                encoding[cell * sum(NODES) + FIRST_EDGES[target] + source] = 1 + operation
        return tuple(encoding)

    def build(self, arch: Architecture, task: Task) -> nn.Module:
        """Return the stand-alone network."""
        from archsieve.spaces.darts.network import DARTSNetwork

        return DARTSNetwork(self, task, arch)

    def supernet(self, task: Task) -> nn.Module:
        """Return the network of all paths: every operation on each of the fourteen edges of every cell."""
        from archsieve.spaces.darts.network import DARTSNetwork

        return DARTSNetwork(self, task)

    def params(self, arch: Architecture, task: Task) -> int:
        """Return the number of parameters, including the auxiliary head if there is one."""
        return (
            operation_sizes(self, pictures_of(task, self.name), task.num_outputs)
            .total(*map(edges_of, cells_of(arch)))
            .params
        )

    def macs(self, arch: Architecture, task: Task) -> int:
        """Return the multiply-adds of one image in evaluation, without the auxiliary head."""
        return (
            operation_sizes(self, pictures_of(task, self.name), task.num_outputs)
            .total(*map(edges_of, cells_of(arch)))
            .macs
        )

    def cells(self) -> list[CellShape]:
        """Return the cells of a network, in order."""
        is_cifar = self.stem == "cifar"
        before, last = (3 * self.width, 3 * self.width) if is_cifar else (self.width, self.width)
        width, follows, cells = self.width, not is_cifar, []
        for layer in range(self.layers):
            is_reduction = layer in (self.layers // 3, 2 * self.layers // 3)
            width = 2 * width if is_reduction else width
            cells.append(CellShape(is_reduction, width, (before, last), follows))
            before, last, follows = last, cells[-1].outputs, is_reduction
        return cells

    @property
    def auxiliary_after(self) -> int:
        """The index of the cell before the auxiliary head."""
        return 2 * self.layers // 3
