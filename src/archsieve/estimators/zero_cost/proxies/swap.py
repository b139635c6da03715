"""swap: how many distinct activation patterns the units of a network have over a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import torch
from torch import Tensor

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.activations import ActivationMeter, score_activations
from archsieve.estimators.zero_cost.proxy import proxy

if TYPE_CHECKING:
    from torch import nn

    from archsieve.estimators.zero_cost.meter import Tensors
    from archsieve.estimators.zero_cost.proxy import Probe

Patterns: TypeAlias = tuple[Tensor, ...]
_BITS = 22  # of a pattern in one float32, which is exact below 2^24


class SwapMeter(ActivationMeter[Patterns]):
    """Collects, at the inputs of every activation, the pattern of each unit over the batch."""

    def start(self) -> tuple[Tensors, Patterns]:
        """Return the batch, and an empty collection."""
        return (self.inputs,), ()

    def add(self, state: Patterns, on: Tensor) -> Patterns:
        """Return the patterns after one more activation."""
        return (*state, _packed(on))

    def finish(self, state: Patterns) -> float:
        """Return the number of distinct patterns.

        Raises:
            ScoringError: the network has no activation that counts.
        """
        if not state:
            raise ScoringError("swap counts activations, and this network has none that it can count.")
        words = torch.cat(state, dim=1)
        return float(torch.unique(words, dim=1).shape[1] if len(words) > 1 else torch.unique(words[0]).numel())


@proxy(needs=("data",), meter=SwapMeter.of, spoils=False, reads="activations", source="arXiv 2403.04161")
def swap(network: nn.Module, probe: Probe, *, activations: Literal["all", "relu"] = "all") -> float:
    """Return the number of distinct activation patterns of the units over the batch; a whole number in [1, units].

    A unit is an input of an activation, its pattern says for which items it is positive. Source: Peng et al.,
    "SWAP-NAS", arXiv 2403.04161, for ReLU. The regularised score is the estimator `swap_regularised`.

    Args:
        network: what is scored.
        probe: gives the batch.
        activations: "relu" counts ReLU and ReLU6 only, "all" every elementwise activation.

    Raises:
        ScoringError: the network has no activation that counts.
    """
    return score_activations(SwapMeter.of(network, probe, activations), network, probe)


def _packed(on: Tensor) -> Tensor:
    """Return the 0.0/1.0 columns packed into integers, (words, units) int64 on the CPU, 64 items per word."""
    words = []
    for items in torch.split(on, 64):
        word, place = torch.zeros(on.shape[1], dtype=torch.int64, device=on.device), 0
        for part in torch.split(items, _BITS):
            digits = 2.0 ** torch.arange(len(part), dtype=on.dtype, device=on.device)
            word |= (digits @ part).long() << place
            place += len(part)
        words.append(word)
    return torch.stack(words).cpu()
