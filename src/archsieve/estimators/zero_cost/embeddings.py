"""Networks of tokens or several inputs, wrapped as networks of one real tensor, for proxies that need one.

Some proxies replace the input by noise or ones, or differentiate by it. Tokens cannot be replaced so; instead the
outputs of the network's embeddings are taken as the input of the rest of the network.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from archsieve.errors import ScoringError
from archsieve.networks.inputs import call, first_of, is_real, mapped, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from archsieve.estimators.zero_cost.proxy import Probe
    from archsieve.networks.form import Given

_LOOKUPS = frozenset({"embedding", "embedding_bag"})


def with_real_inputs(network: nn.Module, probe: Probe) -> tuple[nn.Module, Probe]:
    """Return a wrapped network with one real input tensor, and a probe that provides this tensor.

    If the inputs are one such tensor already, both are returned unchanged. Otherwise the network is wrapped, not
    copied. The tensor then holds, for each item, all real inputs of the network and then the outputs of its embeddings
    for the tokens. Whole numbers that no embedding looks up, such as a mask, are passed unchanged.

    Raises:
        ScoringError: the network gets whole numbers alone and looks none of them up.
    """
    inputs = probe.batches[0][0]
    if is_real(inputs):
        return network, probe
    with torch.no_grad(), _Lookups(inputs) as lookups:
        call(network, mapped(inputs, lookups.watched))
    real = [tensor for tensor in parts_of(inputs) if tensor.is_floating_point()]
    tensors = [tensor.detach() for tensor in (*real, *lookups.found)]
    if not tensors:
        raise ScoringError(
            "The inputs are whole numbers, and the network does not look them up in an embedding (torch.nn.Embedding) "
            "with the inputs as the first dimension: this proxy cannot replace them by noise or ones, or differentiate "
            "with respect to them."
        )
    numbers = torch.cat([tensor.flatten(1) for tensor in tensors], dim=1)
    targets = probe.batches[0][1]
    wrapped = BehindEmbeddings(network, inputs, [tensor.shape[1:] for tensor in tensors]).train(network.training)
    return wrapped, replace(probe, batches=((numbers, targets), *probe.batches[1:]), is_shareable=False)


class BehindEmbeddings(nn.Module):
    """A network whose real inputs and embedding outputs are one tensor (n, total size).

    Args:
        network: the network itself, whose modules these are.
        given: its inputs; the first n are used for what the tensor does not hold.
        shapes: of an item of each part of the tensor.
    """

    def __init__(self, network: nn.Module, given: Given, shapes: Sequence[torch.Size]) -> None:
        super().__init__()
        self.network, self._given, self._shapes = network, given, list(shapes)

    def forward(self, numbers: Tensor) -> Any:
        """Return the network's outputs."""
        split = torch.split(numbers, [shape.numel() for shape in self._shapes], dim=1)
        parts = iter([part.reshape(len(numbers), *s) for part, s in zip(split, self._shapes, strict=True)])
        inputs = mapped(
            first_of(self._given, len(numbers)),
            lambda t: next(parts) if t.is_floating_point() else t.to(numbers.device),
        )
        with _Lookups(inputs, parts) as lookups:
            return call(self.network, mapped(inputs, lookups.watched))


class _Lookups(TorchFunctionMode):
    """Observes every embedding that looks up an input of tokens, and can replace its output."""

    def __init__(self, inputs: Given, instead: Iterator[Tensor] | None = None) -> None:
        super().__init__()
        self._count = len(parts_of(inputs)[0])
        self._instead = instead
        self._tokens: set[int] = set()
        self._kept: list[Tensor] = []
        self.found: list[Tensor] = []

    def watched(self, tensor: Tensor) -> Tensor:
        """Return a copy of an input for the network; integer inputs are remembered."""
        if tensor.is_floating_point():
            return tensor.clone() if self._instead is None else tensor
        copy = tensor.clone(memory_format=torch.contiguous_format)
        self._tokens.add(copy.untyped_storage().data_ptr())
        self._kept.append(copy)  # so that no other tensor takes its place in memory
        return copy

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") not in _LOOKUPS or not self._is_of_input((*args, *(kwargs or {}).values())):
            return output
        if not isinstance(output, Tensor) or output.shape[:1] != (self._count,):
            return output
        if self._instead is None:
            self.found.append(output.detach().clone())
            return output
        return next(self._instead).reshape(output.shape)

    def _is_of_input(self, values: tuple[Any, ...]) -> bool:
        tensors = [value for value in values if isinstance(value, Tensor) and not value.is_floating_point()]
        looked_up = [tensor for tensor in tensors if tensor.untyped_storage().data_ptr() in self._tokens]
        # Of transposed tokens the first dimension is not that of the items, however many there are.
        return any(tensor.dim() == 0 or tensor.stride(0) == max(tensor.stride()) for tensor in looked_up)
