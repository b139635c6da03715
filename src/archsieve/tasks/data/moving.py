"""Copying data to a device: asynchronously, and only once for reused arrays."""

from __future__ import annotations

import weakref
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_BYTES = 1 << 30
"""Of an array that is kept on a device."""

_resident: dict[tuple[int, str], Tensor] = {}


def sent(tensor: Tensor, device: str) -> Tensor:
    """Return a host tensor on the device; to CUDA through pinned memory, so that the copy is asynchronous."""
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


@lru_cache(maxsize=32)
def constant(values: Sequence[float], device: str) -> Tensor:
    """Return a tuple of numbers as a tensor on the device; it must not be modified."""
    return torch.tensor(values, device=device)


def is_resident(array: NDArray[Any], device: str) -> bool:
    """Whether `resident` suits an array: the device is not a CPU, and the array is small enough."""
    return torch.device(device).type != "cpu" and array.nbytes <= MOST_BYTES


def resident(array: NDArray[Any], device: str) -> Tensor:
    """Return an array's copy on the device, cached for the array's lifetime; both must not be modified."""
    key = id(array), device
    if key not in _resident:
        _resident[key] = torch.from_numpy(array.copy()).to(device)  # a copy, since torch warns of what is read-only
        weakref.finalize(array, _resident.pop, key, None)
    return _resident[key]
