"""dss: the diversity of a transformer's attention weights, and the synaptic saliency of its other layers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from archsieve.errors import ScoringError
from archsieve.estimators.zero_cost.embeddings import with_real_inputs
from archsieve.estimators.zero_cost.own_weights import own_weights
from archsieve.estimators.zero_cost.proxies.synflow import in_absolute_values
from archsieve.estimators.zero_cost.proxy import proxy
from archsieve.estimators.zero_cost.readings import gradients, weights
from archsieve.estimators.zero_cost.watching import Watch, plain_attention
from archsieve.networks.outputs import outputs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from archsieve.estimators.zero_cost.proxy import Probe

_ATTENTION = frozenset({"softmax", "scaled_dot_product_attention", "multi_head_attention_forward"})


@proxy(needs=("gradients",), items=1, init="absolute values", mode="evaluation", source="arXiv 2203.12217")
def dss(network: nn.Module, probe: Probe) -> float:
    """Return the synaptic diversity of attention plus the synaptic saliency of the other linear layers; in [0, inf).

    Diversity is the sum over weight matrices W of attention of |dR/dW|_* |W|_*, the product of nuclear norms; saliency
    the sum over weights of the other linear layers of |W * dR/dW|. R is the sum of the outputs for one input of ones,
    with all weights replaced by their absolute values, in double precision. Source: Zhou et al., "Training-free
    Transformer Architecture Search", arXiv 2203.12217.

    Left open there and chosen here: attention is `nn.MultiheadAttention`, and the smallest module with linear layers
    that calls a softmax of three or more dimensions or torch's own attention; its projections count as matrices, the
    fused one of queries, keys and values as one. The head, the last linear layer called, and convolutions count
    nothing. Parameters by which the network multiplies outside of layers are linear layers too.

    Raises:
        ScoringError: the network has no attention, or one of its own weights there is no matrix.
    """
    network.eval()
    network, probe = with_real_inputs(network, probe)
    ones = in_absolute_values(network, probe)
    calls = _Calls(network)
    with calls.watched(), plain_attention(), Watch(before=calls.read):
        outputs = outputs_of(network, ones)
    if not calls.attention:
        raise ScoringError("dss reads attention, and this network has none that it can see.")
    calls.check_own(weights(network))
    named = {name: weight for name, weight in weights(network).items() if calls.counts(name, weight)}
    flows = gradients(outputs.sum(), list(named.values()))
    return sum(
        _diversity(weight, flow) if calls.is_attention(name) else float((weight.detach() * flow).abs().sum())
        for (name, weight), flow in zip(named.items(), flows, strict=True)
    )


def _diversity(weight: Tensor, flow: Tensor) -> float:
    norms = [torch.linalg.matrix_norm(matrix.detach().flatten(1).cpu(), "nuc") for matrix in (weight, flow)]
    return float(norms[0] * norms[1])


class _Calls:
    """Records which modules attend, and the last linear layer."""

    def __init__(self, network: nn.Module) -> None:
        self._names = {id(module): name for name, module in network.named_modules()}
        self._network = network
        self._open: list[nn.Module] = []
        self._head: Tensor | None = None
        marked = [(module, which, use) for module in network.modules() for which, use in own_weights(module).items()]
        self._own = {id(getattr(module, which)) for module, which, _ in marked}
        self._own_head = next((getattr(module, which) for module, which, use in marked if use.is_last), None)
        self.attention = {name for name, m in network.named_modules() if isinstance(m, nn.MultiheadAttention)}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Track the running modules inside the context."""
        handles = [m.register_forward_pre_hook(self._begin) for m in self._network.modules()]
        handles += [m.register_forward_hook(self._end) for m in self._network.modules()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _begin(self, module: nn.Module, arguments: object) -> None:
        self._open.append(module)
        if isinstance(module, nn.Linear):
            self._head = module.weight

    def _end(self, module: nn.Module, arguments: object, output: object) -> None:
        self._open.pop()

    def read(self, operation: str, inputs: Tensor) -> None:
        """Record an attention operation in the innermost running module with linear layers."""
        if operation in _ATTENTION and inputs.dim() > 2:
            holders = (m for m in reversed(self._open) if any(map(_multiplies, m.modules())))
            if (holder := next(holders, None)) is not None:
                self.attention.add(self._names[id(holder)])

    def is_attention(self, name: str) -> bool:
        """Whether a weight name belongs to a module that attends."""
        return any(not owner or name == owner or name.startswith(f"{owner}.") for owner in self.attention)

    def counts(self, name: str, weight: Tensor) -> bool:
        """Whether a weight belongs to attention, or to a linear layer other than the head."""
        head = self._head if self._own_head is None else self._own_head
        return weight.dim() == 2 and weight is not head

    def check_own(self, named: Mapping[str, Tensor]) -> None:
        """Check that the weights that attention has outside of layers are matrices.

        Raises:
            ScoringError: one is not.
        """
        for name, weight in named.items():
            if id(weight) in self._own and weight.dim() != 2 and self.is_attention(name):
                raise ScoringError(
                    f"dss reads matrices, but the weight {name!r} of attention has the shape {tuple(weight.shape)}: "
                    f"write attention with linear layers or matrices."
                )


def _multiplies(module: nn.Module) -> bool:
    """Whether a module is a linear layer, or multiplies by parameters of its own."""
    return isinstance(module, nn.Linear) or bool(own_weights(module))
