"""Arithmetic settings of an accelerator, applied while scores are computed and then restored."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from archsieve.estimators.contract import uses_device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from archsieve.estimators.contract import AnyEstimator

CPU = "cpu"
LAYOUT = "channels first"  # on accelerators; scores of before, with the channels last, could be wrong


def kind_of(device: str) -> str:
    """Return the type of a device: "cpu", "cuda" or "mps".

    >>> kind_of("cuda:1"), kind_of("cpu")
    ('cuda', 'cpu')
    """
    return device.partition(":")[0]


@dataclass(frozen=True)
class Arithmetic:
    """Precision and kernel selection of an accelerator; the defaults are exact and reproducible.

    A CPU has neither TF32 nor cuDNN: there, only the precision of products is set.

    Args:
        tf32: multiply float32 with 10 bits of mantissa on the tensor cores: faster, and scores change in the fourth
            digit.
        deterministic: cuDNN takes only kernels that give the same result every time. Some kernels of torch add in any
            order nevertheless: the gradients of max pooling and of bilinear resizing.
        benchmark: cuDNN tries its kernels and takes the fastest. Which one that is may change from run to run.
    """

    tf32: bool = False
    deterministic: bool = True
    benchmark: bool = False

    def changes(self) -> dict[str, bool]:
        """Return the settings that differ from the defaults, because accelerator scores depend on them."""
        default = Arithmetic()
        return {name: value for name, value in vars(self).items() if value != getattr(default, name)}

    @contextmanager
    def applied(self, device: str = CPU) -> Iterator[None]:
        """Apply the settings inside the context; on a CPU only if torch is loaded, because importing it is slow."""
        torch = sys.modules.get("torch")
        if torch is None and kind_of(device) != CPU:
            import torch
        if torch is None:
            yield
            return
        wanted = {"benchmark": self.benchmark, "deterministic": self.deterministic}
        switches = [*_tf32_switches(torch, self.tf32), *(_cudnn_switch(torch, n, v) for n, v in wanted.items())]
        changed = [switch for switch in switches if switch.before != switch.wanted]
        for switch in changed:
            switch.set(switch.wanted)
        try:
            yield
        finally:
            for switch in reversed(changed):
                switch.set(switch.before)


EXACT = Arithmetic()


def place_of(
    estimator: AnyEstimator, device: str, arithmetic: Arithmetic, tables: Iterable[str]
) -> list[dict[str, Any]]:
    """Return the device information that scores depend on: empty on a CPU, or if nothing runs on the device.

    An estimator that measures devices names the device itself. Elsewhere it is the kind of device, how it computes, and
    the hashes of the `tables` of a CPU's scores that the caller mixes in.
    """
    place = getattr(estimator, "place", None)
    if callable(place):  # a setting may have the same name
        return [place(device)]
    kind = kind_of(device)
    if kind == CPU or not uses_device(estimator):
        return []
    return [{"device": kind, "layout": LAYOUT, **arithmetic.changes(), "tables": list(tables)}]


@dataclass(frozen=True)
class _Switch:
    """A torch setting: its old value, its new value, and its setter."""

    before: Any
    wanted: Any
    set: Callable[[Any], object]


def _cudnn_switch(torch: Any, name: str, wanted: bool) -> _Switch:
    cudnn = torch.backends.cudnn
    return _Switch(getattr(cudnn, name), wanted, partial(setattr, cudnn, name))


def _tf32_switches(torch: Any, tf32: bool) -> list[_Switch]:
    """Return the TF32 switches of products and convolutions, through the API that the caller used.

    torch has old names and, from 2.9, new ones. Reading an old name is an error if the new ones have a value that the
    old ones cannot express.
    """
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    try:
        old = torch.get_float32_matmul_precision(), products.allow_tf32, cudnn.allow_tf32
    except RuntimeError:
        mode = "tf32" if tf32 else "ieee"
        return [
            _Switch(part.fp32_precision, mode, partial(setattr, part, "fp32_precision"))
            for part in (products, cudnn.conv, cudnn.rnn)
        ]
    return [
        _Switch(old[0], "high" if tf32 else "highest", torch.set_float32_matmul_precision),
        _Switch(old[2], tf32, partial(setattr, cudnn, "allow_tf32")),
    ]
