"""What a network returns, as the one tensor that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from archsieve.errors import ScoringError

if TYPE_CHECKING:
    from torch import nn


def outputs_of(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return a network's outputs; of several it is the first that counts.

    Raises:
        ScoringError: it returns no tensor.
    """
    return first_tensor(network(inputs))


def first_tensor(outputs: object) -> Tensor:
    """Return a tensor itself, or the first one of a tuple, list or dictionary.

    Raises:
        ScoringError: there is none.
    """
    while not isinstance(outputs, Tensor):
        parts = list(outputs.values()) if isinstance(outputs, dict) else outputs
        if not isinstance(parts, list | tuple) or not parts:
            raise ScoringError(f"The network returns no tensor, but {type(outputs).__name__}.")
        outputs = parts[0]
    return outputs
