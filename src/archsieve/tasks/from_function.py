"""Tasks of data that a user's function returns: data sets, loaders or arrays."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from archsieve.errors import ArchsieveError, DataError, SettingError, describe_error, line_of
from archsieve.networks.form import Input
from archsieve.spaces.choices.factory import result_of
from archsieve.tasks.contract import check_batch
from archsieve.tasks.data.scenes import IGNORED
from archsieve.tasks.data.targets import Place, Targets, targets_of
from archsieve.tasks.own_data import PLACE, Known, OwnData
from archsieve.values import check_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from archsieve.networks.form import Given
    from archsieve.tasks.contract import Split
    from archsieve.tasks.data.user_scan import Scan
    from archsieve.tasks.data.user_sets import UserSet


@dataclass(frozen=True, kw_only=True)
class FromFunction(OwnData):
    """Data from a user's function: one data set, (train, test), (train, validation, test), or a dictionary.

    A data set has `__len__` and `__getitem__`, which gives (inputs, target), or is a pair of arrays, or a `DataLoader`
    of such a set, whose workers and `collate_fn` are used. Inputs are a tensor, a tuple, or a dictionary by the names
    of the network's arguments. Real numbers become float32, uint8 is divided by 255, other whole numbers are token ids.
    What `__getitem__` draws at random is seeded for each item. Every item is read once at the start: for the splits,
    the range of tokens and the identity. archsieve draws the order of the items, also where a loader would shuffle.

    Attributes:
        function: "module:name". The module is imported: name only code you trust.
        tokens: how many tokens there are; 0: as many as the largest one that occurs says.
        classes: how many classes there are, if class numbers must be in 0..classes-1; 0: the values that there are.
        revision: a name of this state of the data, such as a date. With one, what was learnt from reading all items is
            kept on this machine, and believed until the name changes; without, each process reads them.
    """

    function: str = field(metadata={"code": True, **PLACE})
    tokens: int = 0
    classes: int = 0
    revision: str = field(default="", metadata=PLACE)

    name: ClassVar[str] = "function"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("tokens", self.tokens, least=0)
        check_whole("classes", self.classes, least=0)
        if not isinstance(self.function, str) or not all(self.function.partition(":")):
            raise SettingError(f"`function` must be module:name, e.g. my_data:load, but got {self.function!r}.")

    def known(self) -> Known:
        """Return the data of all items, reading them unless this process or a cached `revision` has them.

        Raises:
            DataError: the function fails, or its data are not what the settings say.
        """
        return _known(self.function, self.revision, self.kind, self.classes, self.positive)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The inputs; token ids with their range."""
        return tuple(self._input(*form) for form in self._scan().form)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the first input."""
        return self.inputs[0].shape

    def batches(
        self,
        split: Split,
        *,
        batch_size: int,
        rng: np.random.Generator | None = None,
        augment: bool = False,
        device: str = "cpu",
    ) -> Iterator[tuple[Given, Tensor]]:
        """Yield (inputs, targets) once through `split`; see `archsieve.tasks.contract.Task.batches`.

        The order and, with `augment`, a seed for each item are drawn from `rng` in this call. Without it the seed of an
        item is its place.

        Raises:
            SettingError: an unknown split, a batch size below 1, or augmentation without `rng`.
            DataError: an item cannot be read.
        """
        check_batch(batch_size, rng, augment)
        order = self.members(split)
        if rng is not None:
            order = rng.permutation(order)
        seeds = rng.integers(2**31, size=len(order)) if augment and rng is not None else order
        return self._stream(order, seeds, batch_size, device)

    def _stream(
        self, order: NDArray[np.int64], seeds: NDArray[np.int64], batch_size: int, device: str
    ) -> Iterator[tuple[Given, Tensor]]:
        import torch

        from archsieve.networks.inputs import mapped
        from archsieve.tasks.data.moving import sent
        from archsieve.tasks.data.user_scan import guarded
        from archsieve.tasks.data.user_sets import read

        if not len(order):
            return
        sets = _sets(self.function)
        ends = np.cumsum([len(each) for each in sets])
        which = int(np.searchsorted(ends, order[0], side="right"))
        places = order - (ends[which] - len(sets[which]))
        pairs = list(zip(places.tolist(), seeds.tolist(), strict=True))
        keys = [pairs[start : start + batch_size] for start in range(0, len(pairs), batch_size)]
        batches = guarded(read(sets[which], keys, self.function), self.function)
        for start, (inputs, targets) in zip(range(0, len(order), batch_size), batches, strict=True):
            if self.kind != "segmentation":
                targets = torch.from_numpy(self.answers(order[start : start + batch_size]))
            yield mapped(inputs, lambda tensor: sent(tensor, device)), sent(targets, device)

    def _scan(self) -> Scan:
        return _scan(self.function, self.revision)

    def _input(self, name: str | None, shape: tuple[int, ...], most: int | None) -> Input:
        if most is None:
            return Input(shape, name=name)
        if self.tokens and most >= self.tokens:
            raise DataError(
                f"A token {most} of {self.function} is not in 0..{self.tokens - 1}, which tokens={self.tokens} says."
            )
        return Input(shape, tokens=self.tokens or most + 1, name=name)


@functools.lru_cache(maxsize=4)
def _sets(function: str) -> list[UserSet]:
    from archsieve.tasks.data.user_sets import sets_of

    try:
        returned = result_of(function)
    except ArchsieveError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        place = f" ({line})" if (line := line_of(error, function.partition(":")[0])) else ""
        raise DataError(f"{function} failed: {describe_error(error)}{place}.") from error
    return sets_of(returned, function)


@functools.lru_cache(maxsize=4)
def _scan(function: str, revision: str) -> Scan:
    from archsieve.tasks.data.user_scan import scanned

    return scanned(_sets(function), function, revision)


@functools.lru_cache(maxsize=4)
def _known(function: str, revision: str, kind: str, classes: int, positive: str) -> Known:
    scan = _scan(function, revision)
    place = Place(f"The targets of {function}", lambda index: f"item {index} (counted from 0)")
    if kind != "segmentation":
        targets = targets_of(scan.targets, kind, place, classes=classes, positive=positive)
    else:
        targets = _pixels(scan, function, classes)
    given = scan.codes if scan.codes.any() else None
    return Known(scan.content, targets.values, targets.names, given, function, count=len(scan.codes))


def _pixels(scan: Scan, function: str, classes: int) -> Targets:
    count = classes or scan.most_target + 1
    if scan.targets.size or count < 2:
        raise DataError(
            f"The targets of {function} must be a class for each pixel, at least two of them, and {IGNORED} for none."
        )
    if scan.most_target >= count or scan.least_target < 0:
        wrong = scan.most_target if scan.most_target >= count else scan.least_target
        raise DataError(f"The label {wrong} in the targets of {function} is not in 0..{count - 1}.")
    return Targets(scan.targets, tuple(map(str, range(count))))
