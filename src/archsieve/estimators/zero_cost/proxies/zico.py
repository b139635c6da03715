"""zico: the magnitude of gradients relative to their variation across batches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import backward_pass, gradients, loss_of, weights

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(needs=("data", "labels", "gradients"), spoils=False, batches=2, reads="losses", source="arXiv 2301.11300")
def zico(network: nn.Module, probe: Probe) -> float:
    """Return the sum over layers of log(sum over weights of mean|g| / std(g)) over two batches; any real number.

    g is the loss gradient of a batch; the deviation is that of the population, half the difference of the two. A
    weight whose gradients agree is left out, and so is a layer of nothing else. Source: Li et al., "ZiCo", arXiv
    2301.11300, whose code takes every batch it is given; two are what the paper uses.
    """
    second = gradients(loss_of(network, probe, 1), list(weights(network).values()))
    score = 0.0
    for (_, g), h in zip(backward_pass(network, probe).weights, second, strict=True):
        pair = torch.stack((g.cpu(), h.cpu())).double()
        mean, deviation = pair.abs().mean(0), pair.std(0, correction=0)
        total = float((mean / deviation)[deviation > 0].sum())
        score += math.log(total) if total > 0 else 0.0
    return score
