"""What a user's code may change for the whole process: settings of torch and the working directory, put back."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def kept_settings() -> Iterator[None]:
    """Put back what code inside changes: torch's defaults, threads and modes, filters of warnings, the directory."""
    before = [read() for read, _ in _SETTINGS]
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for (read, put_back), state in zip(_SETTINGS, before, strict=True):
                if state is not None and read() != state:
                    put_back(state)


def _set_device(device: torch.device) -> None:
    torch.set_default_device(None)  # what is left is that of a `with torch.device(...)` around
    if torch.get_default_device() != device:
        torch.set_default_device(device)


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _cudnn() -> tuple[bool, bool, bool]:
    flags = torch.backends.cudnn
    return flags.enabled, flags.benchmark, flags.deterministic


def _set_cudnn(state: tuple[bool, bool, bool]) -> None:
    flags = torch.backends.cudnn
    flags.enabled, flags.benchmark, flags.deterministic = state


def _directory() -> str | None:
    with suppress(OSError):  # it was deleted
        return os.getcwd()  # noqa: PTH109
    return None


_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_default_device, _set_device),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (_deterministic, lambda state: torch.use_deterministic_algorithms(state[0], warn_only=state[1])),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (_cudnn, _set_cudnn),
    (_directory, os.chdir),
)
