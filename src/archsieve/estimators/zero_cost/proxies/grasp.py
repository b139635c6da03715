"""grasp: the estimated effect on the gradient flow of removing each weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.attention import SDPBackend, sdpa_kernel

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import (
    check_finite,
    first_gradients,
    gradients,
    release_graphs,
    shared_forward,
    weights,
)
from archsieve.estimators.zero_cost.second_derivatives import FastSecondDerivatives
from archsieve.networks.outputs import outputs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(
    needs=("data", "labels", "gradients"),
    version=3,
    spoils=False,
    passes=9,
    reads="curvature",
    source="arXiv 2002.07376",
)
def grasp(network: nn.Module, probe: Probe) -> float:
    """Return the sum over weights of -W * (H g), with g the loss gradient and H the Hessian; any real number.

    One batch, temperature 1. The terms of the sum may cancel to a hundred-thousandth of their size, where single
    precision leaves no digit: see docs/proxies.md. Source: Wang et al., "Picking Winning Tickets Before Training by
    Preserving Gradient Flow", arXiv 2002.07376, summed as in arXiv 2101.08134.
    """
    layers = list(weights(network).values())
    try:
        first = _first(network, probe, layers)
        product = sum((g.detach() * g).sum() for g in first)
        second = gradients(product, layers)  # type: ignore[arg-type]
    except RuntimeError as error:
        if "is not implemented" not in str(error):
            raise
        raise ScoringError(f"grasp needs second derivatives, and torch lacks one: {error}") from error
    return sum(-(w * h).sum().item() for w, h in zip(layers, second, strict=True))


def _first(network: nn.Module, probe: Probe, layers: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradients of the loss with respect to layer weights, differentiable again."""
    if probe.shared:
        if shared_forward(network, probe).has_fast_curvature:
            return first_gradients(network, probe)[0]
        release_graphs(network, probe)  # nobody else will read them
    inputs, targets = probe.batch(0)
    # The only attention whose gradient has a gradient.
    with sdpa_kernel(SDPBackend.MATH), FastSecondDerivatives():
        loss = probe.loss(outputs_of(network, inputs), targets)
        check_finite("losses", loss)
        return gradients(loss, layers, create_graph=True)
