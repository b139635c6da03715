"""l2_norm: the norm of the initial weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.meter import Tensors, score_whole
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import weights

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe


class Norms(NamedTuple):
    """The sum so far, and the weights it includes."""

    total: float
    summed: frozenset[int] = frozenset()


class L2NormMeter:
    """Sums the norms of the weights; no data pass through the network."""

    @classmethod
    def of(cls, network: nn.Module, probe: Probe) -> L2NormMeter:
        """Return the meter of a network."""
        return cls()

    def start(self) -> tuple[Tensors, Norms]:
        """Return no inputs, and an empty sum."""
        return (), Norms(0.0)

    def run(self, piece: nn.Module, tensors: Tensors, state: Norms) -> tuple[Tensors, Norms]:
        """Return the sum with a piece's weights that it does not include yet."""
        total, own = state.total, weights(piece).values()
        for weight in own:
            if id(weight) not in state.summed:
                total += float(weight.detach().norm())
        return tensors, Norms(total, state.summed.union(map(id, own)))

    def finish(self, state: Norms) -> float:
        """Return the total cost.

        Raises:
            ScoringError: a weight is no finite number.
        """
        if not math.isfinite(state.total):
            raise ScoringError("The weights of the network hold NaN or infinity: they have no norm.")
        return state.total


@proxy(meter=L2NormMeter.of, spoils=False, mode="none", source="arXiv 2101.08134")
def l2_norm(network: nn.Module, probe: Probe) -> float:
    """Return the sum over layers of ||W||_2: norms, not their squares; in (0, inf).

    Source: Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", arXiv 2101.08134 (their code). Needs no data.
    """
    return score_whole(L2NormMeter.of(network, probe), network)
