"""l2_norm: the size of the initial weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.estimators.meter import Tensors, score_whole
from archsieve.estimators.proxy import proxy
from archsieve.estimators.readings import weights

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.proxy import Probe


class L2NormMeter:
    """Sums the norms of the weights; nothing passes through the network."""

    @classmethod
    def of(cls, network: nn.Module, probe: Probe) -> L2NormMeter:
        """Return the meter of any network."""
        return cls()

    def start(self) -> tuple[Tensors, float]:
        """Return no inputs, and a sum of nothing."""
        return (), 0.0

    def run(self, piece: nn.Module, tensors: Tensors, state: float) -> tuple[Tensors, float]:
        """Return the sum with a piece's weights."""
        for weight in weights(piece).values():
            state += float(weight.detach().norm())
        return tensors, state

    def finish(self, piece: nn.Module, tensors: Tensors, state: float) -> float:
        """Return the sum."""
        return self.run(piece, tensors, state)[1]


@proxy(meter=L2NormMeter.of, spoils=False, mode="none", source="arXiv 2101.08134")
def l2_norm(network: nn.Module, probe: Probe) -> float:
    """Return the sum over layers of ||W||_2: norms, not their squares; in (0, inf).

    Source: Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", arXiv 2101.08134 (their code). Needs no data.
    """
    return score_whole(L2NormMeter.of(network, probe), network)
