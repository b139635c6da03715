"""Networks that `torch.compile` wraps: the same function, whose layers and operations cannot be observed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def uncompiled(network: nn.Module) -> nn.Module:
    """Return the network itself, with all its parts as they were before `torch.compile`; in place."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")  # a slow import, which compiling makes
    if dynamo is None:
        return network
    for module in list(network.modules()):
        if module._compiled_call_impl is not None:  # by `module.compile()`
            module._compiled_call_impl = None
        for name, part in module._modules.items():
            if isinstance(part, dynamo.OptimizedModule):
                module._modules[name] = _itself(part, dynamo.OptimizedModule)
    whole: nn.Module = _itself(network, dynamo.OptimizedModule)
    return whole


def _itself(module: Any, wrapper: Any) -> Any:
    while isinstance(module, wrapper):
        module = module._orig_mod
    return module
