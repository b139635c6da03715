"""Tasks whose items fit into memory as one array (tables, series, token ids); a task adds the reading."""

from __future__ import annotations

import functools
import hashlib
import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archsieve.errors import DataError, SettingError
from archsieve.networks.form import Input
from archsieve.tasks.contract import check_batch
from archsieve.tasks.own_data import Known, OwnData
from archsieve.values import check_whole, is_whole, path_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from archsieve.tasks.contract import Split
    from archsieve.tasks.data.splits import Parts
    from archsieve.tasks.data.targets import Targets

_ROWS = 4096  # looked at at a time


@dataclass(frozen=True, eq=False)
class Items:
    """All items of a task: the inputs (n, ...), and the data on them."""

    inputs: NDArray[Any]
    known: Known


@dataclass(frozen=True, kw_only=True)
class InMemory(OwnData):
    """A task that reads all items at once, at most 1.25 GB.

    Real inputs are float32, standardised by mean and standard deviation of the items to train on: of each feature of
    (features,), of each channel of (channels, ...). Numbers to predict are standardised as well; metrics are in the
    unit of the user. Nothing is augmented.

    Attributes:
        tokens: 0 for real numbers; else the inputs are token ids in 0..tokens-1.
        shape: of an item, where it is another than the data have; as many numbers.
        standardise: whether real inputs are standardised.
        classes: number of classes, if class numbers must be in 0..classes-1; 0: the values that there are, in order.
    """

    tokens: int = 0
    shape: tuple[int, ...] = ()
    standardise: bool = True
    classes: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("tokens", self.tokens, least=0)
        check_whole("classes", self.classes, least=0)
        if not isinstance(self.shape, tuple | list) or not all(is_whole(side) and side >= 1 for side in self.shape):
            raise SettingError(f"`shape` must be whole numbers from 1 on, but got {self.shape!r}.")
        object.__setattr__(self, "shape", tuple(self.shape))
        if self.classes and self.kind not in ("classification", "segmentation"):
            raise SettingError(
                f"`classes` needs the kind classification or segmentation, but the kind is {self.kind!r}."
            )

    @abstractmethod
    def items(self) -> Items:
        """Return all items: the same object while the process lives and the files are unchanged."""

    def known(self) -> Known:
        """Return the data on all items."""
        return self.items().known

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of an item."""
        return tuple(self.items().inputs.shape[1:])

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The token ids with their range; empty for real numbers."""
        return (Input(self.input_shape, tokens=self.tokens),) if self.tokens else ()

    @property
    def input_scale(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and standard deviation for standardising inputs, broadcastable to an item."""
        items = self.items()
        if self.tokens or not self.standardise:
            return np.zeros(1, np.float32), np.ones(1, np.float32)
        return _scale_of(items, self._parts())

    @property
    def facts(self) -> dict[str, Any]:
        """What a user needs to run a network of this task elsewhere, including how inputs are standardised."""
        mean, deviation = (scale.reshape(-1).tolist() for scale in self.input_scale)
        return super().facts | (
            {"tokens": self.tokens} if self.tokens else {"input_mean": mean, "input_deviation": deviation}
        )

    def batches(
        self,
        split: Split,
        *,
        batch_size: int,
        rng: np.random.Generator | None = None,
        augment: bool = False,
        device: str = "cpu",
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (inputs, targets) once through `split`; see `archsieve.tasks.contract.Task.batches`.

        Raises:
            SettingError: an unknown split, a batch size below 1, or augmentation without `rng`.
            DataError: the data are not what the settings say.
        """
        check_batch(batch_size, rng, augment)
        order = self.members(split)
        return self._stream(order if rng is None else rng.permutation(order), batch_size, device)

    def _stream(self, order: NDArray[np.int64], batch_size: int, device: str) -> Iterator[tuple[Tensor, Tensor]]:
        import torch

        from archsieve.tasks.data.moving import sent

        items, (mean, deviation) = self.items(), self.input_scale
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            inputs = items.inputs[places]
            inputs = inputs.astype(np.int64) if self.tokens else (inputs.astype(np.float32) - mean) / deviation
            yield sent(torch.from_numpy(inputs), device), sent(torch.from_numpy(self.answers(places)), device)


def finished(
    inputs: NDArray[Any],
    targets: Targets,
    given: NDArray[np.int8] | None,
    task: InMemory,
    what: str,
    groups: NDArray[np.int64] | None = None,
) -> Items:
    """Return items in the task's shape, checked and write-protected, because a process shares them.

    Raises:
        DataError: the inputs are no finite numbers, no token ids in range, or have not the size of the shape.
    """
    if len(inputs) != len(targets.values):
        raise DataError(f"{what} has {len(inputs):,} inputs, but {len(targets.values):,} targets.")
    if not inputs.size:
        raise DataError(f"The inputs of {what} hold no numbers: their shape is {inputs.shape}.")
    if inputs.dtype.kind not in "biuf":
        raise DataError(f"The inputs of {what} must be numbers, but are of the type {inputs.dtype}.")
    if task.tokens:
        inputs = _tokens(inputs, task.tokens, what)
    elif inputs.dtype.kind == "f" or inputs.itemsize > 4:
        inputs = inputs.astype(np.float32, copy=False)
    _check_numbers(inputs, what)
    inputs = np.ascontiguousarray(_shaped(inputs, task.shape, what))
    digest = hashlib.sha256(repr((targets.names, task.kind)).encode())
    of_splits = [array for array in (given, groups) if array is not None] or [np.zeros(0, np.int8)]
    for array in (inputs, targets.values, *of_splits):
        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{plain.dtype.str} {plain.shape} ".encode())
        digest.update(plain.data if plain.size else b"")
    for array in (inputs, targets.values):
        array.flags.writeable = False
    known = Known(digest.hexdigest(), targets.values, targets.names, given, what, groups, len(inputs))
    return Items(inputs, known)


def _check_numbers(inputs: NDArray[Any], what: str) -> None:
    if inputs.dtype.kind != "f":
        return
    for start in range(0, len(inputs), _ROWS):
        rows = inputs[start : start + _ROWS].reshape(len(inputs[start : start + _ROWS]), -1)
        if not np.isfinite(rows).all():
            row = int(np.flatnonzero(~np.isfinite(rows).all(1))[0])
            value = rows[row][~np.isfinite(rows[row])][0]
            raise DataError(
                f"The inputs of {what} must be finite numbers in single precision, but {value} is in item "
                f"{start + row} (counted from 0)."
            )


def _tokens(inputs: NDArray[Any], tokens: int, what: str) -> NDArray[np.int32]:
    wrong = (inputs < 0) | (inputs >= tokens) | (inputs != np.floor(inputs) if inputs.dtype.kind == "f" else False)
    if wrong.any():
        row = int(np.argwhere(wrong)[0, 0])
        raise DataError(
            f"The token {inputs[wrong][0]} in item {row} (counted from 0) of {what} is not a whole number in "
            f"0..{tokens - 1}, which tokens={tokens} says."
        )
    return inputs.astype(np.int32)


def _shaped(inputs: NDArray[Any], shape: tuple[int, ...], what: str) -> NDArray[Any]:
    if not shape:
        return inputs if inputs.ndim > 1 else inputs[:, np.newaxis]
    size = math.prod(inputs.shape[1:])
    if size != math.prod(shape):
        raise DataError(f"An item of {what} has {size:,} numbers, which cannot get the shape {shape}.")
    return inputs.reshape(len(inputs), *shape)


@functools.lru_cache(maxsize=4)
def _scale_of(items: Items, parts: Parts) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    shape = items.inputs.shape[1:]
    axes = (0, *range(2, items.inputs.ndim)) if len(shape) > 1 else (0,)
    total, squares, count = np.zeros(shape[0]), np.zeros(shape[0]), 0
    center: NDArray[np.float64] | None = None
    for start in range(0, len(parts.train), _ROWS):
        rows = items.inputs[parts.train[start : start + _ROWS]].astype(np.float64)
        if center is None:
            center = rows.mean(axes)  # near the mean, so that large numbers lose no digits
        rows = rows - center.reshape(-1, *(1,) * (len(shape) - 1))
        total += rows.sum(axes)
        squares += (rows**2).sum(axes)
        count += rows.size // shape[0]
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    deviation[deviation <= 1e-12] = 1.0  # of a constant
    mean = mean + (0 if center is None else center)
    sides = (-1, *(1,) * (len(shape) - 1))
    return mean.astype(np.float32).reshape(sides), deviation.astype(np.float32).reshape(sides)


def absolute(file: str) -> str:
    """Return a path that is valid from any folder; an empty one stays empty."""
    return str(path_in(file).expanduser().resolve()) if file else ""
