"""nwot: how many different linear maps the ReLUs give different inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from archsieve.errors import ScoringError
from archsieve.estimators.proxy import proxy

if TYPE_CHECKING:
    from archsieve.estimators.proxy import Probe


@proxy(needs=("data",))
def nwot(network: nn.Module, probe: Probe) -> float:
    """Return log|det K|, K[i, j] the number of ReLU units on which inputs i and j are both on or both off.

    Any real number, -inf where two inputs switch every unit alike. The units are the inputs of every ReLU and ReLU6
    module, each call counted. Source: Mellor et al., "Neural Architecture Search without Training", arXiv 2006.04647.

    Raises:
        ScoringError: the network has no ReLU module.
    """
    inputs = probe.inputs
    kernel = torch.zeros(len(inputs), len(inputs), dtype=torch.float64)
    units = 0

    def count(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        nonlocal units
        on = (arguments[0] > 0).flatten(1).float()  # counts below 2^24 are exact in float32
        units += on.shape[1]
        kernel.add_((on @ on.T + (1 - on) @ (1 - on).T).double().cpu())

    for module in network.modules():
        if isinstance(module, nn.ReLU | nn.ReLU6):
            module.register_forward_pre_hook(count)
    with torch.no_grad():
        network(inputs)
    if not units:
        raise ScoringError("nwot counts ReLU modules, and this network has none.")
    return float(torch.linalg.slogdet(kernel).logabsdet)
