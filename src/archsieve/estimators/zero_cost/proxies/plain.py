"""plain: the signed counterpart of snip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import backward_pass

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(needs=("data", "labels", "gradients"), spoils=False, reads="losses", source="arXiv 2101.08134")
def plain(network: nn.Module, probe: Probe) -> float:
    """Return the sum over weights of W * dL/dW on one batch; any real number.

    Source: the baseline of arXiv 2101.08134, after Mozer and Smolensky (1989).
    """
    return sum((w * g).sum().item() for w, g in backward_pass(network, probe).weights)
