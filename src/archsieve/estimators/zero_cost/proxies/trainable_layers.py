"""trainable_layers: the number of layers with trainable weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import weights

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(spoils=False, mode="none", source="CVPR 2025, VKDNW")
def trainable_layers(network: nn.Module, probe: Probe) -> float:
    """Return the number of convolutions, linear layers and attention projections; a whole number, at least 0.

    Normalisations are not counted. A baseline of Tybl and Neumann, VKDNW (CVPR 2025).
    """
    return float(sum(w.requires_grad for w in weights(network).values()))
