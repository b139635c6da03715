"""Multiply-adds of one input through a network, counted operation by operation."""

from __future__ import annotations

import copy
import random
import sys
import warnings
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import is_lazy as has_no_shape
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils.flop_counter import FlopCounterMode

from archsieve.networks.counting.formulas import flop_formulas, has_no_products
from archsieve.networks.inputs import call, made_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from archsieve.networks.inputs import Example

T = TypeVar("T")


@dataclass(frozen=True)
class Count:
    """The multiply-adds of one input in evaluation mode, and the operations that the count leaves out.

    Attributes:
        macs: of everything that has a formula.
        unknown: operations without one that may hold products, e.g. "aten._fft_r2c (3 calls)".
        reads_values: whether the forward reads values of tensors, so that another input may take another way than the
            zeros that were counted.
    """

    macs: int
    unknown: tuple[str, ...] = ()
    reads_values: bool = False

    def notes(self, name: str = "macs") -> tuple[str, ...]:
        """Return sentences on what the count leaves out."""
        notes = [f"{name} does not count: {', '.join(self.unknown)}."] if self.unknown else []
        if self.reads_values:
            notes.append(f"{name} is that of an input of zeros: this network reads values, so others may cost another.")
        return tuple(notes)


class _Watch(TorchDispatchMode):
    """Records operations without a formula, and operations that read values."""

    def __init__(self, formulas: dict[Any, Any]) -> None:
        super().__init__()
        self._formulas = formulas
        self.unknown: Counter[str] = Counter()
        self.reads_values = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.reads_values |= bool(
            {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}.intersection(func.tags)
        )
        if func.overloadpacket not in self._formulas and not has_no_products(func):
            self.unknown[str(func.overloadpacket)] += 1
        return func(*args, **(kwargs or {}))


_NORMALISES = frozenset({torch.ops.aten.native_batch_norm, torch.ops.aten._native_batch_norm_legit_no_training})
_POINTWISE = ("relu", "hardtanh", "silu", "gelu", "hardswish", "hardsigmoid", "sigmoid", "tanh", "leaky_relu", "elu")
_KEEPS_SHAPE = _NORMALISES | {getattr(torch.ops.aten, name) for name in _POINTWISE}
"""Operations without products, whose output has the form of their first input; modules call them very often."""


def _is_plain_meta(tensor: Tensor) -> bool:
    """Whether a tensor is an ordinary meta tensor: shape and type, but no values."""
    return type(tensor) in (Tensor, nn.Parameter) and tensor.is_meta and tensor.is_floating_point()


def _like(packet: Any, tensor: Tensor) -> Any:
    """Return the result of an operation in `_KEEPS_SHAPE` on a tensor without values."""
    output = torch.empty_like(tensor)
    return (output, tensor.new_empty(0), tensor.new_empty(0)) if packet in _NORMALISES else output


class _Opaque(TorchDispatchMode):
    """Hides from the counter what it cannot handle: nested tensors and higher-order operations.

    What needs no counting and no look, it answers itself.
    """

    supports_higher_order_operators = True

    def __init__(self, formulas: dict[Any, Any], unknown: Counter[str]) -> None:
        super().__init__()
        self._formulas, self._unknown = formulas, unknown
        self.flops = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        is_higher = isinstance(func, HigherOrderOperator)
        if not is_higher and func.overloadpacket in _KEEPS_SHAPE and _is_plain_meta(args[0]):
            with _disable_current_modes():  # a rule of torch's own takes milliseconds for each of them
                return _like(func.overloadpacket, args[0])
        is_nested = any(isinstance(value, Tensor) and value.is_nested for value in (*args, *kwargs.values()))
        if (not is_higher and not is_nested) or func is torch.ops.higher_order.cond:
            return func(*args, **kwargs)
        with _disable_current_modes():
            output = func(*args, **kwargs)
        if is_higher and func in self._formulas:
            self.flops += self._formulas[func](*args, **kwargs, out_val=output)
        elif is_higher or not has_no_products(func):
            self._unknown[str(func.name()) if is_higher else f"{func.overloadpacket} of nested tensors"] += 1
        return output


