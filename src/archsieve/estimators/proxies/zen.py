"""zen: how far the features move when a Gaussian input moves a little, in a network of Gaussian weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from archsieve.errors import ScoringError
from archsieve.estimators.proxy import proxy

if TYPE_CHECKING:
    from archsieve.estimators.proxy import Probe

STEP = 0.01
_POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.AvgPool2d, nn.MaxPool2d)


@proxy
def zen(network: nn.Module, probe: Probe) -> float:
    """Return log D + sum over BNs of log sqrt(mean variance); any real number, -inf where the features stand still.

    D is the mean over inputs of sum |F(x) - F(x + 0.01 e)|, with x and e Gaussian noise of the batch's shape and F the
    input of the last pooling (without one, of the last linear layer). Weights are drawn from N(0, 1), biases are 0, BN
    is the identity map of its normalised input. One repeat. Source: Lin et al., "Zen-NAS", arXiv 2102.01063.

    As in the search code of "Good Performance Estimation strategies are All You Need in NAS" (TPAMI 2025), the variance
    is what two forward passes leave in `running_var` (at momentum 0.1: 0.81 + 0.09 v1 + 0.1 v2), not that of one batch.

    Raises:
        ScoringError: the network has neither a pooling nor a linear layer.
    """
    _draw_gaussian(network, probe)
    noise = probe.generator("noise", "zen")
    shape, device = probe.inputs.shape, probe.inputs.device
    inputs = torch.randn(shape, generator=noise).to(device)
    moved = inputs + STEP * torch.randn(shape, generator=noise).to(device)
    first, second = _features(network, inputs), _features(network, moved)
    distance = (first - second).abs().flatten(1).sum(1).mean().item()
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    scales = sum(0.5 * math.log(m.running_var.mean().item()) for m in norms if m.running_var is not None)
    return (math.log(distance) if distance > 0 else -math.inf) + scales


def _draw_gaussian(network: nn.Module, probe: Probe) -> None:
    """Redraw all weights, by seed and name as initial weights are."""
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, nn.modules.conv._ConvNd | nn.Linear):
                drawn = torch.randn(module.weight.shape, generator=probe.generator("init", "zen", name))
                module.weight.copy_(drawn)
            elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
                module.weight.fill_(1)
            else:
                continue
            if module.bias is not None:
                module.bias.zero_()


def _features(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return the input of the last pooling executed, else of the last linear layer."""
    seen: dict[str, Tensor] = {}

    def keep(kind: str) -> object:
        return lambda module, arguments: seen.update({kind: arguments[0]})

    kinds = {"pool": _POOLS, "linear": (nn.Linear,)}
    handles = [
        module.register_forward_pre_hook(keep(kind))  # type: ignore[arg-type]
        for module in network.modules()
        for kind, classes in kinds.items()
        if isinstance(module, classes)
    ]
    with torch.no_grad():
        network(inputs)
    for handle in handles:
        handle.remove()
    if not seen:
        raise ScoringError("zen taps the input of the last pooling or linear layer, and this network has neither.")
    return seen.get("pool", seen.get("linear"))  # type: ignore[return-value]
