"""grasp: how much removing each weight would hurt the flow of gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.attention import SDPBackend, sdpa_kernel

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import check_finite, gradients, weights
from archsieve.estimators.zero_cost.second_derivatives import FastSecondDerivatives
from archsieve.networks.outputs import outputs_of

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(needs=("data", "labels", "gradients"), version=3, passes=9, source="arXiv 2002.07376")
def grasp(network: nn.Module, probe: Probe) -> float:
    """Return the sum over weights of -W * (H g), with g the loss gradient and H the Hessian; any real number.

    One batch, temperature 1. The terms of the sum may cancel to a hundred-thousandth of their size, where single
    precision leaves no digit: see docs/proxies.md. Source: Wang et al., "Picking Winning Tickets Before Training by
    Preserving Gradient Flow", arXiv 2002.07376, summed as in arXiv 2101.08134.
    """
    inputs, targets = probe.batch(0)
    layers = list(weights(network).values())
    try:
        # The only attention whose gradient has a gradient.
        with sdpa_kernel(SDPBackend.MATH), FastSecondDerivatives():
            loss = probe.loss(outputs_of(network, inputs), targets)
            check_finite("losses", loss)
            first = gradients(loss, layers, create_graph=True)
        product = sum((g.detach() * g).sum() for g in first)
        second = gradients(product, layers)  # type: ignore[arg-type]
    except RuntimeError as error:
        if "is not implemented" not in str(error):
            raise
        raise ScoringError(f"grasp needs second derivatives, and torch lacks one: {error}") from error
    return sum(-(w * h).sum().item() for w, h in zip(layers, second, strict=True))
