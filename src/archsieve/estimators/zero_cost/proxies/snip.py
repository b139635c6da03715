"""snip: the estimated effect on the loss of removing each weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import backward_pass

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(needs=("data", "labels", "gradients"), spoils=False, reads="losses", source="arXiv 1810.02340")
def snip(network: nn.Module, probe: Probe) -> float:
    """Return the sum over weights of |W * dL/dW| on one batch; in [0, inf).

    The gradient with respect to a mask of ones on W is W * dL/dW. Source: Lee et al., "SNIP", arXiv 1810.02340, summed
    as in arXiv 2101.08134.
    """
    return sum((w * g).abs().sum().item() for w, g in backward_pass(network, probe).weights)
