"""synflow_bn: synflow with batch normalisation kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.estimators.zero_cost.proxies.synflow import synaptic_flow
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import one_input

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(needs=("gradients",), items=1, init="absolute values", source="arXiv 2101.08134")
def synflow_bn(network: nn.Module, probe: Probe) -> float:
    """Return synflow's sum with batch normalisation kept, using statistics of the single input of ones; in [0, inf).

    Source: the variant of arXiv 2101.08134's code.

    Raises:
        ScoringError: a map has one position, so that one input has no batch statistics.
    """
    with one_input("synflow_bn"):
        return synaptic_flow(network, probe)
