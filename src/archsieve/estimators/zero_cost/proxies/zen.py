"""zen: how far the features move when a Gaussian input moves slightly, in a network with Gaussian weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor, nn

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.embeddings import with_real_inputs
from archsieve.estimators.zero_cost.meter import Tensors, score_whole
from archsieve.estimators.zero_cost.own_weights import own_weights, require_layers
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import LAYERS, batch_norms, check_finite, record_statistics
from archsieve.estimators.zero_cost.watching import FeatureTap, run_watched
from archsieve.networks.generators import remember_draws

if TYPE_CHECKING:
    from collections.abc import Callable

    from archsieve.estimators.zero_cost.proxy import Probe

STEP = 0.01
MOMENTUM = 0.1


class Scales(NamedTuple):
    """The sum of the log scales so far, and the features of each input."""

    total: float
    taps: tuple[FeatureTap, ...]


@dataclass(frozen=True)
class ZenMeter:
    """Sums the log scales of the batch normalisations, and compares the features of two inputs at the end."""

    inputs: tuple[Tensor, ...]
    keep: Callable[[Tensor], Tensor]
    device: str

    @classmethod
    def of(cls, network: nn.Module, probe: Probe) -> ZenMeter:
        """Redraw the network's weights with random dropping disabled, and return its meter."""
        _draw_gaussian(network, probe)
        record_statistics(network, MOMENTUM)
        noise, form = probe.generator("noise", "zen"), probe.blank()
        inputs, step = (torch.randn(form.shape, dtype=torch.float32, generator=noise) for _ in range(2))
        moved = inputs + STEP * step
        pair = tuple(torch.empty_like(form, dtype=torch.float32).copy_(x) for x in (inputs, moved))
        return cls(pair, probe.apart, probe.device)

    def start(self) -> tuple[Tensors, Scales]:
        """Return the noise and the moved noise, and an empty sum."""
        return self.inputs, Scales(0.0, tuple(FeatureTap(len(x), self.keep) for x in self.inputs))

    def run(self, piece: nn.Module, tensors: Tensors, state: Scales) -> tuple[Tensors, Scales]:
        """Return the outputs of a piece for both inputs, and the sum after its batch normalisations."""
        norms = batch_norms(piece)
        for norm in norms:
            norm.reset_running_stats()
        results, put_back = [], remember_draws(self.device)
        for tensor, tap in zip(tensors, state.taps, strict=True):
            put_back()  # what a piece draws in evaluation mode too is the same for both inputs
            results.append(run_watched(piece, tensor, tap))
        total = state.total
        for norm in norms:
            variance = cast("Tensor", norm.running_var)
            check_finite("variances", variance)
            total += 0.5 * math.log(float(variance.mean()))
        return tuple(output for output, _ in results), Scales(total, tuple(tap for _, tap in results))

    def finish(self, state: Scales) -> float:
        """Return the logarithm of the feature distance plus the sum.

        Raises:
            ScoringError: the network has no convolution or linear layer, or its features overflow.
        """
        still, moved = (tap.features() for tap in state.taps)
        distance = float((still - moved).abs().flatten(1).sum(1).mean())
        distance *= len(still) / len(self.inputs[0])  # where rows are not items: tokens may stand first
        if not math.isfinite(distance):
            raise ScoringError(
                "zen's features overflow to infinity or NaN: either its own values overflow, or it "
                "has no normalisation and standard normal weights are too large for it."
            )
        return (math.log(distance) if distance > 0 else -math.inf) + state.total


@proxy(
    meter=ZenMeter.of,
    passes=2,
    init="standard normal weights",
    mode="evaluation, by the statistics of the batch",
    source="arXiv 2102.01063",
)
def zen(network: nn.Module, probe: Probe) -> float:
    """Return log D + sum over BNs of log sqrt(mean variance); any real number, -inf if the features do not move.

    D is the mean over inputs of sum |F(x) - F(x + 0.01 e)|, with x and e Gaussian noise of the batch's shape and F the
    feature map that the last pooling or flattening before the head gets, else the input of the head (the last
    convolution or linear layer). Weights are drawn from N(0, 1), biases are 0, BN is the identity map of its
    normalised input; a network without BN has D alone. The network is in evaluation mode but for BN, so that dropout
    and drop path are left out, however they are written: their masks would differ more than the inputs do. One repeat.
    Source: Lin et al., "Zen-NAS", arXiv 2102.01063.

    As in the search code of "Good Performance Estimation strategies are All You Need in NAS" (TPAMI 2025), the variance
    is what two forward passes leave in `running_var` at momentum 0.1: 0.81 + 0.09 v1 + 0.1 v2, not that of one batch.
    A network's own momentum does not count, nor whether it tracks statistics.

    Raises:
        ScoringError: the network has no convolution or linear layer, a matrix product with weights of its own, or its
            features overflow.
    """
    require_layers(network, "zen", or_functions=True)
    network, probe = with_real_inputs(network, probe)
    return score_whole(ZenMeter.of(network, probe), network)


def _draw_gaussian(network: nn.Module, probe: Probe) -> None:
    """Redraw all weights from a Gaussian, by seed and name like initial weights."""
    with torch.no_grad():
        for name, module in network.named_modules():
            for own in own_weights(module):
                weight, draws = getattr(module, own), probe.generator("init", "zen", f"{name}.{own}".lstrip("."))
                weight.copy_(torch.randn(weight.shape, dtype=torch.float32, generator=draws))
            if isinstance(module, LAYERS):
                draws = probe.generator("init", "zen", name)
                module.weight.copy_(torch.randn(module.weight.shape, dtype=torch.float32, generator=draws))
            elif isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine:
                module.weight.fill_(1)
            else:
                continue
            if module.bias is not None:
                module.bias.zero_()
