"""A chain of choice blocks: stem, one block per decision, head.

A stand-alone network is the same module with one option a decision, so that a block has the same name, and with it
the same initial weights, wherever it occurs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from torch import nn

from archsieve.networks.supernets import extract_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from archsieve.spaces.contract import Architecture, SearchSpace
    from archsieve.tasks.contract import Task


class ChainBlocks(Protocol):
    """Factory of the parts of a chain."""

    def stem(self) -> nn.Module:
        """Return the module before the first choice."""

    def block(self, position: int, option: int) -> nn.Module:
        """Return the module of one option of one choice."""

    def head(self) -> nn.Module:
        """Return the module after the last choice."""


class Chain(nn.Module):
    """Stem, `choices[position][option]` and head; a supernet if there is more than one path.

    A chain promises that the outputs of a path are those of its pieces, one after the other, and of nothing else.
    `archsieve.testing.SpaceContract` tests this. A subclass that overrides `forward` does not count as a chain.

    Args:
        space: the space it belongs to.
        task: what it is for.
        blocks: makes the parts.
        options: the options it holds of each decision, each ascending.
    """

    def __init__(self, space: SearchSpace, task: Task, blocks: ChainBlocks, options: Iterable[Sequence[int]]) -> None:
        super().__init__()
        self._space, self._task = space, task
        by_position = [tuple(o) for o in options]
        self._path = tuple(o[0] for o in by_position)
        self.stem = blocks.stem()
        self.choices = nn.ModuleList(
            nn.ModuleDict({str(o): blocks.block(i, o) for o in position}) for i, position in enumerate(by_position)
        )
        self.head = blocks.head()

    def forward(self, inputs: Tensor, arch: Architecture | None = None) -> Tensor:
        """Return the outputs of the path `arch`, shape (n, outputs); None is the first or only path."""
        x = self.stem(inputs)
        for position, option in enumerate(arch or self._path):
            x = self.piece(position, option)(x)
        return self.head(x)  # type: ignore[no-any-return]

    def piece(self, position: int, option: int) -> nn.Module:
        """Return the module of one option of one choice."""
        options = cast("nn.ModuleDict", self.choices[position])
        return options[str(option)]

    def extract(self, arch: Architecture) -> nn.Module:
        """Return the path as a stand-alone network with copies of the weights."""
        return extract_path(self, self._space, self._task, arch)
