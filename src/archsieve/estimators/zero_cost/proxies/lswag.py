"""lswag: the steadiness of gradients across batches, times the number of activation patterns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch

from archsieve.errors import ScoringError, SettingError
from archsieve.estimators.zero_cost.activations import score_activations
from archsieve.estimators.zero_cost.proxies.swap import Patterns, SwapMeter
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import backward_pass, gradients, loss_of, weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(needs=("data", "labels", "gradients"), spoils=False, batches=2, passes=3.5, source="arXiv 2505.07300")
def lswag(
    network: nn.Module,
    probe: Probe,
    *,
    first: float = 0.0,
    last: float = 1.0,
    activations: Literal["all", "relu"] = "all",
) -> float:
    """Return the steadiness of gradients times the number of activation patterns; any real number.

    The steadiness is the sum over layers of log(sum over weights of 1 / std|g|), g the loss gradient of a batch, over
    two batches; ZiCo without the mean. A weight whose gradients agree in size is left out, and so is a layer of nothing
    else. The patterns are those of `swap` on the first batch. Source: Casarin et al., "L-SWAG: Layer-Sample Wise
    Activation with Gradients Information for Zero-Shot NAS on Vision Transformers", arXiv 2505.07300.

    Left open there and chosen here: two batches, as in `zico`. The paper picks for each space the layers that it looks
    at; here all, unless `first` and `last` say which share of the depth. Of n layers (or activations), in the order of
    their first calls, those from the floor of first * n up to the ceiling of last * n count.

    Args:
        network: what is scored.
        probe: gives the batches.
        first: share of the depth at which the layers begin that count.
        last: share of the depth at which they end.
        activations: "relu" counts ReLU and ReLU6 only, "all" every elementwise activation.

    Raises:
        ScoringError: the network has no activation that counts, or the task gives one batch only.
    """
    if not 0 <= first < last <= 1:
        raise SettingError(f"`0 <= first < last <= 1` must hold, but got first={first}, last={last}.")
    tensors = list(weights(network).values())
    second = gradients(loss_of(network, probe, 1), tensors)
    backward = backward_pass(network, probe)
    pairs = list(zip(backward.weights, second, strict=True))
    order = range(len(pairs)) if (first, last) == (0, 1) else _by_depth(tensors, [call[0] for call in backward.outputs])
    steadiness = 0.0
    for (_, g), h in [pairs[place] for place in order][_part(len(pairs), first, last)]:
        sizes = torch.stack((g.abs().cpu(), h.abs().cpu())).double()
        deviation = sizes.std(0, correction=0)
        total = float((1 / deviation[deviation > 0]).sum())
        steadiness += math.log(total) if total > 0 else 0.0
    whole = SwapMeter.of(network, probe, activations)
    return steadiness * score_activations(_PartMeter(whole.inputs, whole.operations, first, last), network, probe)


def _by_depth(tensors: Sequence[Tensor], calls: Sequence[nn.Module]) -> Sequence[int]:
    """Return the places of weights in the order of the first calls of their layers.

    A weight whose layer is not called, such as one in torch's own attention, follows the one registered before it.
    """
    first_call: dict[int, int] = {}
    for place, module in enumerate(calls):
        first_call.setdefault(id(module.weight), place)
    depths: list[int] = []
    for tensor in tensors:
        depths.append(first_call.get(id(tensor), depths[-1] if depths else -1))
    return sorted(range(len(tensors)), key=lambda place: depths[place])


def _part(count: int, first: float, last: float) -> slice:
    """Return the indices of the layers that count, for a given number of layers."""
    return slice(math.floor(first * count), math.ceil(last * count))


class _PartMeter(SwapMeter):
    """Counts the activation patterns in a part of the network's depth."""

    def __init__(self, inputs: object, operations: frozenset[str], first: float, last: float) -> None:
        super().__init__(inputs, operations)  # type: ignore[arg-type]
        self.first, self.last = first, last

    def finish(self, state: Patterns) -> float:
        """Return the number of distinct patterns of the activations that count.

        Raises:
            ScoringError: there is none.
        """
        if not state:
            raise ScoringError("lswag counts activations, and this network has none that it can count.")
        return super().finish(state[_part(len(state), self.first, self.last)])
