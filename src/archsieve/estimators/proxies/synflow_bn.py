"""synflow_bn: synflow with batch normalisation left in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.errors import ScoringError
from archsieve.estimators.proxies.synflow import synaptic_flow
from archsieve.estimators.proxy import proxy

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.proxy import Probe


@proxy
def synflow_bn(network: nn.Module, probe: Probe) -> float:
    """Return synflow's sum with batch normalisation kept, by the statistics of the one input of ones; in [0, inf).

    Source: the variant of arXiv 2101.08134's code.

    Raises:
        ScoringError: a map has one position, so that one input has no batch statistics.
    """
    try:
        return synaptic_flow(network, probe)
    except ValueError as error:  # torch: "Expected more than 1 value per channel when training"
        raise ScoringError(
            f"synflow_bn normalises a single input, which this network does not allow: {error}"
        ) from error
