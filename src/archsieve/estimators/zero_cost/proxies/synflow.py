"""synflow: the flow through all paths of a network whose weights are all positive."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from archsieve.estimators.zero_cost.embeddings import with_real_inputs
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import gradients, weights
from archsieve.networks.outputs import outputs_of

if TYPE_CHECKING:
    from torch import Tensor

    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(
    needs=("gradients",), items=1, init="absolute values", mode="without batch normalisation", source="arXiv 2006.05467"
)
def synflow(network: nn.Module, probe: Probe) -> float:
    """Return the sum over weights of |W * dR/dW|, R the summed outputs for an input of ones; in [0, inf).

    All weights are replaced by their absolute values, batch normalisation is left out, double precision. Values of
    1e46 are common; where they may overflow, use `synflow_log`. Source: Tanaka et al., "Pruning neural networks
    without any data by iteratively conserving synaptic flow", arXiv 2006.05467, summed as in arXiv 2101.08134.
    """
    return synaptic_flow(without_batch_norm(network), probe)


@proxy(
    needs=("gradients",), items=1, init="absolute values", mode="without batch normalisation", source="arXiv 2006.05467"
)
def synflow_log(network: nn.Module, probe: Probe) -> float:
    """Return log(synflow): the same ranking on a readable scale; -inf where no signal flows."""
    flow = synflow(network, probe)
    return math.log(flow) if flow > 0 else -math.inf


def synaptic_flow(network: nn.Module, probe: Probe, dtype: torch.dtype = torch.float64) -> float:
    """Return the sum over weights of |W * dR/dW| of the network with absolute weights in a precision.

    What its embeddings give for tokens is ones too.
    """
    network, probe = with_real_inputs(network, probe)
    ones = in_absolute_values(network, probe, dtype)
    layers = list(weights(network).values())
    flows = gradients(outputs_of(network, ones).sum(), layers)
    return sum((w * g).abs().sum().item() for w, g in zip(layers, flows, strict=True))


def in_absolute_values(network: nn.Module, probe: Probe, dtype: torch.dtype = torch.float64) -> Tensor:
    """Convert the network to absolute weights in a precision, in place, and return an input of ones for it."""
    if torch.device(probe.device).type == "mps":  # which has no double precision
        network.cpu()
    if dtype == torch.float64:  # `to` would make complex weights real
        network.double()
    else:
        network.float()
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.is_floating_point():  # a mask has no sign
                tensor.abs_()
    device = next((p.device for p in network.parameters()), torch.device(probe.device))
    return torch.ones_like(probe.blank()[:1]).to(device, dtype)


def without_batch_norm(network: nn.Module) -> nn.Module:
    """Return the network with every batch normalisation replaced by an identity, in place."""
    for parent in list(network.modules()):
        for name, child in parent._modules.items():  # by each of the names that a shared one has
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                parent._modules[name] = _Through()
    return network


class _Through(nn.Module):
    """Returns its input and ignores the other arguments of a normalisation."""

    def forward(self, inputs: Tensor, *_: object, **__: object) -> Tensor:
        return inputs
