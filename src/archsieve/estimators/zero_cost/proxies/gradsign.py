"""gradsign: the agreement in sign of the gradients of single items."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

import torch

from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import check_finite, gradients, hold_statistics, weights
from archsieve.networks.inputs import items_in, mapped
from archsieve.networks.outputs import outputs_of

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(
    needs=("data", "labels", "gradients"),
    passes=4,
    mode="evaluation, by the statistics of the batch",
    source="arXiv 2110.08616",
)
def gradsign(network: nn.Module, probe: Probe) -> float:
    """Return the sum over weights of |sum over items of sign(dL_i/dw)|; a whole number in [0, items * weights].

    L_i is the loss of item i alone. Batch normalisation is held at the statistics of the whole batch, so that an
    item's gradient is its own: the paper leaves this open. Source: Zhang and Jia, "GradSign", arXiv 2110.08616.
    """
    hold_statistics(network, probe)
    layers = list(weights(network).values())
    inputs, targets = probe.batch(0)
    signs = [torch.zeros_like(w) for w in layers]
    for item in range(items_in(inputs)):
        place = slice(item, item + 1)
        loss = probe.loss(outputs_of(network, mapped(inputs, itemgetter(place))), targets[place])
        check_finite("losses", loss)
        for total, gradient in zip(signs, gradients(loss, layers), strict=True):
            total += gradient.sign()
    return sum(float(total.abs().sum()) for total in signs)
