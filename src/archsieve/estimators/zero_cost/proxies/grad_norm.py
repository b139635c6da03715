"""grad_norm: the norm of the loss gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import backward_pass

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(needs=("data", "labels", "gradients"), spoils=False, reads="losses", source="arXiv 2101.08134")
def grad_norm(network: nn.Module, probe: Probe) -> float:
    """Return the sum over layers of ||dL/dW||_2 on one batch; in [0, inf).

    Source: Abdelfattah et al., arXiv 2101.08134.
    """
    return sum(float(gradient.norm()) for _, gradient in backward_pass(network, probe).weights)
