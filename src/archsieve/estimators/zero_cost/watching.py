"""Observing a network operation by operation, in modules and in functions."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from archsieve.errors import ScoringError, SettingError
from archsieve.networks.inputs import call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from archsieve.networks.form import Given

# fmt: off
ACTIVATIONS = frozenset({
    "_threshold", "celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
    "log_sigmoid", "mish", "prelu", "relu", "relu6", "rrelu", "selu", "sigmoid", "silu", "softplus", "softshrink",
    "softsign", "tanh", "tanhshrink", "threshold",
})
# fmt: on
RELUS = frozenset({"relu", "relu6"})
WEIGHTED = frozenset(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)) | {"linear", "bilinear"}


class Watch(TorchFunctionMode):
    """Observes every operation of a network, in modules and in functions.

    Args:
        before: called with (name, first tensor) before each, e.g. ("relu", x); in-place variants have the same name.
        after: called with (name, first tensor, output) after each.
    """

    def __init__(
        self,
        *,
        before: Callable[[str, Tensor], None] | None = None,
        after: Callable[[str, Tensor, Tensor], None] | None = None,
    ) -> None:
        super().__init__()
        self._before, self._after = before, after

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        first = args[0] if args else kwargs.get("input")
        if not isinstance(first, Tensor):
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        name = name if name.endswith("__") else name.rstrip("_")
        if self._before is not None:
            self._before(name, first)
        output = func(*args, **kwargs)
        if self._after is not None and isinstance(output, Tensor):
            self._after(name, first, output)
        return output


class SettableGradients(TorchFunctionMode):
    """Allows a network to set `requires_grad` again on a tensor behind an operation, which torch refuses."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func == Tensor.requires_grad.__set__ and args[0].requires_grad and args[1] is True:  # type: ignore[attr-defined]
            return None
        return func(*args, **(kwargs or {}))


@contextmanager
def plain_attention() -> Iterator[None]:
    """Make attention in evaluation mode run its single operations, so that they can be observed."""
    is_fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(is_fused)


class Reading(Protocol):
    """A reading of a network, extended operation by operation; immutable, so that paths may share it."""

    def after(self, operation: str, inputs: Tensor, output: Tensor) -> Self:
        """Return the reading after one more operation."""


R = TypeVar("R", bound=Reading)


def run_watched(piece: nn.Module, inputs: Given, reading: R) -> tuple[Tensor, R]:
    """Return the outputs of a piece, without gradients, and the reading after its operations."""
    readings = [reading]
    with torch.no_grad(), plain_attention(), Watch(after=lambda *call: readings.append(readings.pop().after(*call))):
        outputs = call(piece, inputs)
    return outputs, readings[0]


@dataclass(frozen=True)
class FeatureTap:
    """Finds the last feature map of a network: the tensor that its head pools or flattens, else the head's input.

    Works by shapes: the head is the last convolution or linear layer. Where its input has no positions left, (n, c) or
    (n, c, 1, 1), the features are what they were last taken from. An immutable value, so that paths may share it.

    Args:
        count: items of the batch.
        keep: returns the tensor to store: a copy if the network may write to the original later.
    """

    count: int
    keep: Callable[[Tensor], Tensor]
    _vanished: Tensor | None = None  # the last tensor that lost its positions, behind a first layer
    _found: Tensor | None = None

    def after(self, operation: str, inputs: Tensor, output: Tensor) -> FeatureTap:
        """Return the tap after one more operation."""
        vanishes = has_positions(inputs) and not has_positions(output) and output.shape[:1] == (self.count,)
        if operation in WEIGHTED:
            kept = self.keep(inputs)
            features = kept if self._vanished is None or has_positions(inputs) else self._vanished
            return replace(self, _vanished=kept if vanishes else self._vanished, _found=features)
        return replace(self, _vanished=self.keep(inputs)) if vanishes and self._found is not None else self

    def features(self) -> Tensor:
        """Return the features, (n, ...).

        Raises:
            ScoringError: there was no convolution or linear layer.
        """
        if self._found is None:
            raise ScoringError("This proxy reads the features before the head, but the network has no layer.")
        return self._found


def has_positions(tensor: Tensor) -> bool:
    """Whether a tensor has dimensions besides items and channels."""
    return any(size > 1 for size in tensor.shape[2:])


def is_pooling(operation: str) -> bool:
    """Whether an operation is a pooling."""
    return "_pool" in operation


def counted(activations: str) -> frozenset[str]:
    """Return the operations that count as activations: "all", or only "relu".

    Raises:
        SettingError: neither.
    """
    kinds = {"all": ACTIVATIONS, "relu": RELUS}
    if activations not in kinds:
        raise SettingError(f"`activations` must be 'all' or 'relu', but got {activations!r}.")
    return kinds[activations]


def in_order_of_memory(maps: Tensor) -> Tensor:
    """Return maps with the units of an item in the order of memory, for proxies to which the order is nothing."""
    is_last = maps.dim() == 4 and maps.is_contiguous(memory_format=torch.channels_last)
    return maps.permute(0, 2, 3, 1) if is_last else maps
