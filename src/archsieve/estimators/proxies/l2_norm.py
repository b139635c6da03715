"""l2_norm: the size of the initial weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsieve.estimators.proxy import proxy, weights

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.proxy import Probe


@proxy
def l2_norm(network: nn.Module, probe: Probe) -> float:
    """Return the sum over layers of ||W||_2: norms, not their squares; in (0, inf).

    Source: Abdelfattah et al., "Zero-Cost Proxies for Lightweight NAS", arXiv 2101.08134 (their code). Needs no data.
    """
    return sum(float(weight.detach().norm()) for weight in weights(network).values())
