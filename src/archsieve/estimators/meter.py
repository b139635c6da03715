"""Proxies that only look at forward passes, as meters: what they read adds up along the network.

A meter that has run through a stem and three blocks can go on into any fourth block, so in a chain of choice blocks
the codes that share a prefix share its evaluation. A whole network is a chain of one piece: the same code scores it,
and gives the same score bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar

from archsieve.errors import ScoringError
from archsieve.estimators.prefixes import walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from archsieve.space import Architecture

S = TypeVar("S")
Tensors: TypeAlias = "tuple[Tensor, ...]"


class Meter(Protocol, Generic[S]):
    """Reads a network piece by piece; `S` is what has been read so far, an immutable value."""

    def start(self) -> tuple[Tensors, S]:
        """Return the network's inputs, which pass through every piece one after the other, and nothing read."""

    def run(self, piece: nn.Module, tensors: Tensors, state: S) -> tuple[Tensors, S]:
        """Return the outputs of a piece for each input, and what has been read with it."""

    def finish(self, piece: nn.Module, tensors: Tensors, state: S) -> float:
        """Return the score, with `piece` the last one of the network.

        Raises:
            ScoringError: the network cannot be scored.
        """


def score_whole(meter: Meter[S], network: nn.Module) -> float:
    """Return the score of a network as one piece."""
    return meter.finish(network, *meter.start())


def score_chain(meter: Meter[S], chain: Any, archs: Sequence[Architecture]) -> dict[Architecture, float | str]:
    """Return the score of every path of a chain, or why it has none; common prefixes are evaluated once.

    Holds the tensors of one path at a time.

    Args:
        meter: the chain's.
        chain: stem, `choices[position][str(option)]` and head.
        archs: paths through the chain.
    """
    scores: dict[Architecture, float | str] = {}
    for arch, read in walk(chain, archs, meter.start(), lambda piece, read: meter.run(piece, *read)):
        try:
            scores[arch] = meter.finish(chain.head, *read)
        except ScoringError as error:
            scores[arch] = str(error)
    return scores
