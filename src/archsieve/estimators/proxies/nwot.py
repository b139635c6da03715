"""nwot: how many different linear maps the ReLUs give different inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from archsieve.errors import ScoringError
from archsieve.estimators.meter import Tensors, score_whole
from archsieve.estimators.proxy import proxy

if TYPE_CHECKING:
    from archsieve.estimators.proxy import Probe


class Agreement(NamedTuple):
    """The kernel (n, n) over the units seen so far, and their number."""

    kernel: Tensor
    units: int


@dataclass(frozen=True)
class NWOTMeter:
    """Counts, at the inputs of every ReLU and ReLU6 module called, the units on which two inputs agree."""

    inputs: Tensor

    @classmethod
    def of(cls, network: nn.Module, probe: Probe) -> NWOTMeter:
        """Return the meter of any network."""
        return cls(probe.inputs)

    def start(self) -> tuple[Tensors, Agreement]:
        """Return the batch, and an empty count."""
        n = len(self.inputs)
        return (self.inputs,), Agreement(torch.zeros(n, n, dtype=torch.float64), 0)

    def run(self, piece: nn.Module, tensors: Tensors, state: Agreement) -> tuple[Tensors, Agreement]:
        """Return the outputs of a piece, and the count with its ReLUs."""
        seen = [state]

        def count(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            kernel, units = _agreement(arguments[0])
            seen.append(Agreement(seen[-1].kernel + kernel, seen[-1].units + units))

        relus = [module for module in piece.modules() if isinstance(module, nn.ReLU | nn.ReLU6)]
        handles = [relu.register_forward_pre_hook(count) for relu in relus]
        try:
            with torch.no_grad():
                outputs = tuple(piece(tensor) for tensor in tensors)
        finally:
            for handle in handles:
                handle.remove()
        return outputs, seen[-1]

    def finish(self, piece: nn.Module, tensors: Tensors, state: Agreement) -> float:
        """Return log|det K|.

        Raises:
            ScoringError: the network has no ReLU module.
        """
        kernel, units = self.run(piece, tensors, state)[1]
        if not units:
            raise ScoringError("nwot counts ReLU modules, and this network has none.")
        return float(torch.linalg.slogdet(kernel).logabsdet)


@proxy(needs=("data",), meter=NWOTMeter.of, spoils=False)
def nwot(network: nn.Module, probe: Probe) -> float:
    """Return log|det K|, K[i, j] the number of ReLU units on which inputs i and j are both on or both off.

    Any real number, -inf where two inputs switch every unit alike. The units are the inputs of every ReLU and ReLU6
    module, each call counted. Source: Mellor et al., "Neural Architecture Search without Training", arXiv 2006.04647.

    Raises:
        ScoringError: the network has no ReLU module.
    """
    return score_whole(NWOTMeter.of(network, probe), network)


def _agreement(inputs: Tensor) -> tuple[Tensor, int]:
    """Return how many units agree between any two inputs, (n, n) as float64 on the CPU, and how many there are.

    With c units both on and r on in each, both off are N - r_i - r_j + c. Counts below 2^24 are exact in float32.
    """
    if inputs.dim() == 4 and inputs.is_contiguous(memory_format=torch.channels_last):
        inputs = inputs.permute(0, 2, 3, 1)  # the units in the order of memory, whatever it is
    on = (inputs > 0).flatten(1).float()
    units, each = on.shape[1], on.sum(1)
    both = on @ on.T
    return (units - each[:, None] - each[None, :] + 2 * both).double().cpu(), units
