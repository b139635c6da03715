"""Drop path: branches are dropped randomly, item by item, during training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from archsieve.errors import SettingError

if TYPE_CHECKING:
    from torch import Tensor


class DropPath(nn.Module):
    """Zeroes all inputs of an item with `probability` in training, and scales up the other items.

    "Drop path" of FractalNet (arXiv 1605.07648), one draw an item as NASNet's networks have it (arXiv 1707.07012).

    Args:
        probability: in [0, 1); `set_drop_path` changes it as training goes on.
        share: of that probability this branch has, in [0, 1], where later branches are left out more often.
    """

    def __init__(self, probability: float = 0.0, share: float = 1.0) -> None:
        super().__init__()
        self.probability, self.share = probability, share

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs (n, ...) with some items zeroed."""
        if not self.training or self.probability == 0:
            return inputs
        keep = 1 - self.probability
        mask = inputs.new_empty((len(inputs), *(1,) * (inputs.dim() - 1))).bernoulli_(keep)
        return inputs / keep * mask


def set_drop_path(network: nn.Module, probability: float) -> None:
    """Set the probability of every `DropPath` of a network, each by its share.

    Raises:
        SettingError: it is not in [0, 1).
    """
    if not 0 <= probability < 1:
        raise SettingError(f"`0 <= probability < 1` must hold for drop path, but got {probability}.")
    for module in network.modules():
        if isinstance(module, DropPath):
            module.probability = probability * module.share
