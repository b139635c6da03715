"""synflow_bn: synflow with batch normalisation kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.proxies.synflow import synaptic_flow
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import one_input

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe

SMALL = 1e-6
"""A smaller sum is computed a second time."""
GROWTH = 1000
"""If the sum in single precision is greater by this factor, it is rounding error."""


@proxy(needs=("gradients",), items=1, init="absolute values", source="arXiv 2101.08134")
def synflow_bn(network: nn.Module, probe: Probe) -> float:
    """Return synflow's sum with batch normalisation kept, using statistics of the single input of ones; in [0, inf).

    Source: the variant of arXiv 2101.08134's code.

    Raises:
        ScoringError: a map has one position, so that one input has no batch statistics; or the sum is rounding error.
    """
    with one_input("synflow_bn"):
        flow = synaptic_flow(network, probe)
        if 0 < flow < SMALL:
            _check_precision(flow, network, probe)
        return flow


def _check_precision(flow: float, network: nn.Module, probe: Probe) -> None:
    """Check a small sum in single precision: there, rounding error is far greater, and a flow nearly the same.

    Where single precision overflows, the sum is not checked.

    Raises:
        ScoringError: the sum is rounding error.
    """
    try:
        single = synaptic_flow(network, probe, dtype=torch.float32)
    except ScoringError:  # of gradients that are not finite
        return
    if single > GROWTH * flow:
        raise ScoringError(
            f"The outputs do not depend on the weights, as in a network where every path ends in a batch normalisation "
            f"before the mean over positions. The sum is rounding error: in single precision it is more than {GROWTH} "
            f"times as large."
        )
