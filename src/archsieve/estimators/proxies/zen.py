"""zen: how far the features move when a Gaussian input moves a little, in a network of Gaussian weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from archsieve.errors import ScoringError
from archsieve.estimators.meter import Tensors, score_whole
from archsieve.estimators.proxy import proxy

if TYPE_CHECKING:
    from archsieve.estimators.proxy import Probe

STEP = 0.01
_POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.AvgPool2d, nn.MaxPool2d)


@dataclass(frozen=True)
class ZenMeter:
    """Sums the log scales of the batch normalisations, and compares the features of two inputs at the end."""

    inputs: Tensors

    @classmethod
    def of(cls, network: nn.Module, probe: Probe) -> ZenMeter:
        """Redraw the network's weights, and return its meter."""
        _draw_gaussian(network, probe)
        noise, like = probe.generator("noise", "zen"), torch.empty_like(probe.inputs, dtype=torch.float32)
        inputs = torch.randn(like.shape, generator=noise)
        moved = inputs + STEP * torch.randn(like.shape, generator=noise)
        return cls(tuple(torch.empty_like(like).copy_(x) for x in (inputs, moved)))

    def start(self) -> tuple[Tensors, float]:
        """Return the noise and the moved noise, and a sum of nothing."""
        return self.inputs, 0.0

    def run(self, piece: nn.Module, tensors: Tensors, state: float) -> tuple[Tensors, float]:
        """Return the outputs of a piece for both inputs, and the sum with its batch normalisations."""
        norms = [m for m in piece.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        for norm in norms:
            norm.reset_running_stats()
        with torch.no_grad():
            outputs = tuple(piece(tensor) for tensor in tensors)
        for norm in norms:
            if norm.running_var is not None:
                state += 0.5 * math.log(float(norm.running_var.mean()))
        return outputs, state

    def finish(self, piece: nn.Module, tensors: Tensors, state: float) -> float:
        """Return the distance's logarithm plus the sum.

        Raises:
            ScoringError: the last piece has neither a pooling nor a linear layer.
        """
        taps: list[tuple[bool, Tensor]] = []

        def keep(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            taps.append((isinstance(module, _POOLS), arguments[0]))

        tapped = [module for module in piece.modules() if isinstance(module, (*_POOLS, nn.Linear))]
        handles = [module.register_forward_pre_hook(keep) for module in tapped]
        state = self.run(piece, tensors, state)[1]
        for handle in handles:
            handle.remove()
        half = len(taps) // 2
        distance = (_features(taps[:half]) - _features(taps[half:])).abs().flatten(1).sum(1).mean()
        return (math.log(distance) if distance > 0 else -math.inf) + state


@proxy(meter=ZenMeter.of)
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
    return score_whole(ZenMeter.of(network, probe), network)


def _features(taps: list[tuple[bool, Tensor]]) -> Tensor:
    """Return the input of the last pooling executed, else of the last linear layer."""
    if not taps:
        raise ScoringError("zen taps the input of the last pooling or linear layer, and this network has neither.")
    return next((inputs for is_pool, inputs in reversed(taps) if is_pool), taps[-1][1])


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
