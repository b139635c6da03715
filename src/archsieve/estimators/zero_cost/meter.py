"""Meters: proxies that use only forward passes, and whose state accumulates along the network.

A meter that has run through a stem and three blocks can go on into any fourth block, so in a chain of choice blocks
the codes that share a prefix share its evaluation. A whole network is a chain of one piece: the same code scores it,
and gives the same score bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from archsieve.errors import ScoringError, ends_the_run, reason_of
from archsieve.estimators.contract import Outcome
from archsieve.estimators.prefixes import walk
from archsieve.estimators.zero_cost.readings import check_outputs
from archsieve.networks.generators import draw_state
from archsieve.networks.inputs import parts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from archsieve.networks.form import Given
    from archsieve.spaces.contract import Architecture
    from archsieve.spaces.layers.chain import Chain

S = TypeVar("S")
Tensors: TypeAlias = "tuple[Given, ...]"
"""Inputs that pass through a network one after the other, and what comes out of its pieces."""


class Meter(Protocol, Generic[S]):
    """Measures a network piece by piece; `S` is the state so far, an immutable value."""

    def start(self) -> tuple[Tensors, S]:
        """Return the inputs that pass through all pieces in turn, and the initial state."""

    def run(self, piece: nn.Module, tensors: Tensors, state: S) -> tuple[Tensors, S]:
        """Return the outputs of a piece for each input, and the state after it."""

    def finish(self, state: S) -> float:
        """Return the score from the state after the whole network.

        Raises:
            ScoringError: the network cannot be scored.
        """


def score_whole(meter: Meter[S], network: nn.Module) -> float:
    """Return the score of a network as one piece.

    Raises:
        ScoringError: the network cannot be scored.
    """
    return _read_last(meter, network, meter.start())


def score_chain(
    meter: Meter[S], chain: Chain, archs: Sequence[Architecture], device: str
) -> dict[Architecture, Outcome] | None:
    """Return the outcome of every path of a chain, with common prefixes evaluated once.

    Returns None if the paths cannot share prefixes: a piece writes to its input, draws random numbers or fails. Holds
    the tensors of one path at a time.

    Args:
        meter: the chain's.
        chain: the network of all paths.
        archs: paths through the chain.
        device: where the chain lies.
    """

    def run(piece: nn.Module, prefix: tuple[Tensors, S]) -> tuple[Tensors, S]:
        versions = [tensor._version for batch in prefix[0] for tensor in parts_of(batch)]
        after = meter.run(piece, *prefix)
        if versions != [tensor._version for batch in prefix[0] for tensor in parts_of(batch)]:
            raise _NotSharedError
        return after

    outcomes: dict[Architecture, Outcome] = {}
    before = draw_state(device)
    try:
        for arch, prefix in walk(chain, archs, meter.start(), run):
            try:
                outcomes[arch] = Outcome(_read_last(meter, chain.head, prefix))
            except ScoringError as error:
                if ends_the_run(error):
                    raise
                outcomes[arch] = Outcome.failed(reason_of(error))
    except Exception as error:
        if ends_the_run(error):
            raise
        return None  # alone, each path that fails says why
    return outcomes if draw_state(device) == before else None


class _NotSharedError(Exception):
    """A piece wrote to its input, which other paths use too."""


def _read_last(meter: Meter[S], piece: nn.Module, prefix: tuple[Tensors, S]) -> float:
    outputs, state = meter.run(piece, *prefix)
    score = meter.finish(state)  # which may say more of what is wrong
    for output in outputs:
        check_outputs(output)
    return score
