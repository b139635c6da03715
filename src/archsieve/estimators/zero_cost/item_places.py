"""Where the items of a batch are in a tensor of a network: along the first dimension, along another one, or in rows.

A transformer may hold its tokens first, (tokens, items, width), or all in one row. Where a shape does not tell which
rows belong to which item, a pass of a few equal items does.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

import torch
from torch import nn

from archsieve.errors import ScoringError, ends_the_run
from archsieve.estimators.zero_cost.computed_weights import trial_of
from archsieve.estimators.zero_cost.watching import Watch, plain_attention
from archsieve.networks.generators import drawing, remember_draws
from archsieve.networks.inputs import call, items_in, mapped
from archsieve.networks.outputs import first_tensor
from archsieve.randomness import derive_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from torch import Tensor

    from archsieve.estimators.zero_cost.proxy import Probe

T = TypeVar("T")


class Place(NamedTuple):
    """A tensor for `items` equal items: its shape, and the order of rows if an item has several.

    With `is_minor` the items change from row to row, (0, 1, 0, 1, ...); else the rows of an item follow each other.
    """

    items: int
    shape: tuple[int, ...]
    is_minor: bool


Places: TypeAlias = "tuple[Place, ...]"
Watching: TypeAlias = "Callable[[nn.Module, Callable[[Tensor], None]], AbstractContextManager[object]]"
"""Calls a function with the tensors in question, in the order of a network's pass."""


class UnclearItemsError(Exception):
    """The shape of a tensor does not tell which rows belong to which item."""


def in_activations(operations: frozenset[str]) -> Watching:
    """Watch what these operations get."""
    return lambda network, see: Watch(before=lambda operation, x: see(x) if operation in operations else None)


def in_outputs(layers: tuple[type[nn.Module], ...]) -> Watching:
    """Watch the outputs of layers of these classes."""

    @contextmanager
    def watching(network: nn.Module, see: Callable[[Tensor], None]) -> Iterator[None]:
        def keep(module: nn.Module, inputs: object, output: object) -> None:
            see(first_tensor(output))

        handles = [m.register_forward_hook(keep) for m in network.modules() if isinstance(m, layers)]
        try:
            yield
        finally:  # the trial is the network itself if it cannot be copied
            for handle in handles:
                handle.remove()

    return watching


def once_clear(network: nn.Module, probe: Probe, watching: Watching, compute: Callable[[Places | None], T]) -> T:
    """Return the result of `compute(None)`, or if items are unclear to it, of `compute(places)`.

    Both draw the same random numbers.
    """
    put_back = remember_draws(probe.device)
    try:
        return compute(None)
    except UnclearItemsError:
        places = _places(network, probe, watching)
    put_back()
    return compute(places)


def by_items(tensor: Tensor, items: int, places: Places | None, at: int) -> Tensor | None:
    """Return the tensor that is number `at` of a pass as (items, units); None if it belongs to no item.

    A parameter is of no item, and neither is what is computed from parameters alone.

    Raises:
        UnclearItemsError: the shape leaves it open, and `places` is None.
        ScoringError: no dimension belongs to the items.
    """
    if isinstance(tensor, nn.Parameter):
        return None
    if places is None:
        if not _is_clear(tensor, items):
            raise UnclearItemsError
        return tensor.reshape(items, -1)
    place = places[at] if at < len(places) else None
    if place is not None and place.shape == tuple(tensor.shape):
        return None
    axis = None if place is None else _axis(tensor, items, place)
    if axis is None and (tensor.dim() == 0 or tensor.shape[0] % items):
        raise ScoringError(
            f"The network has a tensor of shape {tuple(tensor.shape)} for {items} inputs: which part of it belongs to "
            f"which input cannot be told."
        )
    rows = tensor.movedim(axis or 0, 0)
    if place is not None and place.is_minor:
        return rows.reshape(-1, items, *rows.shape[1:]).transpose(0, 1).reshape(items, -1)
    return rows.reshape(items, -1)


def _is_clear(tensor: Tensor, items: int) -> bool:
    """Whether the first dimension can only be that of the items.

    Maps (items, channels, height, width) and vectors (items, units) are taken to be so. Of tokens, the second dimension
    may be that of the items too, and a single dimension may be that of a parameter.
    """
    if items == 1:
        return True
    return tensor.shape[:1] == (items,) and tensor.dim() > 1 and (tensor.dim() != 3 or tensor.shape[1] % items != 0)


def _axis(tensor: Tensor, items: int, place: Place) -> int | None:
    """Return the dimension that grows with the items."""
    if len(place.shape) != tensor.dim():
        return None
    different = [i for i, (one, other) in enumerate(zip(tensor.shape, place.shape, strict=True)) if one != other]
    is_grown = len(different) == 1 and tensor.shape[different[0]] * place.items == place.shape[different[0]] * items
    return different[0] if is_grown else None


def _places(network: nn.Module, probe: Probe, watching: Watching) -> Places:
    """Return the place of the items in each tensor that is watched; nothing if a copy of the network cannot be run."""
    given = probe.batches[0][0]
    items = 2 if items_in(given) != 2 else 3
    places: list[Place] = []

    def see(tensor: Tensor) -> None:
        places.append(Place(items, tuple(tensor.shape), _is_minor(tensor, items)))

    try:
        with drawing(derive_seed(probe.seed, "noise", "forward"), probe.device), torch.no_grad():
            trial = trial_of(network)
            with plain_attention(), watching(trial, see):
                call(trial, mapped(given, lambda tensor: torch.cat([tensor[:1]] * items)))
    except Exception as error:
        if ends_the_run(error):
            raise
        return ()
    return tuple(places)


def _is_minor(tensor: Tensor, items: int) -> bool:
    """Whether rows of equal items are more alike if items change from row to row."""
    if tensor.dim() == 0 or tensor.shape[0] % items:
        return False
    by_item = tensor.reshape(items, -1, *tensor.shape[1:])
    by_row = tensor.reshape(-1, items, *tensor.shape[1:])
    return bool((by_row - by_row[:, :1]).abs().sum() < (by_item - by_item[:1]).abs().sum())
