"""Replacement of weights that are recomputed in each pass (weight or spectral normalisation, pruning) by plain ones."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from archsieve.errors import ScoringError, ends_the_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_HOOKS = (WeightNorm, SpectralNorm, BasePruningMethod)


def has_computed_weights(network: nn.Module) -> bool:
    """Whether a module of the network recomputes one of its own tensors when it is called."""
    return any(parametrize.is_parametrized(m) or any(True for _ in _hooks(m)) for m in network.modules())


@torch.enable_grad()  # a weight then says whether it is trained
def with_plain_weights(network: nn.Module) -> nn.Module:
    """Return the network with every computed weight replaced by a parameter with its value in a first pass.

    A proxy then reads, redraws and differentiates the weights that a layer multiplies by, and not what they are
    computed from. In place; a network without computed weights is left as it is.
    """
    for module in list(network.modules()):
        for key, hook in list(_hooks(module)):
            name = getattr(hook, "name", None) or hook._tensor_name
            hook(module, ())
            value = getattr(module, name)
            del module._forward_pre_hooks[key]
            hook.remove(module)
            _set(module, name, value)
        if parametrize.is_parametrized(module):
            values = {name: getattr(module, name) for name in module.parametrizations}  # type: ignore[union-attr]
            del module._modules["parametrizations"]
            # torch's own removal changes the class, which copies of the module have too.
            module.__class__ = type(module).__bases__[0]
            for name, value in values.items():
                _set(module, name, value)
    return network


def copy_network(network: nn.Module) -> nn.Module:
    """Return a copy; tensors that a module computed and stored are copied without their autograd history.

    Raises:
        ScoringError: the network cannot be copied.
    """
    memo: dict[int, Any] = {}
    for module in network.modules():
        for value in vars(module).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    try:
        return copy.deepcopy(network, memo)
    except Exception as error:  # it holds a lock or an open file, or has a way of its own to be copied
        if ends_the_run(error):
            raise
        raise ScoringError(
            f"The network cannot be copied, and this proxy changes a copy of it ({type(error).__name__}: {error}). "
            f"Keep locks, files and the like outside of the network."
        ) from error


def trial_of(network: nn.Module) -> nn.Module:
    """Return a copy of a network for a pass beside the others, or the network itself if it cannot be copied."""
    try:
        return copy_network(network)
    except ScoringError:
        return network


def _hooks(module: nn.Module) -> Iterator[tuple[int, Any]]:
    return ((key, hook) for key, hook in module._forward_pre_hooks.items() if isinstance(hook, _HOOKS))


def _set(module: nn.Module, name: str, value: Tensor) -> None:
    """Set a tensor as a parameter of the module, with the position and `requires_grad` of the old one."""
    requires_grad = value.requires_grad
    module._parameters.pop(name, None)
    module._buffers.pop(name, None)
    vars(module).pop(name, None)
    module.register_parameter(name, nn.Parameter(value.detach().clone(), requires_grad))