class _NoModules:
    """Replaces the counter's module tracking, which is not needed and interferes with backward passes."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def count(network: nn.Module, inputs: Example) -> Count:
    """Return the multiply-adds of one input through `network` (also on the meta device), and what they leave out.

    Half of what `torch.utils.flop_counter` counts: products of convolutions, linear layers, recurrent layers, attention
    and every other product of matrices; no bias, normalisation, activation, pooling or resampling, and by convention no
    elementwise product, whatever is summed afterwards. Further: a bilinear layer has one for each weight. The network
    is left as it was.

    Args:
        network: what is counted.
        inputs: the shape of one input of real numbers, a tuple of `archsieve.Input`, or a batch: a tensor, a tuple of
            tensors or a dictionary of tensors by name, of which the first item is passed.
    """
    formulas = flop_formulas()
    watch = _Watch(formulas)
    safe = {packet: _safe(packet, formula, watch.unknown) for packet, formula in formulas.items()}
    counter = FlopCounterMode(display=False, custom_mapping=safe)
    counter.mod_tracker = _NoModules()  # type: ignore[assignment]
    with as_it_was(network) as own, watch, counter, _Opaque(safe, watch.unknown) as opaque:
        forward(own, inputs, training=False)
    descriptions = (f"{name} ({calls} call{'s' * (calls > 1)})" for name, calls in sorted(watch.unknown.items()))
    return Count((int(counter.get_total_flops()) + opaque.flops) // 2, tuple(descriptions), watch.reads_values)


def _safe(packet: Any, formula: Callable[..., int], unknown: Counter[str]) -> Callable[..., int]:
    """Return a formula that reports the operation as unknown if the arguments do not fit."""

    def flops(*args: Any, **kwargs: Any) -> int:
        try:
            return int(formula(*args, **kwargs))
        except Exception:  # nested tensors have no sizes, grouped heads have others; whatever it is, it is not counted
            unknown[str(packet)] += 1
            return 0

    flops._get_raw = True  # type: ignore[attr-defined]
    return flops


def forward(network: nn.Module, inputs: Example, *, training: bool, items: int = 1) -> None:
    """Run zeros, or items of a batch, through a network, with every operation visible to dispatch modes."""
    network.train(training)
    # Fused attention is not counted, or otherwise on other devices; taken apart it is matrix products.
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings(action="ignore"))  # what it warns of, it does where it is used
            if "torch._dynamo" in sys.modules:  # what was compiled runs as written
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            call(network, made_for(network, inputs, items, device_of(network)))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def device_of(network: nn.Module) -> torch.device:
    """Return the device of a network; the CPU if it has no tensors."""
    return next((t.device for t in _tensors_of(network)), torch.device("cpu"))


@contextmanager
def as_it_was(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the network, and restore its modes, tensors and all random states afterwards.

    If the network has lazily initialised modules, a copy is yielded instead.
    """
    if is_lazy(network):
        empty = {id(t): _uninitialised_like(t) for t in _tensors_of(network) if has_no_shape(t)}
        network = copy.deepcopy(network, empty)
    modes = {module: module.training for module in network.modules()}
    entries = [
        (own, dict(own))
        for module in modes
        if not isinstance(module, torch.jit.ScriptModule)
        for own in cast("tuple[dict[str, Any], ...]", (module._parameters, module._buffers))
    ]
    copies = [] if is_lazy(network) else [(t, t.detach().clone()) for t in _tensors_of(network) if not t.is_meta]
    try:
        with undisturbed(device_of(network)):
            yield network
    finally:
        for own, names in entries:
            own.clear()
            own.update(names)
        for tensor, before in copies:
            if not torch.equal(tensor, before):
                tensor.data.copy_(before)
        for module, training in modes.items():
            module.training = training


def is_lazy(network: nn.Module) -> bool:
    """Whether some weights of a network are only created by its first input."""
    return any(has_no_shape(t) for t in _tensors_of(network))


def _tensors_of(network: nn.Module) -> Iterator[Tensor]:
    return chain(network.parameters(), network.buffers())


def _uninitialised_like(tensor: Any) -> Any:
    """Return a copy of a tensor without a shape yet, which `deepcopy` refuses to copy."""
    flags = {"requires_grad": tensor.requires_grad} if isinstance(tensor, nn.Parameter) else {}
    return type(tensor)(**flags, device=tensor.device, dtype=tensor.data.dtype)


@contextmanager
def undisturbed(device: torch.device | None = None) -> Iterator[None]:
    """Restore the caller's random states afterwards; numbers drawn inside are the same each time."""
    own, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[device] if device is not None and device.type == "cuda" else []):
            torch.default_generator.manual_seed(0)
            random.seed(0)
            np.random.seed(0)  # noqa: NPY002
            yield
    finally:
        random.setstate(own)
        np.random.set_state(numbers)  # noqa: NPY002


def examined(build: Callable[[], nn.Module], look: Callable[[nn.Module], T]) -> T:
    """Return `look(network)` of the network that `build` returns, on the meta device if possible, else on the CPU.

    The meta device has shapes and no values. Code that reads values, mixes in tensors of its own or calls an operation
    without a shape rule fails there. It is then run on the CPU, where a broken network fails again, with its error.
    """
    with undisturbed():
        # Of any kind, by what code does with tensors without values; reading weights into them warns, and is no matter.
        with suppress(Exception), warnings.catch_warnings(action="ignore"), torch.device("meta"):
            return look(build())
        return look(build())
