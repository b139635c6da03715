"""fisher: the estimated effect on the loss of removing each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from archsieve.estimators.zero_cost.item_places import by_items, in_outputs, once_clear
from archsieve.estimators.zero_cost.own_weights import require_layers
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import LAYERS, backward_pass
from archsieve.networks.inputs import items_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from archsieve.estimators.zero_cost.item_places import Places
    from archsieve.estimators.zero_cost.proxy import Probe


@proxy(needs=("data", "labels", "gradients"), spoils=False, reads="losses", source="arXiv 1906.04113")
def fisher(network: nn.Module, probe: Probe) -> float:
    """Return the Fisher saliency of all channels, each weighted by its number of weights; in [0, inf).

    Per layer output a with gradient d: s = sum over positions of a * d, for each image and channel; a channel's value
    is half the mean over images of s^2, times its weights (input channels / groups * kernel). Source: Turner et al.,
    "BlockSwap", arXiv 1906.04113; the weighing is that of arXiv 2101.08134, whose code copies a channel's value to
    every weight before summing.

    Raises:
        ScoringError: the network multiplies by weights outside of layers.
    """
    require_layers(network, "fisher")
    outputs, items = backward_pass(network, probe).outputs, items_in(probe.batches[0][0])
    return once_clear(network, probe, in_outputs(LAYERS), lambda places: _score(outputs, items, places))


def _score(outputs: Sequence[tuple[nn.Module, Tensor, Tensor]], items: int, places: Places | None) -> float:
    score = 0.0
    for at, (layer, output, gradient) in enumerate(outputs):
        product, is_linear = output * gradient, isinstance(layer, nn.Linear)
        rows = by_items(product, items, places, at)
        if rows is None:  # what a layer makes of parameters alone
            continue
        if places is not None:  # (items, rows, features), or (items, channels, rows, positions...)
            product = rows.view(items, -1, *product.shape[-1:] if is_linear else product.shape[1:])
            product = product if is_linear else product.transpose(1, 2)
        if is_linear:
            product = product.movedim(-1, 1)  # features stand last, behind positions where there are any
        saliency = product.flatten(2).sum(2) if product.dim() > 2 else product
        channels = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
        weights_a_channel = int(layer.weight.numel() // channels)  # type: ignore[operator]
        score += 0.5 * saliency.square().mean(0).sum().item() * weights_a_channel
    return score
