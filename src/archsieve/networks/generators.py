"""Torch's random generators: seeded inside a context, on one device, and restored afterwards."""

from __future__ import annotations

import random
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@contextmanager
def drawing(seed: int, device: str = "cpu") -> Iterator[None]:
    """Make all random draws inside the context (e.g. dropout) depend on `seed`; restore the caller's generators.

    The generators are those that a network's own code may use: torch's of the CPU and of `device`, numpy's global one
    and Python's. Those of other devices are untouched.
    """
    put_back = remember_draws(device)
    try:
        seed_draws(seed, device)
        yield
    finally:
        put_back()


def remember_draws(device: str = "cpu") -> Callable[[], None]:
    """Return a function that resets the generators of `drawing` to their current state."""
    of_torch, of_python, of_numpy = draws_of(device), random.getstate(), np.random.get_state()  # noqa: NPY002

    def put_back() -> None:
        restore_draws(of_torch, device)
        random.setstate(of_python)
        np.random.set_state(of_numpy)  # noqa: NPY002

    return put_back


def draw_state(device: str = "cpu") -> tuple[object, ...]:
    """Return the state of the generators of `drawing`: equal states mean that nothing was drawn in between."""
    kind, keys, place, *_ = np.random.get_state()  # noqa: NPY002
    of_torch = (state.numpy().tobytes() for state in draws_of(device))
    return *of_torch, random.getstate(), kind, np.asarray(keys).tobytes(), place


def seed_draws(seed: int, device: str = "cpu") -> None:
    """Make all later random draws depend on `seed`; generators of other devices are not touched."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the global one is meant
    for generator in _generators(device):
        generator.seed(seed)


def draws_of(device: str) -> list[Tensor]:
    """Return the states of the generators that a computation on `device` draws from, the CPU's first."""
    return [generator.state() for generator in _generators(device)]


def restore_draws(states: Iterable[Tensor], device: str) -> None:
    """Restore generators to these states; generators without a state, from another machine, are unchanged."""
    for generator, state in zip(_generators(device), states, strict=False):
        generator.restore(state)


class _Draws(NamedTuple):
    """Uniform access to the torch generator of a device."""

    seed: Callable[[int], object]
    state: Callable[[], Tensor]
    restore: Callable[[Tensor], object]


def _generators(device: str) -> list[_Draws]:
    cpu = _Draws(torch.default_generator.manual_seed, torch.default_generator.get_state, _set_cpu_state)
    place = torch.device(device)
    if place.type in ("cpu", "meta"):  # meta draws nothing
        return [cpu]
    module: Any = torch.get_device_module(place.type)
    if place.type == "mps":  # there is one, and its functions take no number
        return [cpu, _Draws(module.manual_seed, module.get_rng_state, module.set_rng_state)]
    index = module.current_device() if place.index is None else place.index

    def seed(number: int) -> None:  # `manual_seed` of the module seeds its current device
        with module.device(index):
            module.manual_seed(number)

    return [cpu, _Draws(seed, partial(module.get_rng_state, index), lambda state: module.set_rng_state(state, index))]


def _set_cpu_state(state: Tensor) -> None:
    torch.default_generator.set_state(state)
