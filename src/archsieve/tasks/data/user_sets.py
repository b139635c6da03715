"""Data sets from a user's function: by split, read item by item, each item with its own seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, default_collate

from archsieve.errors import DataError
from archsieve.networks.generators import drawing, seed_draws
from archsieve.tasks.data.splits import POOL, TEST, VALIDATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from archsieve.networks.form import Given

_NAMES = {"train": POOL, "validation": VALIDATION, "val": VALIDATION, "test": TEST}


@dataclass(frozen=True, eq=False)
class UserSet:
    """A data set with its split, and the settings of the user's loader if there is one."""

    code: int
    items: Any = field(repr=False)
    workers: int = 0
    collate: Any = field(default=default_collate, repr=False)

    def __len__(self) -> int:
        return len(self.items)


def sets_of(returned: Any, where: str) -> list[UserSet]:
    """Return the data sets that a function returned, training data first.

    They are one set, a tuple (train, test) or (train, validation, test), or a dictionary with these names. A set has
    `__len__` and `__getitem__`, or is a pair of arrays (inputs, targets), or a `DataLoader` of such a set.

    Raises:
        DataError: they are something else.
    """
    if isinstance(returned, dict):
        if unknown := [name for name in returned if name not in _NAMES]:
            raise DataError(f"{where} must return data for train, validation and test, but has {unknown[0]!r} too.")
        if "train" not in returned:
            raise DataError(f"{where} returns nothing under 'train'.")
        return [_set(part, _NAMES[name], f"{where}, {name}") for name, part in returned.items()]
    if isinstance(returned, tuple) and not _is_pair(returned):
        names = {2: ("train", "test"), 3: ("train", "validation", "test")}.get(len(returned))
        if names is None:
            raise DataError(f"{where} must return one, two or three data sets, but returns {len(returned)}.")
        return [_set(p, _NAMES[n], f"{where}, {n}") for p, n in zip(returned, names, strict=True)]
    return [_set(returned, POOL, where)]


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(p, Tensor | np.ndarray) for p in value)


def _set(part: Any, code: int, where: str) -> UserSet:
    if _is_pair(part):
        # torch warns of arrays that nobody may write to, as views of pictures are.
        owned = (each.copy() if isinstance(each, np.ndarray) and not each.flags.writeable else each for each in part)
        inputs, targets = map(torch.as_tensor, owned)
        if len(inputs) != len(targets):
            raise DataError(f"{where} has {len(inputs):,} inputs, but {len(targets):,} targets.")
        return _set(TensorDataset(inputs, targets), code, where)
    if isinstance(part, DataLoader):
        if isinstance(part.dataset, IterableDataset):
            raise DataError(_unordered(where))
        own = _set(part.dataset, code, where)
        return UserSet(code, own.items, part.num_workers, part.collate_fn)
    if isinstance(part, IterableDataset) or not (hasattr(part, "__len__") and hasattr(part, "__getitem__")):
        raise DataError(_unordered(where) if hasattr(part, "__iter__") else f"{where}: {_needed(part)}")
    if not len(part):
        raise DataError(f"{where} has no items.")
    return UserSet(code, part)


def _unordered(where: str) -> str:
    return (
        f"{where} gives items one after the other, so that their order cannot be drawn by seed: return a data set with "
        f"__len__ and __getitem__, or a DataLoader of one."
    )


def _needed(part: Any) -> str:
    return (
        f"a data set must have __len__ and __getitem__, or be a pair of arrays (inputs, targets), but it is "
        f"{type(part).__name__}."
    )


@dataclass(frozen=True, eq=False)
class Seeded:
    """A data set indexed by (position, seed); random draws in its code depend on the seed alone."""

    items: Any

    def __getitem__(self, key: tuple[int, int]) -> Any:
        """Return an item; seeds the random generators, which the caller restores."""
        place, seed = key
        seed_draws(seed)
        return self.items[place]


def read(the_set: UserSet, keys: Sequence[Sequence[tuple[int, int]]], where: str) -> Iterator[tuple[Given, Tensor]]:
    """Yield the batches of (position, seed), with the workers of the user's loader if there is one.

    Raises:
        DataError: an item is no pair of inputs and a target.
    """
    seeded = Seeded(the_set.items)
    if the_set.workers:
        loader: Any = DataLoader(
            seeded,  # type: ignore[arg-type]
            batch_sampler=keys,  # type: ignore[arg-type]
            num_workers=the_set.workers,
            collate_fn=the_set.collate,
            generator=torch.Generator(),  # else it moves the caller's
        )
        for batch in loader:
            yield pair_of(batch, where)
        return
    for batch_keys in keys:
        with drawing(0):
            batch = the_set.collate([seeded[key] for key in batch_keys])
        yield pair_of(batch, where)


def pair_of(batch: Any, where: str) -> tuple[Given, Tensor]:
    """Return inputs and targets of a batch, real numbers in single precision and integers in 64 bits.

    Raises:
        DataError: it is no pair, or holds something that is no tensor.
    """
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        what = f"{type(batch).__name__} of {len(batch)}" if hasattr(batch, "__len__") else type(batch).__name__
        raise DataError(f"An item of {where} must be a pair (inputs, target), but is {what}.")
    inputs, targets = batch
    if isinstance(inputs, list):
        inputs = tuple(inputs)
    parts = list(inputs.values()) if isinstance(inputs, dict) else inputs if isinstance(inputs, tuple) else (inputs,)
    for tensor in (*parts, targets):
        if not isinstance(tensor, Tensor):
            raise DataError(f"An item of {where} must hold numbers, but holds {type(tensor).__name__}.")
    if isinstance(inputs, dict):
        return {name: _real_or_token(tensor) for name, tensor in inputs.items()}, _plain(targets)
    if isinstance(inputs, tuple):
        return tuple(map(_real_or_token, inputs)), _plain(targets)
    return _real_or_token(inputs), _plain(targets)


def _real_or_token(tensor: Tensor) -> Tensor:
    return tensor.float() / 255 if tensor.dtype == torch.uint8 else _plain(tensor)


def _plain(tensor: Tensor) -> Tensor:
    kind = torch.float32 if tensor.is_floating_point() else torch.int64
    return tensor.detach().to(kind).contiguous()


def named_parts(inputs: Given) -> list[tuple[str | None, Tensor]]:
    """Return the tensors of inputs with their names; None for unnamed ones."""
    if isinstance(inputs, dict):
        return list(inputs.items())
    return [(None, tensor) for tensor in (inputs if isinstance(inputs, tuple) else (inputs,))]
