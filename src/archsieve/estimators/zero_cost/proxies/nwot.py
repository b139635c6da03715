"""nwot: how different the activation patterns of different inputs are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.activations import ActivationMeter, score_activations
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.networks.inputs import items_in

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.meter import Tensors
    from archsieve.estimators.zero_cost.proxy import Probe


class Agreement(NamedTuple):
    """The kernel (n, n) over the units seen so far, and their number."""

    kernel: Tensor
    units: int


class NWOTMeter(ActivationMeter[Agreement]):
    """Counts, at the inputs of every activation, the units on which two inputs agree."""

    def start(self) -> tuple[Tensors, Agreement]:
        """Return the batch, and an empty count."""
        n = items_in(self.inputs)
        return (self.inputs,), Agreement(torch.zeros(n, n, dtype=torch.float64), 0)

    def add(self, state: Agreement, on: Tensor) -> Agreement:
        """Return the count after one more activation."""
        kernel, units = _agreement(on)
        return Agreement(state.kernel + kernel, state.units + units)

    def finish(self, state: Agreement) -> float:
        """Return log|det K|.

        Raises:
            ScoringError: the network has no activation that counts.
        """
        if not state.units:
            raise ScoringError("nwot counts activations, and this network has none that it can count.")
        return float(torch.linalg.slogdet(state.kernel).logabsdet)


@proxy(needs=("data",), meter=NWOTMeter.of, spoils=False, reads="activations", source="arXiv 2006.04647")
def nwot(network: nn.Module, probe: Probe, *, activations: Literal["all", "relu"] = "all") -> float:
    """Return log|det K|, K[i, j] the number of units that are both active or both inactive for inputs i and j.

    Any real number, -inf where two inputs switch every unit alike. The units are the inputs of every activation, each
    call counted, on where they are positive. Source: Mellor et al., "Neural Architecture Search without Training",
    arXiv 2006.04647, for ReLU; the sign of the input is taken for every other activation too.

    Args:
        network: what is scored.
        probe: gives the batch.
        activations: "relu" counts ReLU and ReLU6 only, "all" every elementwise activation.

    Raises:
        ScoringError: the network has no activation that counts.
    """
    return score_activations(NWOTMeter.of(network, probe, activations), network, probe)


def _agreement(on: Tensor) -> tuple[Tensor, int]:
    """Return how many units (n, units) agree between each pair of inputs, (n, n) float64 on the CPU, and their number.

    With c units both on and r on in each, both off are N - r_i - r_j + c. Counts below 2^24 are exact in float32.
    """
    units, each = on.shape[1], on.sum(1)
    both = on @ on.T
    return (units - each[:, None] - each[None, :] + 2 * both).cpu().double(), units
